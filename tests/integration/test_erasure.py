"""Everything about a person is erased, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import psycopg
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from everything import TODAY, contents, fill, tables
from factories import (
    RUNNING,
    add_grant,
    add_history,
    add_job,
    add_jobs_like,
    add_user,
    move_jobs,
    object_key,
    rise,
    subject_of,
)
from integration_support import WAV, SignIn, upload, work
from mindtrack_gateway.identity import Role
from mindtrack_scheduler import burials
from mindtrack_scheduler import erasures as maintenance
from mindtrack_scheduler.burials import bury
from mindtrack_scheduler.erasures import finish_erasures
from mindtrack_shared.db import erasing, grants, users
from mindtrack_shared.db.deleting import delete_jobs
from mindtrack_shared.db.models import (
    Erasure,
)
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import KeyPlace, SealedRecordings
from mindtrack_shared.settings import DatabaseSettings
from mindtrack_shared.storage import ObjectMissingError, RecordingStore

CONFIRMED = {"confirm": "erase everything"}
#: Where something about who was erased may stay: an empty shell, who read what, what objects there were, that
#: it was done.
STAYS = {"users", "access_events", "access_unsealed", "emergencies", "tombstones", "erasures"}
#: What names events, and nobody.
CHAIN = {"access_seals", "access_marks"}
#: Of systems, not of people.
SYSTEMS = {"service_keys"}


def erase(client: httpx.Client) -> httpx.Response:
    return client.request("DELETE", "/v1/users/me", json=CONFIRMED)


def erased(client: httpx.Client) -> dict[str, Any]:
    response = erase(client)
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = response.json()
    return found


@dataclass(frozen=True)
class Someone:
    id: UUID
    client: httpx.Client


@pytest.fixture
def someone(sign_in: SignIn, engine: Engine) -> Callable[..., Someone]:
    """Make people whom no other test knows."""

    def make(*roles: Role) -> Someone:
        subject = f"someone-{new_id()}"
        return Someone(add_user(engine, subject), sign_in(subject, *(roles or (Role.USER,))))

    return make


# --- what goes, and what stays --------------------------------------------------------------------------


def test_nothing_is_left_of_who_is_erased_and_nobody_else_loses_anything(
    engine: Engine, someone: Callable[..., Someone]
) -> None:
    """Ada is also the clinician of another person, and Florence is the clinician of both."""
    ada, other, florence = someone(Role.USER, Role.CLINICIAN), someone(), someone(Role.CLINICIAN)
    fill(engine, other.id, florence.id)
    bystander = someone()
    fill(engine, bystander.id, ada.id)
    before = contents(engine)
    fill(engine, ada.id, florence.id)
    filled = contents(engine)
    for table in filled.keys() - {"users", "erasures"} - CHAIN - SYSTEMS:
        assert filled[table] - before[table], f"nothing of Ada's is in {table}: fill it"
        assert before[table] <= filled[table]

    told = erased(ada.client)

    after = contents(engine)
    # What Ada called the bystander was sealed with her key.
    own = {row for row in before["patient_labels"] if f'"clinician_id": "{ada.id}"' in row}
    assert len(own) == 1
    before["patient_labels"] -= own
    for table in after.keys() - STAYS:
        assert after[table] == before[table], table
    for table in STAYS - {"users"}:
        assert before[table] <= after[table], table
    assert len(after["users"] ^ before["users"]) == 2, "Ada's row, and what it was"
    with engine.connect() as connection:
        about = [table for table, columns in tables(connection).items() if "user_id" in columns]
        assert len(about) > 15
        for table in set(about) - STAYS:
            statement = text(f"select count(*) from {table} where user_id = :id")  # noqa: S608 - its own names
            assert connection.scalar(statement, {"id": ada.id}) == 0, table
        kept = connection.execute(text("select * from users where id = :id"), {"id": ada.id}).one()
        gone = connection.scalars(
            text("select object_key from tombstones where user_id = :id"), {"id": ada.id}
        ).all()
    assert kept.erased_at == datetime.fromisoformat(told["erased_at"])
    assert told["removed"] == {
        "recordings": 54,
        "uploads": 2,
        "webhooks": 1,
        "addresses": 1,
        "alerts": 1,
        "notes": 1,
        "labels": 1,
        "grants": 1,
        "invitations": 2,
        "keys": 1,
    }
    assert told["audio_left"] == 54 + 2
    assert len(gone) == 54 + 2 + 1
    (asked_for,) = after["access_events"] - filled["access_events"]
    assert "eraseEverything" in asked_for
    assert filled["access_events"] < after["access_events"]


def test_who_comes_back_starts_afresh_under_the_same_id(
    engine: Engine, someone: Callable[..., Someone]
) -> None:
    ada = someone()
    upload(ada.client)
    assert erased(ada.client)["removed"]["recordings"] == 1

    assert ada.client.get("/v1/jobs").json()["items"] == []
    assert ada.client.get("/v1/users/me/trends").json()["user_id"] == str(ada.id)
    again = upload(ada.client)
    assert again.status_code == 202
    assert again.json()["user_id"] == str(ada.id)


def test_grants_end_first(
    engine: Engine, someone: Callable[..., Someone], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, florence = someone(), someone(Role.CLINICIAN)
    add_history(engine, ada.id, rise(TODAY))
    add_grant(engine, ada.id, florence.id)
    code = ada.client.post(
        "/v1/invitations", json={"scopes": ["trends"], "purpose": "Sessions", "use_context": "healthcare"}
    ).json()["code"]
    trends = f"/v1/users/{ada.id}/trends"
    assert florence.client.get(trends).status_code == 200

    monkeypatch.setattr(erasing, "delete_jobs", _away)
    assert erase(ada.client).status_code == 503

    assert florence.client.get(trends).status_code == 404
    assert florence.client.post("/v1/grants", json={"code": code}).status_code == 404
    assert florence.client.get("/v1/patients").json()["items"] == []


def _away(*_: object) -> None:
    raise OperationalError("", {}, psycopg.OperationalError("away"))


# --- how it is asked for --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"confirm": True},
        {"confirm": "yes"},
        {"confirm": "Erase everything"},
        {"confirm": "erase everything", "really": True},
        "erase everything",
    ],
)
def test_it_is_not_asked_for_by_accident(someone: Callable[..., Someone], body: object) -> None:
    ada = someone()
    job_id = upload(ada.client).json()["id"]

    response = ada.client.request("DELETE", "/v1/users/me", json=body)

    assert (response.status_code, response.json()["type"]) == (422, "urn:mindtrack:problem:invalid-request")
    assert ada.client.get(f"/v1/jobs/{job_id}").status_code == 200


@pytest.mark.parametrize("sent", [b"confirm=erase+everything", b"{"])
def test_only_json_confirms_it(someone: Callable[..., Someone], sent: bytes) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    response = someone().client.request("DELETE", "/v1/users/me", content=sent, headers=kind)
    assert response.status_code == 422


# --- again, and half done -------------------------------------------------------------------------------


def test_asked_again_the_receipt_is_the_same_until_there_is_something_else(
    engine: Engine, someone: Callable[..., Someone]
) -> None:
    ada = someone()
    upload(ada.client)
    first = erased(ada.client)

    assert erased(ada.client) | {"audio_left": 1} == first | {"audio_left": 1}
    upload(ada.client)
    second = erased(ada.client)
    assert second["receipt_id"] != first["receipt_id"]
    assert second["removed"]["recordings"] == 1
    with Session(engine) as session:
        found = session.scalars(select(Erasure).where(Erasure.user_id == ada.id)).all()
        assert {str(row.id) for row in found} == {first["receipt_id"], second["receipt_id"]}


def test_what_was_left_half_done_is_gone_on_with(
    engine: Engine, someone: Callable[..., Someone], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = someone()
    add_jobs_like(engine, add_job(engine, ada.id), 7, due_in=timedelta(0))
    monkeypatch.setattr(erasing, "BATCH", 3)
    turns = iter(range(99))

    def breaking(*found: Any) -> Any:  # noqa: ANN401 - as it is called
        if next(turns) == 1:
            _away()
        return delete_jobs(*found)

    monkeypatch.setattr(erasing, "delete_jobs", breaking)
    assert erase(ada.client).status_code == 503
    with Session(engine) as session:
        row = session.scalars(select(Erasure).where(Erasure.user_id == ada.id)).one()
        assert (row.finished_at, row.removed) == (None, {"recordings": 3})
    assert len(ada.client.get("/v1/jobs").json()["items"]) == 5

    told = erased(ada.client)
    assert (told["receipt_id"], told["removed"]["recordings"]) == (str(row.id), 8)
    assert ada.client.get("/v1/jobs").json()["items"] == []


#: Erases somebody, and stands still within the second step, having said so.
STANDS_STILL = """
import sys, time
from functools import partial
from uuid import UUID
from sqlalchemy.orm import Session
from mindtrack_shared.db import erasing
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.settings import DatabaseSettings
engine, person = sync_engine(DatabaseSettings(), application_name="killed"), UUID(sys.argv[1])
erasing.BATCH = 3
go_on = partial(erasing.go_on, destroy=print)
for step in (erasing.begin, go_on, go_on):
    with Session(engine) as session, session.begin():
        step(session, person)
        if step is go_on and erasing.BATCH == 2:
            print("within", flush=True)
            time.sleep(60)
    erasing.BATCH = 2 if step is go_on else 3
