"""What people say and write lies sealed, with their own key, and is gone with it: also from a backup."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import URL, Engine, select, text
from sqlalchemy.orm import Session

from factories import TENSE, add_grant, analysis, subject_of
from integration_support import (
    WAV,
    SignIn,
    execute_outside_transactions,
    serving_gateway,
    settings_for,
    upload,
    work,
)
from mindtrack_gateway.seals import UNREADABLE, of_note
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_local.postgres import binaries
from mindtrack_scheduler.keys import lost, rewrap
from mindtrack_scheduler.verify import Verdict, verify
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.db.models import DataKeyRecord, Note, Recording
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import (
    DataKeys,
    KeyMissingError,
    KeyPlace,
    SealBrokenError,
    SealedRecordings,
    is_sealed,
    open_keys,
    sealed_size,
    unseal_text,
)
from mindtrack_shared.sealing.providers import new_key_line
from mindtrack_shared.settings import DatabaseSettings, KeySettings, StorageSettings
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError

#: Long enough to be nowhere by chance.
CANARY = "canary-4f1c-the-exam-is-on-friday"


@pytest.fixture
def ada(sign_in: SignIn, engine: Engine, person: UUID) -> httpx.Client:
    """Somebody who has no key yet."""
    return sign_in(subject_of(engine, person))


@pytest.fixture
def settings(infrastructure: Infrastructure) -> tuple[KeySettings, StorageSettings]:
    return infrastructure.settings(KeySettings), infrastructure.settings(StorageSettings)


@pytest.fixture
def fresh(settings: tuple[KeySettings, StorageSettings]) -> DataKeys:
    """Keys as a process has them that has just started."""
    found = open_keys(*settings)
    assert found is not None
    return found


def sent(client: httpx.Client, content: bytes | None = None) -> str:
    answer = upload(client, content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def rows(engine: Engine, person: UUID) -> list[Recording]:
    with Session(engine) as session:
        return list(
            session.scalars(select(Recording).where(Recording.user_id == person).order_by(Recording.id))
        )


def key_of(engine: Engine, person: UUID) -> UUID | None:
    with Session(engine) as session:
        return session.scalar(select(DataKeyRecord.key_id).where(DataKeyRecord.user_id == person))


def note(florence: httpx.Client, person: UUID, words: str) -> UUID:
    answer = florence.post(f"/v1/users/{person}/notes", json={"text": words})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


# --- nothing in clear -----------------------------------------------------------------------------------


def test_no_object_holds_what_was_uploaded_in_any_way(
    ada: httpx.Client,
    engine: Engine,
    infrastructure: Infrastructure,
    person: UUID,
    recordings: SealedRecordings,
) -> None:
    def content() -> bytes:
        return WAV + CANARY.encode() + new_id().bytes

    root = infrastructure.recordings.parent  # all buckets
    before = {path for path in root.rglob("*") if path.is_file()}  # other tests', some of it in clear
    contents = [content() for _ in range(3)]
    sent(ada, contents[0])
    raw = ada.post("/v1/jobs", content=contents[1], headers={"Content-Type": "audio/wav"})
    declared = ada.post("/v1/uploads", json={}).json()
    assert httpx.put(declared["url"], content=contents[2]).is_success
    claimed = ada.post("/v1/jobs", json={"upload_id": declared["id"]})
    assert (raw.status_code, claimed.status_code) == (202, 202)

    scanned = [path.read_bytes() for path in root.rglob("*") if path.is_file() and path not in before]
    assert len(scanned) > 3
    assert not [found for found in scanned if CANARY.encode() in found or WAV[:40] in found]
    found = rows(engine, person)
    assert [b"".join(recordings.read(row.object_key, person)) for row in found] == contents
    assert [row.size_bytes for row in found] == [len(each) for each in contents]


def test_no_page_of_the_database_holds_what_was_written(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client,
    florence: httpx.Client,
    engine: Engine,
    infrastructure: Infrastructure,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    person: UUID,
    clinician: UUID,
) -> None:
    add_grant(engine, person, clinician)
    job_id = sent(ada)
    work(engine, recordings, wakeups, job_id, analysis(TENSE))
    note_id = note(florence, person, f"note {CANARY}")
    changed = florence.patch(f"/v1/users/{person}/notes/{note_id}", json={"text": f"changed {CANARY}"})
    said = ada.post(f"/v1/jobs/{job_id}/feedback", json={"stress": 7, "note": f"feedback {CANARY}"})
    wanted = {"scopes": ["trends"], "purpose": f"purpose {CANARY}", "use_context": "healthcare"}
    invited = ada.post("/v1/invitations", json=wanted)
    labelled = florence.put(f"/v1/patients/{person}/label", json={"label": f"label {CANARY}"})
    answers = changed, said, invited, labelled
    assert [each.is_success for each in answers] == [True] * 4, [each.text for each in answers]

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("checkpoint"))
    written = [path for path in infrastructure.layout.postgres.rglob("*") if path.is_file()]
    assert not [path for path in written if CANARY.encode() in path.read_bytes()], (
        "tables, indexes or the log"
    )

    theirs = ada.get(f"/v1/users/me/notes/{note_id}").json()
    assert [theirs["text"], theirs["former"][0]["text"]] == [f"changed {CANARY}", f"note {CANARY}"]
    assert ada.get(f"/v1/jobs/{job_id}/feedback").json()["items"][0]["note"] == f"feedback {CANARY}"
    redeemed = florence.post("/v1/grants", json={"code": invited.json()["code"]}).json()
    assert (
        redeemed["purpose"] == ada.get("/v1/invitations").json()["items"][0]["purpose"] == wanted["purpose"]
    )
    listed = florence.get("/v1/patients", params={"search": "LABEL canary-4F1C"}).json()["items"]
    assert [(each["user_id"], each["label"]) for each in listed] == [(str(person), f"label {CANARY}")]
    assert florence.get("/v1/patients", params={"search": "nobody"}).json()["items"] == []


def test_nobody_types_what_looks_sealed(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    add_grant(engine, person, clinician)

    refused = florence.post(f"/v1/users/{person}/notes", json={"text": "\x02forged"})

    assert refused.status_code == 422


# --- what was changed is never scored -------------------------------------------------------------------


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _cut(content: bytes) -> bytes:
    return content[:-40]


@pytest.mark.parametrize("harm", [_flipped, _cut])
def test_a_damaged_recording_fails_and_is_never_scored(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client,
    engine: Engine,
    store: RecordingStore,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    person: UUID,
    harm: Callable[[bytes], bytes],
) -> None:
    job_id = sent(ada)
    (row,) = rows(engine, person)
    store.put(row.object_key, harm(b"".join(store.read(row.object_key))))

    assert _ended(ada, engine, recordings, wakeups, job_id) == ("failed", "recording_lost")


def test_recordings_that_changed_places_between_people_fail(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client,
    grace: httpx.Client,
    engine: Engine,
    store: RecordingStore,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    person: UUID,
) -> None:
    content = WAV + new_id().bytes
    sent(grace, content)
    with Session(engine) as session:
        other = session.scalars(select(Recording).where(Recording.user_id != person)).one()
    job_id = sent(ada, content)  # the same, so that its checksum would not tell
    (row,) = rows(engine, person)
    store.put(row.object_key, b"".join(store.read(other.object_key)))

    assert _ended(ada, engine, recordings, wakeups, job_id) == ("failed", "recording_lost")


def test_one_persons_recordings_that_changed_places_fail(
    ada: httpx.Client,
    engine: Engine,
    store: RecordingStore,
    person: UUID,
    recordings: SealedRecordings,
) -> None:
    sent(ada)
    sent(ada)
    one, other = rows(engine, person)
    store.put(one.object_key, b"".join(store.read(other.object_key)))

    with pytest.raises(SealBrokenError):
        list(recordings.read(one.object_key, person))


def _ended(
    client: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups, job_id: str
) -> tuple[str, str]:
    for _ in range(3):
        with engine.begin() as connection:
            connection.execute(text("update jobs set not_before = now()"))
        work(engine, recordings, wakeups, job_id, analysis(TENSE))
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert job["analysis"] is None
    with engine.connect() as connection:
        analyses = text("select count(*) from analyses where job_id = :id")
        assert connection.scalar(analyses, {"id": job_id}) == 0
        code = connection.scalar(text("select code from jobs where id = :id"), {"id": job_id})
    return job["status"], str(code)


# --- beside the previous release ------------------------------------------------------------------------


def test_what_lies_there_in_clear_is_read_as_before(  # noqa: PLR0913, PLR0917 - fixtures
    infrastructure: Infrastructure,
    database: DatabaseSettings,
    engine: Engine,
    store: RecordingStore,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    person: UUID,
    ada: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As during a rollout: keys are there, and nothing is sealed yet."""
    monkeypatch.setitem(infrastructure.environment.overrides, "MINDTRACK_KEYS_SEAL", "false")
    content = WAV + new_id().bytes
    with (
        serving_gateway(infrastructure, database) as base_url,
        httpx.Client(base_url=base_url, headers=ada.headers, timeout=30) as former,
    ):
        job_id = sent(former, content)
    (row,) = rows(engine, person)
    assert b"".join(store.read(row.object_key)) == content
    assert key_of(engine, person) is None

    work(engine, recordings, wakeups, job_id, analysis(TENSE))

    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"


