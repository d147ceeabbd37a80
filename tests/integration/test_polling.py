"""`GET /v1/jobs/{id}` as phones ask it: held, cached, told when to come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine

from factories import RUNNING, TENSE, add_job, add_jobs_like, add_user, analysis, end_jobs, move_jobs
from integration_support import upload, work
from mindtrack_gateway import short_way
from mindtrack_gateway.jobs import polling, routes
from mindtrack_gateway.jobs.queue import MARKS
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings


@pytest.fixture
def job_id(ada: httpx.Client) -> str:
    found: str = upload(ada).json()["id"]
    return found


def test_both_ways_answer_alike(ada: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second answer is the short way's, unless it is closed."""
    ada.get(f"/v1/jobs/{job_id}")
    short = ada.get(f"/v1/jobs/{job_id}")
    monkeypatch.setattr(short_way, "_caller", lambda *_: None)
    long = ada.get(f"/v1/jobs/{job_id}")

    assert short.content == long.content
    ours = {"etag", "cache-control", "retry-after", "vary", "content-type", "content-length"}
    for name in ours:
        assert short.headers[name] == long.headers[name]
    assert short.headers["x-request-id"]


def test_the_short_way_is_taken(ada: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.get(f"/v1/jobs/{job_id}")
    monkeypatch.setattr(routes, "reply", None)  # the long way's

    assert ada.get(f"/v1/jobs/{job_id}").status_code == 200


def test_nothing_new_has_no_body(ada: httpx.Client, engine: Engine, job_id: str) -> None:
    first = ada.get(f"/v1/jobs/{job_id}")
    tag = first.headers["ETag"]

    same = ada.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert same.headers["Retry-After"] == first.headers["Retry-After"]
    assert ada.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": "*"}).status_code == 304
    assert ada.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": '"other"'}).status_code == 200

    end_jobs(engine, UUID(job_id))
    time.sleep(1.1)
    changed = ada.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "failed")


def test_no_cache_keeps_it(ada: httpx.Client, engine: Engine, job_id: str) -> None:
    waiting = ada.get(f"/v1/jobs/{job_id}")
    assert waiting.headers["Cache-Control"] == "no-store"
    end_jobs(engine, UUID(job_id))
    time.sleep(1.1)
    ended = ada.get(f"/v1/jobs/{job_id}")

    assert ended.headers["Cache-Control"] == "no-store"
    assert "Retry-After" not in ended.headers
    assert ended.headers["Vary"] == "Authorization, Cookie, Prefer"


def test_an_answer_is_held_until_the_job_ends(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups, job_id: str
) -> None:
    worker = threading.Timer(0.5, work, (engine, recordings, wakeups, job_id, analysis(TENSE)))
    worker.start()
    started = time.monotonic()
    held = ada.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=20"})
    worker.join()

    assert 0.4 < time.monotonic() - started < 10
    assert held.json()["status"] == "succeeded"
    assert held.json()["analysis"]["emotion"] == "Stressed"
    assert held.headers["Preference-Applied"] == "wait=20"


