"""A recording counts once, however often and however it is sent."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from factories import add_job, add_user
from integration_support import as_role, plan_of, serving_gateway
from mindtrack_gateway.recordings.intake import Intake
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_scheduler.forget_keys import forget_keys
from mindtrack_shared.db import idempotency, roles
from mindtrack_shared.db.models import IdempotencyKey, Job
from mindtrack_shared.settings import DatabaseSettings
from patience import eventually

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(2048)
OTHER = WAV + b"\x01"
KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
BOUNDARY = "limit"


def upload(
    client: httpx.Client,
    content: bytes = WAV,
    *,
    key: str | None = KEY,
    path: str = "/v1/jobs",
    **fields: str,
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(path, files={"file": ("log.wav", content, "audio/wav")}, data=fields, headers=headers)


def is_replay(response: httpx.Response) -> bool:
    return response.headers.get("Idempotency-Replayed") == "true"


def is_problem(response: httpx.Response, status: int, slug: str) -> bool:
    return (response.status_code, response.json()["type"]) == (status, f"urn:mindtrack:problem:{slug}")


def job_ids(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return [str(job_id) for job_id in session.scalars(select(Job.id).order_by(Job.id))]


def keys(engine: Engine) -> list[IdempotencyKey]:
    with Session(engine) as session:
        return list(session.scalars(select(IdempotencyKey)))


def alter_keys(engine: Engine, change: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"update idempotency_keys set {change}"))  # noqa: S608 - constants


def alter_jobs(engine: Engine, change: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"update jobs set {change}"))  # noqa: S608 - constants


@pytest.fixture
def stored(infrastructure: Infrastructure) -> Callable[[], set[Path]]:
    """Tell which objects there are."""
    return lambda: {path for path in infrastructure.recordings.rglob("*") if path.is_file()}


class SlowUpload:
    """A request whose body arrives when the test says so."""

    def __init__(self, client: httpx.Client, content: bytes = WAV, *, key: str | None = KEY) -> None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        self._body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        host, port = client.base_url.host, client.base_url.port
        lines = [
            "POST /v1/jobs HTTP/1.1",
            f"Host: {host}",
            f"Authorization: {client.headers['Authorization']}",
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
            f"Content-Length: {len(self._body)}",
            *([f"Idempotency-Key: {key}"] if key else []),
        ]
        self._connection = socket.create_connection((host, port or 80), timeout=10)
        self._connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, share: float = 1.0) -> None:
        """Send so much of what is left."""
        now = round(len(self._body) * share)
        self._connection.sendall(self._body[:now])
        self._body = self._body[now:]

    def answer(self) -> bytes:
        self.send()
        return self._connection.recv(65536)

    def reset(self) -> None:
        """End the connection as a network does that is gone."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def under_way(client: httpx.Client, engine: Engine, content: bytes = WAV) -> Iterator[SlowUpload]:
    """Begin an upload with the key, and wait until a gateway has claimed it."""
    slow = SlowUpload(client, content)
    try:
        slow.send(0.5)
        eventually(lambda: bool(keys(engine)))
        yield slow
    finally:
        slow.close()


# --- keys -----------------------------------------------------------------------------------------------


def test_the_same_request_under_the_same_key_is_answered_the_same(
    ada: httpx.Client, engine: Engine, stored: Callable[[], set[Path]]
) -> None:
    first = upload(ada, recorded_at="2026-03-01T18:00:00+01:00")
    objects = stored()
    again = upload(ada, key=KEY.strip('"'), recorded_at="2026-03-01T17:00:00Z", time_zone="UTC")

    assert (first.status_code, is_replay(first)) == (202, False)
    assert (again.status_code, is_replay(again)) == (202, True)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert job_ids(engine) == [first.json()["id"]]
    assert stored() == objects


@pytest.mark.parametrize(
    ("content", "fields"),
    [(OTHER, {}), (WAV, {"priority": "bulk"}), (WAV, {"recorded_at": "2026-03-01T17:00:00Z"})],
    ids=["other bytes", "another priority", "another moment"],
)
def test_a_key_is_refused_for_another_request(
    ada: httpx.Client,
    engine: Engine,
    stored: Callable[[], set[Path]],
    content: bytes,
    fields: dict[str, str],
) -> None:
    first = upload(ada)
    objects = stored()

    assert is_problem(upload(ada, content, **fields), 422, "idempotency-key-reused")
    assert stored() == objects
    assert job_ids(engine) == [first.json()["id"]]
    assert is_replay(upload(ada)), "the refusal must not cost the key"


