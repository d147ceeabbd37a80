"""Jobs are withdrawn and deleted, and what followed from them goes with them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import CALM, RUNNING, TENSE, analysis, end_jobs, load_job, move_jobs, object_key
from integration_support import upload, work
from mindtrack_gateway.jobs import lifecycle, streams
from mindtrack_scheduler import burials
from mindtrack_scheduler.burials import bury
from mindtrack_shared.db.models import Tombstone
from mindtrack_shared.domain.analysis import IndeterminateReason
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.storage import ObjectMissingError, RecordingStore, StorageUnavailableError

UNKNOWN = "00000000-0000-7000-8000-000000000000"


# --- withdrawing ----------------------------------------------------------------------------------------


def test_a_queued_job_can_be_withdrawn(ada: httpx.Client, engine: Engine) -> None:
    job_id = upload(ada).json()["id"]

    canceled = ada.post(f"/v1/jobs/{job_id}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert load_job(engine, UUID(job_id)).status is JobStatus.CANCELED
    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "canceled"
    assert ada.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "canceled", "asked twice, done once"


def test_who_waits_is_told_of_a_withdrawal(ada: httpx.Client) -> None:
    job_id = upload(ada).json()["id"]
    ada.get(f"/v1/jobs/{job_id}")
    canceling = threading.Timer(0.4, ada.post, (f"/v1/jobs/{job_id}/cancel",))
    canceling.start()
    started = time.monotonic()
    held = ada.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=20"})
    canceling.join()

    assert held.json()["status"] == "canceled"
    assert time.monotonic() - started < 5


def test_what_a_worker_has_is_not_withdrawn(ada: httpx.Client, engine: Engine) -> None:
    job_id = upload(ada).json()["id"]
    move_jobs(engine, UUID(job_id), to=RUNNING)
    refused = ada.post(f"/v1/jobs/{job_id}/cancel")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:mindtrack:problem:not-cancelable")

    end_jobs(engine, *[UUID(upload(ada).json()["id"])])
    assert load_job(engine, UUID(job_id)).status is JobStatus.RUNNING


@pytest.mark.parametrize("method", ["post", "delete"])
def test_foreign_and_unknown_jobs_look_alike(ada: httpx.Client, grace: httpx.Client, method: str) -> None:
    job_id = upload(ada).json()["id"]
    suffix = "/cancel" if method == "post" else ""

    foreign = getattr(grace, method)(f"/v1/jobs/{job_id}{suffix}")
    unknown = getattr(grace, method)(f"/v1/jobs/{UNKNOWN}{suffix}")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(job_id, UNKNOWN) == unknown.text
    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


# --- deleting -------------------------------------------------------------------------------------------


def rows(engine: Engine) -> dict[str, int]:
    tables = ("jobs", "recordings", "analyses", "analysis_windows", "day_rollups", "idempotency_keys")
    with engine.connect() as connection:
        return {
            table: connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()  # noqa: S608 - constants
            for table in tables
        }


def test_a_deleted_job_leaves_nothing_but_a_tombstone(
    ada: httpx.Client, engine: Engine, store: RecordingStore, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = upload(ada).json()["id"]
    work(engine, recordings, wakeups, job_id)
    key = object_key(engine, UUID(job_id))
    assert ada.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"

    deleted = ada.delete(f"/v1/jobs/{job_id}")

    receipt = deleted.json()
    assert deleted.status_code == 200
    assert receipt["job_id"] == job_id
    assert receipt["deleted_at"] <= receipt["audio_deleted_at"]
    assert set(rows(engine).values()) == {0}
    with pytest.raises(ObjectMissingError):
        b"".join(store.read(key))
    with Session(engine) as session:
        (row,) = session.query(Tombstone).all()
    assert (str(row.job_id), str(row.receipt_id), row.object_key) == (job_id, receipt["receipt_id"], None)


def test_the_owner_is_told_that_it_is_gone_and_nobody_else(ada: httpx.Client, grace: httpx.Client) -> None:
    job_id = upload(ada).json()["id"]
    receipt = ada.delete(f"/v1/jobs/{job_id}").json()

    for _ in range(2):
        gone = ada.get(f"/v1/jobs/{job_id}")
        assert (gone.status_code, gone.json()["type"]) == (410, "urn:mindtrack:problem:deleted")
        assert receipt["receipt_id"] in gone.json()["detail"]
        assert grace.get(f"/v1/jobs/{job_id}").status_code == 404
    assert ada.post(f"/v1/jobs/{job_id}/cancel").status_code == 410
    assert grace.delete(f"/v1/jobs/{job_id}").status_code == 404
    assert ada.delete(f"/v1/jobs/{job_id}").json() == receipt, "the same receipt, however often"
    assert ada.get("/v1/jobs").json()["items"] == []


def caveats(trend: dict[str, Any]) -> set[str]:
    return {caveat["code"] for caveat in trend["measures"][0]["caveats"]}


def test_the_trend_forgets_a_deleted_recording(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    words = [analysis(CALM), analysis(TENSE), analysis(TENSE, reason=IndeterminateReason.UNCERTAIN)]
    jobs = []
    for word in words:  # a drain takes whatever waits
        jobs.append(upload(ada).json()["id"])
        work(engine, recordings, wakeups, jobs[-1], word)
    assert ada.get("/v1/users/me/trends").json()["count"] == 2

    ada.delete(f"/v1/jobs/{jobs[1]}")
    trend = ada.get("/v1/users/me/trends").json()
    assert trend["count"] == 1
    assert trend["days"][-1]["stress_mean"] == pytest.approx(CALM.stress_score)
    assert caveats(trend) == {"calibrating", "indeterminate_excluded"}
    ada.delete(f"/v1/jobs/{jobs[2]}")
    after = ada.get("/v1/users/me/trends").json()
    assert caveats(after) == {"calibrating"}
    for measure in (*trend["measures"], *after["measures"]):
        del measure["caveats"]
    assert after == trend, "what never counted takes nothing else away"
    ada.delete(f"/v1/jobs/{jobs[0]}")
    assert ada.get("/v1/users/me/trends").json()["count"] == 0


def test_a_worker_that_has_a_deleted_job_writes_nothing(
    ada: httpx.Client,
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Deleted between claim and settlement."""
    job_id = upload(ada).json()["id"]
    read = RecordingStore.read

    def slow(self: RecordingStore, key: str) -> Iterator[bytes]:
        yield from read(self, key)
        assert ada.delete(f"/v1/jobs/{job_id}").status_code == 200

    monkeypatch.setattr(RecordingStore, "read", slow)
    work(engine, recordings, wakeups, job_id)
    assert set(rows(engine).values()) == {0}