def test_a_worker_that_has_no_keys_tries_again(
    ada: httpx.Client, engine: Engine, store: RecordingStore, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = sent(ada)

    work(engine, SealedRecordings(store, None), wakeups, job_id, analysis(TENSE))
    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
    with engine.begin() as connection:
        connection.execute(text("update jobs set not_before = now()"))
    work(engine, recordings, wakeups, job_id, analysis(TENSE))

    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"


# --- keys -----------------------------------------------------------------------------------------------


def test_many_first_recordings_at_once_share_one_key(
    ada: httpx.Client, engine: Engine, person: UUID, place: KeyPlace, store: RecordingStore
) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: sent(ada), range(16)))

    found = rows(engine, person)
    named = {b"".join(store.read(row.object_key))[9:25] for row in found}
    key_id = key_of(engine, person)
    assert key_id is not None
    assert len(found) == 16
    assert named == {key_id.bytes}
    assert place.holds(key_id)


def test_rotation_writes_no_recording_and_no_row_anew(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client,
    engine: Engine,
    infrastructure: Infrastructure,
    store: RecordingStore,
    settings: tuple[KeySettings, StorageSettings],
    person: UUID,
) -> None:
    sent(ada)
    (row,) = rows(engine, person)
    before = b"".join(store.read(row.object_key)), key_of(engine, person)
    path = settings[0].file
    assert path is not None
    former = path.read_text()
    variables = {**infrastructure.environment.variables(), "MINDTRACK_DATABASE_URL": _plain(engine.url)}
    try:
        added = new_key_line(f"next-{new_id()}")
        path.write_text(former + added)  # known everywhere before anything is wrapped with it
        path.write_text(added + former)
        done, again = _rewrapped(variables), _rewrapped(variables)
        path.write_text(added)  # the former is retired
        keys = open_keys(*settings)
        opened = b"".join(SealedRecordings(store, keys).read(row.object_key, person))
    finally:
        path.write_text(added + former)  # other tests' keys

    assert "1 keys: 1 wrapped anew" in done
    assert "1 keys: 0 wrapped anew" in again
    assert opened.startswith(WAV)
    assert (b"".join(store.read(row.object_key)), key_of(engine, person)) == before