@pytest.mark.parametrize("key", ['"open', "a b", '""', "k" * 256])
def test_a_malformed_key_is_refused_before_anything_is_kept(
    ada: httpx.Client, engine: Engine, stored: Callable[[], set[Path]], key: str
) -> None:
    objects = stored()

    assert is_problem(upload(ada, key=key), 400, "malformed-request")
    assert (job_ids(engine), keys(engine), stored()) == ([], [], objects)


def test_two_keys_are_none(ada: httpx.Client, engine: Engine) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    response = ada.post("/v1/jobs", files={"file": ("log.wav", WAV, "audio/wav")}, headers=headers)

    assert is_problem(response, 400, "malformed-request")
    assert job_ids(engine) == []


def test_keys_are_a_persons_own(ada: httpx.Client, grace: httpx.Client, engine: Engine) -> None:
    hers, theirs = upload(ada), upload(grace)

    assert (theirs.status_code, is_replay(theirs)) == (202, False)
    assert job_ids(engine) == [hers.json()["id"], theirs.json()["id"]]


def test_two_requests_at_once_under_one_key(ada: httpx.Client, engine: Engine) -> None:
    with under_way(ada, engine) as slow:
        second = upload(ada)
        assert is_problem(second, 409, "idempotency-key-in-use")
        assert int(second.headers["Retry-After"]) >= 1
        assert job_ids(engine) == []

        assert slow.answer().startswith(b"HTTP/1.1 202 ")

    third = upload(ada)
    assert is_replay(third)
    assert job_ids(engine) == [third.json()["id"]]


@pytest.mark.parametrize(
    ("content", "fields", "status"),
    [(b"Dear diary", {}, 415), (b"", {}, 422), (WAV, {"time_zone": "Mars/Olympus"}, 422)],
    ids=["no recording", "empty", "no such zone"],
)
def test_a_refusal_frees_the_key(
    ada: httpx.Client, engine: Engine, content: bytes, fields: dict[str, str], status: int
) -> None:
    assert upload(ada, content, **fields).status_code == status
    assert keys(engine) == []

    corrected = upload(ada)
    assert (corrected.status_code, is_replay(corrected)) == (202, False)