def test_many_delete_and_add_to_one_day_at_once(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    jobs = [upload(ada).json()["id"] for _ in range(6)]
    work(engine, recordings, wakeups, jobs[0])
    jobs += [upload(ada).json()["id"] for _ in range(6)]
    with ThreadPoolExecutor(12) as threads:
        deleted = [threads.submit(ada.delete, f"/v1/jobs/{job_id}") for job_id in jobs[:6]]
        worked = [threads.submit(work, engine, recordings, wakeups, job_id) for job_id in jobs[6:]]
    assert [answer.result().status_code for answer in deleted] == [200] * 6
    assert [answer.result() for answer in worked] == [None] * 6

    with engine.connect() as connection:
        counted, total = connection.execute(text("select count, stress_sum from day_rollups")).one()
        raw, raw_total = connection.execute(text("select count(*), sum(stress_score) from analyses")).one()
    assert counted == raw == 6
    assert total == pytest.approx(raw_total)


def test_a_job_can_be_uploaded_again_after_it_was_deleted(ada: httpx.Client) -> None:
    content = b"RIFF\x24\x00\x00\x00WAVEfmt again" + new_id().bytes * 100
    first = upload(ada, content).json()["id"]
    assert upload(ada, content).json()["id"] == first
    ada.delete(f"/v1/jobs/{first}")

    again = upload(ada, content)
    assert again.status_code == 202
    assert again.json()["id"] != first


def test_audio_that_cannot_be_deleted_now_is_deleted_later(
    ada: httpx.Client, engine: Engine, store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = upload(ada).json()["id"]
    key = object_key(engine, UUID(job_id))

    async def away(*_: object) -> None:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(RecordingStore, "delete", away)
        receipt = ada.delete(f"/v1/jobs/{job_id}").json()
    assert receipt["audio_deleted_at"] is None
    assert b"".join(store.read(key))
    assert bury(engine, store) == 0, "the gateway may be at it"

    monkeypatch.setattr(burials, "GRACE", timedelta(0))
    assert bury(engine, store) == 1
    with pytest.raises(ObjectMissingError):
        b"".join(store.read(key))
    assert ada.delete(f"/v1/jobs/{job_id}").json()["audio_deleted_at"] is not None
    assert bury(engine, store) == 0


def test_burying_waits_for_a_store_that_is_away(
    ada: httpx.Client, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = upload(ada).json()["id"]

    async def not_now(_parts: object, row: Tombstone) -> Tombstone:
        return row

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "_bury", not_now)
        ada.delete(f"/v1/jobs/{job_id}")
    monkeypatch.setattr(burials, "GRACE", timedelta(0))

    class Away(RecordingStore):
        def remove(self, key: str) -> None:
            raise StorageUnavailableError(key)

    from obstore.store import LocalStore  # noqa: PLC0415

    assert bury(engine, Away(LocalStore(tmp_path))) == 0
    with Session(engine) as session:
        assert session.query(Tombstone).one().object_key is not None


# --- following ------------------------------------------------------------------------------------------


def events(lines: Iterator[str], *, until: int) -> list[tuple[str, dict[str, object]]]:
    """Read events of a stream until there are so many, or it ends."""
    found: list[tuple[str, dict[str, object]]] = []
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
            if len(found) == until:
                break
    return found


def test_a_job_is_followed_to_its_end(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = upload(ada).json()["id"]
    worker = threading.Timer(0.5, work, (engine, recordings, wakeups, job_id, analysis(TENSE)))
    worker.start()
    with ada.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        found = events(response.iter_lines(), until=99)
    worker.join()

    assert {name for name, _ in found} == {"job"}
    assert found[0][1]["status"] == "queued"
    assert found[-1][1] == ada.get(f"/v1/jobs/{job_id}").json()
    assert found[-1][1]["status"] == "succeeded"


def test_a_stream_goes_on_where_it_broke(ada: httpx.Client, engine: Engine) -> None:
    job_id = upload(ada).json()["id"]
    tag = ada.get(f"/v1/jobs/{job_id}").headers["ETag"]
    ending = threading.Timer(0.6, end_jobs, (engine, UUID(job_id)))
    ending.start()
    with ada.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": tag}) as response:
        found = events(response.iter_lines(), until=99)
    ending.join()
    assert [document["status"] for _, document in found][-1] == "failed"
    assert found[0][1]["status"] != "queued" or found[0][1]["queue"] is not None


def test_a_stream_tells_of_a_deletion(ada: httpx.Client) -> None:
    job_id = upload(ada).json()["id"]
    deleting = threading.Timer(0.5, ada.delete, (f"/v1/jobs/{job_id}",))
    deleting.start()
    with ada.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        found = events(response.iter_lines(), until=99)
    deleting.join()
    assert found[-1] == ("deleted", {"id": job_id})


def test_foreign_jobs_are_not_followed(ada: httpx.Client, grace: httpx.Client) -> None:
    job_id = upload(ada).json()["id"]
    assert grace.get(f"/v1/jobs/{job_id}/events").status_code == 404


def test_a_person_follows_all_of_their_jobs_and_nobody_elses(
    ada: httpx.Client, grace: httpx.Client, engine: Engine
) -> None:
    before = upload(ada).json()["id"]
    with ada.stream("GET", "/v1/events") as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry:"), "from now on it listens"
        upload(grace)
        new = upload(ada).json()["id"]
        found = events(lines, until=1)
        end_jobs(engine, UUID(before))
        found += events(lines, until=1)
        ada.delete(f"/v1/jobs/{new}")
        found += events(lines, until=1)

    assert [(name, document["id"], document.get("status")) for name, document in found] == [
        ("job", new, "queued"),
        ("job", before, "failed"),
        ("deleted", new, None),
    ]


@pytest.mark.parametrize("path", ["/v1/jobs/{}/events", "/v1/events"])
def test_a_stream_ends_so_that_its_caller_is_asked_anew(
    ada: httpx.Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = upload(ada).json()["id"]
    monkeypatch.setattr(streams, "LONGEST", 0.2)
    monkeypatch.setattr(streams, "KEEP_ALIVE", 0.1)

    with ada.stream("GET", path.format(job_id)) as response:
        assert ": waiting" in list(response.iter_lines())
