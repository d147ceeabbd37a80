"""The database beside a folder and beside S3, with whatever may be wrong between them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from sqlalchemy import Engine, text

from factories import AUDIO, add_user
from integration_support import as_role
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_scheduler.verify import GRACE, Finding, orphans, remove_orphans, verify
from mindtrack_shared.db import roles
from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.settings import DatabaseSettings, StorageSettings
from mindtrack_shared.storage import ListedObject, RecordingStore, open_store

OLD = 2 * GRACE.total_seconds()
#: Several pages of S3's, and batches of rows.
MANY = 2500
INSERT = text("""
insert into recordings
    (id, user_id, object_key, sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone)
select gen_random_uuid(), :user_id, key, :sha256, :size, 'audio/wav', now(), now()::date, 'UTC'
from unnest(cast(:keys as text[])) as key
""")

UPLOAD = text("""
insert into uploads (id, user_id, object_key, expires_at) values (gen_random_uuid(), :person, :key, now())
""")

TOMBSTONE = text("""
insert into tombstones (job_id, user_id, receipt_id, object_key)
values (gen_random_uuid(), :person, gen_random_uuid(), :key)
""")

Put = Callable[..., str]


@pytest.fixture(params=["folder", "s3"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, infrastructure: Infrastructure
) -> StorageSettings:
    if request.param == "folder":
        return StorageSettings(url=f"file://{tmp_path}/recordings")
    return infrastructure.settings(StorageSettings)


@pytest.fixture
def store(settings: StorageSettings) -> RecordingStore:
    """With nothing in it, whatever other tests have left."""
    store = open_store(settings)
    obstore.delete(store._backend, [found.key for found in store.objects()])
    return store


@pytest.fixture
def put(store: RecordingStore, settings: StorageSettings) -> Put:
    """Put an object that is so many seconds old, and return its key."""

    def put(key: str, content: bytes = AUDIO, *, age: float = OLD) -> str:
        modified = time.time() - age
        if settings.url.startswith("file:"):
            obstore.put(store._backend, key, content)
            os.utime(Path(settings.url.removeprefix("file://")) / key, (modified, modified))
        else:  # the server that speaks S3 here understands this
            obstore.put(store._backend, key, content, attributes={"mtime": str(modified)})
        return key

    return put


def note(engine: Engine, *keys: str) -> None:
    """Commit a row for each key: our audio lies there."""
    values = {"keys": list(keys), "sha256": hashlib.sha256(AUDIO).digest(), "size": len(AUDIO)}
    user_id = add_user(engine)
    with engine.begin() as connection:
        connection.execute(INSERT, values | {"user_id": user_id})


def told(found: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(key, verdict) for key, verdict in found]


def test_every_row_and_every_object_is_judged(engine: Engine, store: RecordingStore, put: Put) -> None:
    note(engine, "c/missing", put("d/sound"), put("e/tampered", AUDIO[::-1]), put("f/torn", AUDIO[:-1]))
    note(engine, "g/missing")
    put("b/orphaned")
    put("h/orphaned")
    by_size = {
        "b/orphaned": "orphaned",
        "c/missing": "missing",
        "d/sound": "sound",
        "e/tampered": "sound",
        "f/torn": "damaged",
        "g/missing": "missing",
        "h/orphaned": "orphaned",
    }

    assert told(verify(engine, SealedRecordings(store, None), checksums=False)) == list(by_size.items())
    assert told(verify(engine, SealedRecordings(store, None), checksums=True)) == list(
        (by_size | {"e/tampered": "damaged"}).items()
    )


def test_nothing_agrees_with_nothing(engine: Engine, store: RecordingStore) -> None:
    assert told(verify(engine, SealedRecordings(store, None), checksums=True)) == []


def test_what_may_be_an_upload_in_progress_is_no_orphan(
    engine: Engine, store: RecordingStore, put: Put
) -> None:
    put("abandoned")
    put("arriving", age=60)
    note(engine, put("accepted", age=60))
    lasting, both = [("accepted", "sound")], [("abandoned", "orphaned"), ("accepted", "sound")]

    assert (
        told(verify(engine, SealedRecordings(store, None), checksums=False, grace=timedelta(seconds=OLD * 2)))
        == lasting
    )
    assert told(verify(engine, SealedRecordings(store, None), checksums=False)) == both
    assert told(verify(engine, SealedRecordings(store, None), checksums=False, grace=timedelta(0))) == [
        *both,
        ("arriving", "orphaned"),
    ]


def test_what_is_accepted_meanwhile_is_not_missed(
    engine: Engine, store: RecordingStore, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is committed when the listing has passed its key."""
    note(engine, put("before"))

    def passed() -> Iterator[ListedObject]:
        yield from listed
        note(engine, put("meanwhile", age=0))

    listed = list(store.objects())
    monkeypatch.setattr(store, "objects", passed)

    assert told(verify(engine, SealedRecordings(store, None), checksums=False)) == [("before", "sound")]