def test_a_fault_of_ours_frees_the_key(
    ada: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    ada.headers["Connection"] = "close"  # as the server does after a fault
    with monkeypatch.context() as patch:
        patch.setattr(Intake, "_known_or_new", bug)
        assert upload(ada).status_code == 500
    assert keys(engine) == []

    assert upload(ada).status_code == 202


def test_a_client_that_vanishes_frees_the_key(ada: httpx.Client, engine: Engine) -> None:
    with under_way(ada, engine) as slow:
        slow.reset()
        eventually(lambda: keys(engine) == [])

    assert upload(ada).status_code == 202


def test_a_lapsed_lease_is_taken_over_and_who_lost_it_keeps_nothing(
    ada: httpx.Client, engine: Engine, stored: Callable[[], set[Path]]
) -> None:
    with under_way(ada, engine) as slow:
        alter_keys(engine, "created_at = created_at - interval '1 h', expires_at = now() - interval '1 s'")
        other = upload(ada, OTHER)
        assert other.status_code == 202
        objects = stored()

        late = slow.answer()

    assert late.startswith(b"HTTP/1.1 409 ")
    assert job_ids(engine) == [other.json()["id"]]
    assert stored() == objects
    assert is_replay(upload(ada, OTHER))


def test_the_key_of_a_gateway_that_died_is_free_after_its_lease(ada: httpx.Client, engine: Engine) -> None:
    lease = timedelta(seconds=1.5)
    user_id = UUID(upload(ada, OTHER, key=None).json()["user_id"])
    with engine.begin() as connection:
        connection.execute(idempotency.claim(user_id, KEY.strip('"'), lease=lease))

    assert upload(ada).status_code == 409
    time.sleep(lease.total_seconds())
    assert upload(ada).status_code == 202


def test_a_lease_is_renewed_while_the_upload_goes_on(
    infrastructure: Infrastructure, database: DatabaseSettings, ada: httpx.Client, engine: Engine
) -> None:
    settings = {"UPLOAD_IDLE": "1", "KEY_LEASE": "0.5"}
    with (
        serving_gateway(infrastructure, database, **settings) as url,
        httpx.Client(base_url=url, headers=ada.headers) as client,
        under_way(client, engine, WAV + bytes(100_000)) as slow,  # as fast as speech, and more
    ):
        for _ in range(8):  # 4 s in all
            time.sleep(0.5)
            slow.send(0.1)

        assert upload(client).status_code == 409
        assert slow.answer().startswith(b"HTTP/1.1 202 ")


def test_a_replay_survives_a_restart(
    infrastructure: Infrastructure, database: DatabaseSettings, ada: httpx.Client, engine: Engine
) -> None:
    answers = []
    for _ in range(2):
        with (
            serving_gateway(infrastructure, database) as url,
            httpx.Client(base_url=url, headers=ada.headers) as client,
        ):
            answers.append(upload(client))

    assert [is_replay(answer) for answer in answers] == [False, True]
    assert job_ids(engine) == [answers[1].json()["id"]]


def test_an_expired_key_is_a_new_one(ada: httpx.Client, engine: Engine) -> None:
    upload(ada)
    alter_keys(engine, "created_at = created_at - interval '25 h', expires_at = now() - interval '1 s'")

    other = upload(ada, OTHER)

    assert (other.status_code, is_replay(other)) == (202, False)
    assert len(job_ids(engine)) == 2


def test_keys_are_remembered_for_a_day(ada: httpx.Client, engine: Engine) -> None:
    upload(ada)

    (key,) = keys(engine)
    assert timedelta(hours=24) <= key.expires_at - key.created_at < timedelta(hours=24, minutes=1)
    assert key.status == HTTPStatus.ACCEPTED


def test_the_synchronous_endpoint_replays_too(ada: httpx.Client, engine: Engine) -> None:
    first = upload(ada, path="/analyze-stress")
    again = upload(ada, path="/analyze-stress")
    elsewhere = upload(ada)

    assert [answer.status_code for answer in (first, again, elsewhere)] == [202] * 3
    assert [is_replay(answer) for answer in (first, again, elsewhere)] == [False, True, True]
    assert {answer.json()["id"] for answer in (first, again, elsewhere)} == set(job_ids(engine))


def test_a_replayed_rejection_says_that_it_is_one(ada: httpx.Client, engine: Engine) -> None:
    upload(ada)
    end(engine, "rejected", "too_short")

    again = upload(ada, path="/analyze-stress")

    assert is_problem(again, 422, "recording-rejected")
    assert is_replay(again)


def test_expired_keys_are_forgotten_and_no_others(engine: Engine) -> None:
    user_id = add_user(engine)
    with engine.begin() as connection:
        for number in range(7):
            connection.execute(idempotency.claim(user_id, f"{number}", lease=timedelta(hours=1)))
        connection.execute(
            text(
                "update idempotency_keys set created_at = created_at - interval '2 h',"
                " expires_at = now() - interval '1 s' where key < '5'"
            )
        )

    assert forget_keys(engine, batch=2) == 5
    assert {key.key for key in keys(engine)} == {"5", "6"}
    assert forget_keys(engine) == 0


def test_beat_and_maintenance_forget_expired_keys(
    infrastructure: Infrastructure, database: DatabaseSettings, engine: Engine, tmp_path: Path
) -> None:
    variables = os.environ | infrastructure.environment.variables()
    login = as_role(roles.WORKER, database)
    variables["MINDTRACK_DATABASE_URL"] = login.url.get_secret_value()
    variables["MINDTRACK_SCHEDULER_BEAT_FILE"] = str(tmp_path / "schedule")
    variables["MINDTRACK_SCHEDULER_FORGET_EVERY"] = "1"
    with engine.begin() as connection:
        connection.execute(idempotency.claim(add_user(engine), "key", lease=timedelta(seconds=1)))

    command = [sys.executable, "-m", "mindtrack_scheduler"]
    running = [subprocess.Popen([*command, part], env=variables) for part in ("beat", "maintenance")]
    try:
        eventually(lambda: keys(engine) == [], within=60)
    finally:
        for process in running:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("key = ''", "key_visible_ascii"),
        ("key = 'a b'", "key_visible_ascii"),
        ("key = E'a\\n'", "key_visible_ascii"),
        ("key = repeat('k', 256)", "key_visible_ascii"),
        ("fingerprint = sha256('a')", "bound_as_a_whole"),
        ("status = 202", "bound_as_a_whole"),
        ("fingerprint = 'a', status = 202, job_id = (select id from jobs)", "fingerprint_length"),
        ("fingerprint = sha256('a'), status = 500, job_id = (select id from jobs)", "status_known"),
        ("expires_at = created_at", "expires_later"),
    ],
)
def test_a_key_that_contradicts_itself_is_refused(engine: Engine, change: str, constraint: str) -> None:
    user_id = add_user(engine)
    add_job(engine, user_id)
    with engine.begin() as connection:
        connection.execute(idempotency.claim(user_id, "key", lease=timedelta(hours=1)))

    with pytest.raises(IntegrityError, match=constraint):
        alter_keys(engine, change)


def test_a_key_leads_to_a_job_of_the_same_person(engine: Engine) -> None:
    add_job(engine, add_user(engine, "grace"))
    with engine.begin() as connection:
        connection.execute(idempotency.claim(add_user(engine), "key", lease=timedelta(hours=1)))

    with pytest.raises(IntegrityError, match="fk_idempotency_keys_job_id_user_id"):
        alter_keys(engine, "fingerprint = sha256('a'), status = 202, job_id = (select id from jobs)")