def _rewrapped(variables: dict[str, str]) -> str:
    command = [sys.executable, "-m", "mindtrack_scheduler", "rewrap-keys"]
    return subprocess.run(
        command, env=os.environ | variables, check=True, capture_output=True, text=True
    ).stderr


def test_verify_knows_sealed_recordings(
    ada: httpx.Client, engine: Engine, store: RecordingStore, recordings: SealedRecordings, person: UUID
) -> None:
    sent(ada)
    (row,) = rows(engine, person)

    def judged() -> Verdict:
        return dict(verify(engine, recordings, checksums=True))[row.object_key]

    assert judged() is Verdict.SOUND
    size = len(b"".join(store.read(row.object_key)))
    assert size == sealed_size(row.size_bytes) > row.size_bytes
    store.put(row.object_key, bytes(size))
    assert judged() is Verdict.DAMAGED


# --- erased ---------------------------------------------------------------------------------------------


def test_an_erasure_destroys_the_key_and_the_next_recording_has_another(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client,
    engine: Engine,
    person: UUID,
    place: KeyPlace,
    recordings: SealedRecordings,
    wakeups: Wakeups,
) -> None:
    sent(ada)
    former = key_of(engine, person)
    assert former is not None

    receipt = erased(ada)

    assert receipt["removed"]["keys"] == 1
    assert key_of(engine, person) is None
    assert not place.holds(former)
    job_id = sent(ada)
    assert key_of(engine, person) not in {None, former}
    work(engine, recordings, wakeups, job_id, analysis(TENSE))
    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"


def erased(client: httpx.Client) -> dict[str, dict[str, int]]:
    answer = client.request("DELETE", "/v1/users/me", json={"confirm": "erase everything"})
    assert answer.status_code == 200, answer.text
    receipt: dict[str, dict[str, int]] = answer.json()
    return receipt