"""


def test_maintenance_finishes_what_was_killed_in_between(  # noqa: PLR0913, PLR0917 - fixtures
    engine: Engine,
    store: RecordingStore,
    place: KeyPlace,
    database: DatabaseSettings,
    wakeups: Wakeups,
    someone: Callable[..., Someone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada, florence = someone(), someone(Role.CLINICIAN)
    keys = [object_key(engine, UUID(upload(ada.client).json()["id"])) for _ in range(7)]
    add_grant(engine, ada.id, florence.id)
    environment = os.environ | {"MINDTRACK_DATABASE_URL": database.url.get_secret_value()}
    command = [sys.executable, "-c", STANDS_STILL, str(ada.id)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "within\n"
        killed.kill()
    assert florence.client.get(f"/v1/users/{ada.id}/trends").status_code == 404, "grants ended first"
    assert len(ada.client.get("/v1/jobs").json()["items"]) == 4, "the step that was cut off left nothing"
    assert finish_erasures(engine, wakeups, place) == 0, "somebody may be at it"

    monkeypatch.setattr(maintenance, "GRACE", timedelta(0))
    monkeypatch.setattr(burials, "GRACE", timedelta(0))
    assert finish_erasures(engine, wakeups, place) == 1
    assert finish_erasures(engine, wakeups, place) == 0

    assert about(engine, ada.id) <= STAYS
    with Session(engine) as session:
        row = session.scalars(select(Erasure).where(Erasure.user_id == ada.id)).one()
        assert (row.finished_at is not None, row.removed["recordings"]) == (True, 7)
    assert bury(engine, store) == 7
    assert not any(is_there(store, key) for key in keys)
    assert erased(ada.client)["receipt_id"] == str(row.id), "who asks again is told the same"


def test_several_who_ask_at_once_share_one_erasure(
    engine: Engine, someone: Callable[..., Someone], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = someone()
    add_jobs_like(engine, add_job(engine, ada.id), 39, due_in=timedelta(0))
    monkeypatch.setattr(erasing, "BATCH", 5)

    with ThreadPoolExecutor(4) as threads:
        told = [each.result() for each in [threads.submit(erased, ada.client) for _ in range(4)]]

    assert len({each["receipt_id"] for each in told}) == 1
    assert {each["removed"]["recordings"] for each in told} == {40}


def test_thousands_of_recordings_are_no_long_transaction(
    engine: Engine, someone: Callable[..., Someone], grace: httpx.Client
) -> None:
    ada = someone()
    days = rise(TODAY, before=600, days=0)
    first, *_ = add_history(engine, ada.id, days).values()
    add_jobs_like(engine, first, 2400, due_in=timedelta(0))
    longest, done = [0.0], threading.Event()

    def watch() -> None:
        """Look at the transactions of the gateway."""
        oldest = text(
            "select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)"
            " from pg_stat_activity where application_name = 'mindtrack-gateway'"
        )
        with engine.connect() as connection:
            while not done.wait(0.02):
                longest[0] = max(longest[0], float(connection.scalar(oldest) or 0))
                connection.rollback()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        began = time.monotonic()
        told = erased(ada.client)
        took = time.monotonic() - began
    finally:
        done.set()
        watching.join()

    assert told["removed"]["recordings"] == 3000
    assert 0 < longest[0] < took / 3
    assert ada.client.get("/v1/jobs").json()["items"] == []
    assert ada.client.get("/v1/users/me/trends").json()["count"] == 0


# --- objects --------------------------------------------------------------------------------------------


def is_there(store: RecordingStore, key: str) -> bool:
    try:
        return b"".join(store.read(key)) is not None
    except ObjectMissingError:
        return False


def test_objects_are_gone_once_they_are_buried(
    engine: Engine,
    store: RecordingStore,
    someone: Callable[..., Someone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada, other = someone(), someone()
    keys = [object_key(engine, UUID(upload(ada.client).json()["id"])) for _ in range(3)]
    kept = object_key(engine, UUID(upload(other.client).json()["id"]))
    declared = ada.client.post("/v1/uploads", json={}).json()
    place = f"uploads/{declared['id']}"
    assert httpx.put(declared["url"], content=WAV).is_success
    assert is_there(store, place)

    assert erased(ada.client)["audio_left"] == 4
    assert not is_there(store, place), "nobody has to wait for it"
    assert bury(engine, store) == 0, "recordings may be read by a worker still"
    monkeypatch.setattr(burials, "GRACE", timedelta(0))
    assert bury(engine, store) == 3
    assert [is_there(store, key) for key in keys] == [False] * 3
    assert is_there(store, kept)
    assert erased(ada.client)["audio_left"] == 1, "what comes by a URL that still holds"

    late = httpx.put(declared["url"], content=WAV)
    assert late.status_code == 404 or is_there(store, place), "a URL of the store's own"
    assert bury(engine, store) == 0
    with engine.begin() as connection:
        connection.execute(text("update tombstones set bury_after = now() where bury_after is not null"))
    assert bury(engine, store) == 1
    assert not is_there(store, place)
    submitted = ada.client.post("/v1/jobs", json={"upload_id": declared["id"]})
    assert submitted.status_code == 404


# --- meanwhile ------------------------------------------------------------------------------------------


def test_a_worker_that_has_a_job_writes_nothing(
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    someone: Callable[..., Someone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = someone()
    job_id = upload(ada.client).json()["id"]
    read = RecordingStore.read

    def slow(self: RecordingStore, key: str) -> Iterator[bytes]:
        yield from read(self, key)
        erased(ada.client)

    monkeypatch.setattr(RecordingStore, "read", slow)
    work(engine, recordings, wakeups, job_id)

    assert not {"jobs", "analyses", "day_values", "standings"} & about(engine, ada.id)


def about(engine: Engine, person: UUID) -> set[str]:
    """Return the tables that hold something about a person."""
    with engine.connect() as connection:
        return {
            table
            for table, columns in tables(connection).items()
            if "user_id" in columns
            and connection.scalar(text(f"select count(*) from {table} where user_id = :id"), {"id": person})  # noqa: S608
        }


def test_a_running_job_is_erased(engine: Engine, someone: Callable[..., Someone]) -> None:
    ada = someone()
    move_jobs(engine, add_job(engine, ada.id), to=RUNNING)

    assert erased(ada.client)["removed"]["recordings"] == 1
    assert about(engine, ada.id) <= STAYS


def test_a_recording_that_is_sent_meanwhile_is_refused(
    engine: Engine, store: RecordingStore, someone: Callable[..., Someone]
) -> None:
    ada = someone()

    def speaking() -> Iterator[bytes]:
        yield WAV
        with ThreadPoolExecutor(1) as threads:
            erasing = threads.submit(erased, ada.client)
            while not erasing.done():  # who is silent for too long is refused for that
                yield bytes(1024)
                time.sleep(0.1)
            erasing.result()
        yield new_id().bytes

    before = {found.key for found in store.objects()}
    response = ada.client.post("/v1/jobs", content=speaking(), headers={"Content-Type": "audio/wav"})

    assert (response.status_code, response.json()["type"]) == (409, "urn:mindtrack:problem:erased-meanwhile")
    assert about(engine, ada.id) <= STAYS
    assert {found.key for found in store.objects()} <= before, "and its object is removed"
    assert upload(ada.client).status_code == 202


def test_a_recording_that_is_just_being_kept_is_erased_too(
    engine: Engine, someone: Callable[..., Someone]
) -> None:
    """Its row is there, and nobody can see it yet."""
    ada = someone()
    sample = add_job(engine, add_user(engine, "grace"))
    columns = "object_key, sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone"
    values = f"'recordings/{new_id()}', sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone"
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection:
            statement = (
                f"insert into recordings (id, user_id, {columns})"  # noqa: S608 - constants
                f" select uuidv7(), :id, {values} from recordings"
                " where id = (select recording_id from jobs where id = :sample) returning id"
            )
            recording = connection.scalar(text(statement), {"id": ada.id, "sample": sample})
            erasure = threads.submit(erased, ada.client)
            time.sleep(0.5)
            assert not erasure.done(), "it waits"
            job = (
                "insert into jobs (id, recording_id, user_id, max_attempts, status)"
                " values (uuidv7(), :recording, :id, 3, 'queued')"
            )
            connection.execute(text(job), {"recording": recording, "id": ada.id})
        told = erasure.result()

    assert told["removed"]["recordings"] == 1
    assert about(engine, ada.id) <= STAYS


@contextmanager
def shut(engine: Engine, person: UUID) -> Iterator[None]:
    """Do what an erasure does, as far as others notice; what comes in the block comes before its end."""
    with engine.begin() as connection:
        connection.execute(users.shut(person))
        connection.execute(grants.revoke_all(person))
        yield
        connection.execute(users.note_erased(person))


def test_a_recording_that_waits_for_the_end_is_refused(
    engine: Engine, someone: Callable[..., Someone]
) -> None:
    ada = someone()
    with ThreadPoolExecutor(1) as threads:
        with shut(engine, ada.id):
            sending = threads.submit(upload, ada.client)
            time.sleep(0.5)
            assert not sending.done(), "it waits"
        assert sending.result().json()["type"] == "urn:mindtrack:problem:erased-meanwhile"
    assert about(engine, ada.id) == {"data_keys"}, "a new key, that nothing is sealed with"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/users/{}/notes", {"text": "Well."}),
        ("PUT", "/v1/patients/{}/label", {"label": "Tuesdays"}),
    ],
)
def test_what_a_clinician_adds_does_not_outlast_the_person(
    engine: Engine, someone: Callable[..., Someone], method: str, path: str, body: dict[str, str]
) -> None:
    ada, florence = someone(), someone(Role.CLINICIAN)
    add_grant(engine, ada.id, florence.id)
    with ThreadPoolExecutor(1) as threads:
        with shut(engine, ada.id):
            adding = threads.submit(florence.client.request, method, path.format(ada.id), json=body)
            time.sleep(0.5)
            assert not adding.done(), "it waits"
        assert adding.result().status_code == 404
    assert not {"notes", "patient_labels"} & about(engine, ada.id)


def test_who_records_all_the_time_keeps_nothing_from_before(
    engine: Engine, someone: Callable[..., Someone], sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = someone()
    add_jobs_like(engine, add_job(engine, ada.id), 60, due_in=timedelta(0))
    monkeypatch.setattr(erasing, "BATCH", 10)
    sent: list[tuple[datetime, httpx.Response]] = []
    done = threading.Event()

    def record() -> None:
        client = sign_in(subject_of(engine, ada.id), Role.USER)
        while not done.is_set():
            began = datetime.now(UTC)
            sent.append((began, upload(client)))

    with ThreadPoolExecutor(3) as threads:
        recording = [threads.submit(record) for _ in range(3)]
        time.sleep(0.3)
        told = erased(ada.client)
        time.sleep(0.3)
        done.set()
        for each in recording:
            each.result()

    finished = datetime.fromisoformat(told["erased_at"])
    assert {response.status_code for _, response in sent} <= {202, 409}
    began = {response.json()["id"]: moment for moment, response in sent if response.status_code == 202}
    with engine.connect() as connection:
        left = connection.scalars(text("select id from jobs where user_id = :id"), {"id": ada.id}).all()
    assert left, "they went on afterwards"
    slack = timedelta(milliseconds=50)  # between two clocks
    assert all(began[str(job_id)] >= finished - slack for job_id in left)