def test_pages_and_batches_join_without_a_seam(engine: Engine, store: RecordingStore, put: Put) -> None:
    keys = [f"recordings/{n:05}" for n in range(MANY)]
    note(engine, *keys[::2], *(put(key) for key in keys[1::2]))

    assert told(verify(engine, SealedRecordings(store, None), checksums=False)) == [
        (key, ("missing", "sound")[n % 2]) for n, key in enumerate(keys)
    ]


#: Whose order by bytes is not that of words, nor that of folders.
NAMES = ("B/x", "a-1", "a/1", "a0", "b", "bB", "b_", "é")


def test_uploads_are_no_orphans_while_the_sweep_knows_of_them(
    engine: Engine, store: RecordingStore, put: Put
) -> None:
    note(engine, put("recordings/1"))
    with engine.begin() as connection:
        connection.execute(UPLOAD, {"key": put("uploads/1"), "person": add_user(engine)})
    orphans = [put("elsewhere/1"), put("uploads/2")]

    found = told(verify(engine, SealedRecordings(store, None), checksums=False))
    assert found == [(orphans[0], "orphaned"), ("recordings/1", "sound"), (orphans[1], "orphaned")]


def test_what_people_deleted_is_no_orphan_while_it_is_to_be_buried(
    engine: Engine, store: RecordingStore, put: Put
) -> None:
    with engine.begin() as connection:
        connection.execute(TOMBSTONE, {"key": put("recordings/1"), "person": add_user(engine)})

    assert told(verify(engine, SealedRecordings(store, None), checksums=False)) == []


def test_orphans_are_removed_and_nothing_else(engine: Engine, store: RecordingStore, put: Put) -> None:
    note(engine, put("recordings/1"))
    with engine.begin() as connection:
        connection.execute(UPLOAD, {"key": put("uploads/1"), "person": add_user(engine)})
    young = put("recordings/2", age=60)
    old = put("recordings/3")

    assert list(orphans(engine, store, grace=GRACE)) == [old]
    assert list(remove_orphans(engine, store, grace=GRACE)) == [old]
    assert [found.key for found in store.objects()] == ["recordings/1", young, "uploads/1"]
    assert list(remove_orphans(engine, store, grace=GRACE)) == []


def test_what_gets_its_row_meanwhile_stays(
    engine: Engine, store: RecordingStore, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = put("recordings/1")
    (seen,) = orphans(engine, store, grace=GRACE)
    note(engine, late)
    monkeypatch.setattr("mindtrack_scheduler.verify.orphans", lambda *_, **__: iter([seen]))

    assert list(remove_orphans(engine, store, grace=GRACE)) == []
    assert late in {found.key for found in store.objects()}


def test_keys_are_compared_by_bytes(engine: Engine, store: RecordingStore, put: Put) -> None:
    note(engine, *(put(key) for key in reversed(NAMES)))

    assert told(verify(engine, SealedRecordings(store, None), checksums=False)) == [
        (key, "sound") for key in NAMES
    ]


def test_memory_does_not_grow_with_rows(engine: Engine, tmp_path: Path) -> None:
    """At a hundred bytes a key, these would be megabytes."""
    store = open_store(StorageSettings(url=f"file://{tmp_path}/recordings"))

    def peak(count: int) -> int:
        note(engine, *(f"{new_id()}/{'x' * 100}" for _ in range(count)))
        tracemalloc.start()
        try:
            for _ in verify(engine, SealedRecordings(store, None), checksums=False):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(5_000), peak(45_000)

    assert many < few + 500_000


def test_the_command_tells_what_it_found(
    engine: Engine,
    settings: StorageSettings,
    infrastructure: Infrastructure,
    database: DatabaseSettings,
    put: Put,
) -> None:
    note(engine, put("a/sound"), "b/missing")
    put("c/orphaned", age=60)
    variables = infrastructure.environment.variables() | {
        "MINDTRACK_DATABASE_URL": as_role(roles.WORKER, database).url.get_secret_value(),
        "MINDTRACK_STORAGE_URL": settings.url,
    }

    def run(*options: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "mindtrack_scheduler", "verify", *options]
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr.strip().splitlines()[-1]

    assert run() == (
        1,
        "missing\tb/missing\n",
        "2 recordings: 1 missing, 0 damaged; 0 objects without a row",
    )
    put("b/missing")
    assert run("--checksums", "--grace", "30") == (
        0,
        "orphaned\tc/orphaned\n",
        "2 recordings: 0 missing, 0 damaged; 1 objects without a row",
    )