def test_no_receipt_while_the_key_cannot_be_destroyed(
    ada: httpx.Client, engine: Engine, person: UUID, place: KeyPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(ada)
    key_id = key_of(engine, person)
    assert key_id is not None

    with monkeypatch.context() as patched:
        patched.setattr(RecordingStore, "remove", _away)
        refused = ada.request("DELETE", "/v1/users/me", json={"confirm": "erase everything"})
    assert refused.status_code == 503
    assert key_of(engine, person) == key_id

    assert erased(ada)["removed"]["keys"] == 1
    assert not place.holds(key_id)


def _away(*_: object) -> None:
    raise StorageUnavailableError("away")


def test_a_restored_backup_does_not_open_what_was_erased(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client,
    grace: httpx.Client,
    florence: httpx.Client,
    engine: Engine,
    server_url: URL,
    store: RecordingStore,
    settings: tuple[KeySettings, StorageSettings],
    place: KeyPlace,
    person: UUID,
    clinician: UUID,
    tmp_path: Path,
) -> None:
    """Everything from before the erasure: the database, all objects, the key-encryption key. Not the keys."""
    add_grant(engine, person, clinician)
    sent(ada)
    note_id = note(florence, person, CANARY)
    sent(grace)
    mine = rows(engine, person)[0].object_key
    with Session(engine) as session:
        other = session.scalars(select(Recording).where(Recording.user_id != person)).one()
    backup = {key: b"".join(store.read(key)) for key in (mine, other.object_key)}
    dump = tmp_path / "dump"
    _run("pg_dump", "--format=custom", f"--file={dump}", _plain(engine.url))

    erased(ada)

    with restored(server_url, dump) as copy:
        for key, content in backup.items():
            store.put(key, content)
        keys = open_keys(*settings)
        assert keys is not None
        opened = SealedRecordings(store, keys)
        (row,) = rows(copy, person)
        with pytest.raises(KeyMissingError):
            list(opened.read(row.object_key, person))
        with Session(copy) as session:
            words = session.scalars(select(Note.text).where(Note.id == note_id)).one()
        assert is_sealed(words)
        stands = of_note(person, note_id)
        with pytest.raises(KeyMissingError):
            unseal_text(words, keys.of(person), person=person, place=stands.name)
        assert b"".join(opened.read(other.object_key, other.user_id)).startswith(WAV), "others lose nothing"
        assert list(lost(copy, place)) == [person], "whom to erase again"


def test_whoever_comes_back_after_a_restore_gets_another_key(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client,
    florence: httpx.Client,
    engine: Engine,
    person: UUID,
    clinician: UUID,
    place: KeyPlace,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    infrastructure: Infrastructure,
    database: DatabaseSettings,
) -> None:
    """Of the erased, rows may be there again. They say that they cannot be read, and are in nobody's way."""
    add_grant(engine, person, clinician)
    note(florence, person, CANARY)
    former = key_of(engine, person)
    assert former is not None
    place.destroy(former)

    with (
        serving_gateway(infrastructure, database) as base_url,
        httpx.Client(base_url=base_url, headers=ada.headers, timeout=30) as again,
    ):
        (theirs,) = again.get("/v1/users/me/notes").json()["items"]
        job_id = sent(again)

    assert theirs["text"] == UNREADABLE
    assert key_of(engine, person) not in {None, former}
    work(engine, recordings, wakeups, job_id, analysis(TENSE))
    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"


def test_rewrapping_brings_no_erased_key_back(
    ada: httpx.Client,
    engine: Engine,
    person: UUID,
    keys: DataKeys,
    place: KeyPlace,
) -> None:
    sent(ada)
    key_id = key_of(engine, person)
    assert key_id is not None
    going = rewrap(engine, keys)
    with ThreadPoolExecutor(1) as threads:
        next(going)  # it holds Ada's key
        erasing = threads.submit(erased, ada)
        with pytest.raises(TimeoutError):
            erasing.result(timeout=0.5)
        assert list(going) == []
        assert erasing.result()["removed"]["keys"] == 1

    assert not place.holds(key_id)


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _run(command: str, *arguments: str) -> None:
    subprocess.run([str(binaries() / command), *arguments], check=True, capture_output=True)


@contextmanager
def restored(server_url: URL, dump: Path) -> Iterator[Engine]:
    """Restore a dump beside the database that it is of."""
    name = f"restored_{new_id().hex}"
    execute_outside_transactions(server_url, f"CREATE DATABASE {name}")
    url = server_url.set(database=name)
    try:
        _run("pg_restore", "--exit-on-error", f"--dbname={_plain(url)}", str(dump))
        engine = sync_engine(settings_for(url), application_name="restored")
        yield engine
        engine.dispose()
    finally:
        execute_outside_transactions(server_url, f"DROP DATABASE {name} WITH (FORCE)")