def test_the_schema_documents_the_key(gateway: str) -> None:
    paths = httpx.get(f"{gateway}/openapi.json").json()["paths"]

    for path in ("/v1/jobs", "/analyze-stress"):
        operation: dict[str, Any] = paths[path]["post"]
        (parameter,) = (each for each in operation["parameters"] if each["name"] == "Idempotency-Key")
        assert (parameter["in"], parameter["required"]) == ("header", False)
        assert parameter["examples"]["string"]["value"] == KEY
        assert {"200", "409"} <= operation["responses"].keys()


# --- the same recording ---------------------------------------------------------------------------------


def end(engine: Engine, status: str, code: str | None) -> None:
    if status == "canceled":
        alter_jobs(engine, "status = 'canceled', finished_at = now()")
        return
    alter_jobs(
        engine,
        "status = 'running', attempt = 1, fence = 1, worker_id = id, lease_expires_at = now()",
    )
    said = f"'{code}'" if code else "null"
    alter_jobs(
        engine,
        f"status = '{status}', worker_id = null, lease_expires_at = null, finished_at = now(), code = {said}",
    )


def test_the_same_bytes_are_the_same_recording(
    ada: httpx.Client, engine: Engine, stored: Callable[[], set[Path]]
) -> None:
    first = upload(ada, key=None)
    objects = stored()

    again = upload(ada, key=None, time_zone="Asia/Tokyo")

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert not is_replay(again)
    assert job_ids(engine) == [first.json()["id"]]
    assert stored() == objects


def test_the_same_bytes_at_the_same_time_are_one_recording(
    ada: httpx.Client, engine: Engine, stored: Callable[[], set[Path]]
) -> None:
    objects = stored()
    with ThreadPoolExecutor(8) as devices:
        answers = list(devices.map(lambda number: upload(ada, key=f"device-{number}"), range(16)))

    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [202]
    assert {answer.json()["id"] for answer in answers} == set(job_ids(engine))
    assert len(job_ids(engine)) == 1
    assert len(stored() - objects) == 1
    replays = [upload(ada, key=f"device-{number}") for number in range(16)]
    assert all(map(is_replay, replays))
    assert [each.status_code for each in replays] == [each.status_code for each in answers]


@pytest.mark.parametrize(
    ("status", "code", "answer"),
    [
        ("succeeded", None, 200),
        ("rejected", "too_short", 200),
        ("failed", "worker_lost", 202),
        ("canceled", None, 202),
    ],
)
def test_what_ended_without_an_answer_may_be_sent_again(
    ada: httpx.Client, engine: Engine, status: str, code: str | None, answer: int
) -> None:
    former = upload(ada, key=None).json()["id"]
    end(engine, status, code)

    again = upload(ada, key=None)

    assert again.status_code == answer
    assert (again.json()["id"] == former) is (answer == 200)
    assert len(job_ids(engine)) == (1 if answer == 200 else 2)


def test_a_key_of_a_failed_job_still_leads_to_it(ada: httpx.Client, engine: Engine) -> None:
    former = upload(ada).json()["id"]
    end(engine, "failed", "worker_lost")

    again = upload(ada)

    assert (again.json()["id"], is_replay(again)) == (former, True)


def test_equal_bytes_of_two_people_are_unrelated(
    ada: httpx.Client, grace: httpx.Client, engine: Engine
) -> None:
    answers = [upload(client, key=None) for client in (ada, grace)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(job_ids(engine)) == 2


#: A thousand recordings of one person.
DILIGENT = """
insert into recordings
    (id, user_id, object_key, sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone)
select uuidv7(), :user_id, 'key-' || n, sha256(n::text::bytea), n, 'audio/wav', now(), now()::date, 'UTC'
from generate_series(1, 1000) n
"""


def test_the_lookup_has_an_index(engine: Engine) -> None:
    user_id = add_user(engine)
    query = idempotency.same_recording(user_id, hashlib.sha256(WAV).digest())
    with engine.connect() as connection:  # never committed
        connection.execute(text(DILIGENT), {"user_id": user_id})
        connection.execute(text("analyze recordings"))
        plan = plan_of(connection, query)

    assert "ix_recordings_user_id_sha256" in plan


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without"])
def test_whoever_lost_the_answer_gets_the_same_job(
    ada: httpx.Client, engine: Engine, key: str | None
) -> None:
    lost = SlowUpload(ada, key=key)
    lost.send()
    eventually(lambda: len(job_ids(engine)) == 1)
    lost.reset()

    again = upload(ada, key=key)

    assert again.status_code == (202 if key else 200)
    assert job_ids(engine) == [again.json()["id"]]