@pytest.mark.parametrize("way", ["short", "long"])
def test_who_is_held_is_told_that_the_job_was_deleted(
    ada: httpx.Client, job_id: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "long":
        monkeypatch.setattr(short_way, "_caller", lambda *_: None)
    deletion = threading.Timer(0.5, ada.delete, (f"/v1/jobs/{job_id}",))
    deletion.start()
    started = time.monotonic()
    held = ada.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=20"})
    deletion.join()

    assert 0.4 < time.monotonic() - started < 10
    assert (held.status_code, held.json()["type"]) == (410, "urn:mindtrack:problem:deleted")


def test_both_ways_refuse_alike(
    ada: httpx.Client, grace: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown jobs are charged like others before anything is looked up."""
    ada.get(f"/v1/jobs/{job_id}")
    ada.delete(f"/v1/jobs/{job_id}")
    others = upload(grace).json()["id"]
    paths = [f"/v1/jobs/{each}" for each in (job_id, others, new_id())]

    short = [ada.get(path) for path in paths]
    monkeypatch.setattr(short_way, "_caller", lambda *_: None)
    long = [ada.get(path) for path in paths]

    assert [answer.status_code for answer in short] == [410, 404, 404]
    for one, other in zip(short, long, strict=True):
        assert one.json() | {"request_id": None} == other.json() | {"request_id": None}
        assert one.headers["content-type"] == other.headers["content-type"] == "application/problem+json"
        assert one.headers["ratelimit"].split(";")[0] == other.headers["ratelimit"].split(";")[0]


def test_an_answer_is_held_no_longer_than_wished(ada: httpx.Client, job_id: str) -> None:
    started = time.monotonic()
    held = ada.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=1"})

    assert 0.9 < time.monotonic() - started < 5
    assert (held.status_code, held.json()["status"]) == (200, "queued")
    assert int(held.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("prefer", "wait"),
    [
        ("wait=10", 10),
        ("wait=0", 0),
        ("wait=31", 30),
        ("wait=999999999", 30),
        ('Wait="7"', 7),
        ("respond-async, wait=10", 10),
        ("wait = 10; foo=bar", 10),
        ("respond-async", None),
        ("wait", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("await=5", None),
        ("", None),
    ],
)
def test_preferences(prefer: str, wait: int | None) -> None:
    assert polling.Wishes.of({b"prefer": prefer.encode()}).wait == wait


def test_who_is_held_learns_nothing_of_others_jobs(grace: httpx.Client, job_id: str) -> None:
    for _ in range(2):  # both ways
        started = time.monotonic()
        response = grace.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=20"})
        assert response.status_code == 404
        assert time.monotonic() - started < 5


def test_a_queued_job_knows_its_place(ada: httpx.Client, engine: Engine) -> None:
    person = add_user(engine, "ada")
    jobs = [add_job(engine, person) for _ in range(5)]
    bulk = add_job(engine, person, priority=Priority.BULK)
    time.sleep(1.1)  # the board of an earlier test

    places = [ada.get(f"/v1/jobs/{job_id}").json()["queue"] for job_id in [*jobs, bulk]]
    assert [place["position"] for place in places] == [1, 2, 3, 4, 5, 1]
    assert {place["eta_seconds"] for place in places} == {None}, "nobody works"


def test_the_wait_is_told_by_the_pace_of_the_last_jobs(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups, job_id: str
) -> None:
    work(engine, recordings, wakeups, job_id)
    with engine.begin() as connection:
        connection.exec_driver_sql("update jobs set started_at = finished_at - interval '6 seconds'")
    person = add_user(engine, "ada")
    running = [add_job(engine, person) for _ in range(2)]
    move_jobs(engine, *running, to=RUNNING)
    queued = [add_job(engine, person) for _ in range(4)]
    time.sleep(1.1)

    answers = [ada.get(f"/v1/jobs/{each}") for each in queued]
    assert [answer.json()["queue"]["eta_seconds"] for answer in answers] == [3.0, 6.0, 9.0, 12.0]
    assert [answer.headers["Retry-After"] for answer in answers] == ["3", "6", "9", "12"]
    assert ada.get(f"/v1/jobs/{running[0]}").json()["queue"] is None


def test_places_in_a_long_queue_are_nearly_right(ada: httpx.Client, engine: Engine) -> None:
    person, length = add_user(engine, "ada"), 3 * MARKS
    first = add_job(engine, person)
    last = max(add_jobs_like(engine, first, length - 1, due_in=timedelta(seconds=1)))
    time.sleep(1.1)

    assert ada.get(f"/v1/jobs/{first}").json()["queue"]["position"] == 1
    assert ada.get(f"/v1/jobs/{last}").json()["queue"]["position"] == pytest.approx(
        length, abs=length / MARKS
    )


def test_a_token_is_not_recalled_for_somebody_else(
    client: Callable[[str], httpx.Client], infrastructure: Infrastructure, gateway: str, job_id: str
) -> None:
    """A clinician's own token opens no job, whatever the gateway remembers of the person."""
    token = infrastructure.issuer.token("ada", "clinician")
    for _ in range(2):
        response = httpx.get(f"{gateway}/v1/jobs/{job_id}", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 403
