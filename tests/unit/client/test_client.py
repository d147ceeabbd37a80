from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from mindtrack_client import (
    ConflictError,
    Job,
    JobStatus,
    MindTrack,
    NotFoundError,
    ProblemError,
    WaitTimeoutError,
)
from unit.client import documents
from unit.client.documents import JOB_ID, USER_ID
from unit.client.fake_clock import Pauses
from unit.client.fake_gateway import FakeGateway, Reply

JOB_PATH = f"/v1/jobs/{JOB_ID}"
LATER = {"Retry-After": "3"}


def test_analyze_honours_the_servers_pauses(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
    recording: Path,
) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job(), {"Retry-After": "2"}))
    gateway.on(
        "GET",
        JOB_PATH,
        Reply(200, documents.job("running"), LATER),
        Reply(200, documents.job("succeeded")),
    )
    job = mindtrack.analyze(recording)
    assert job.status is JobStatus.SUCCEEDED
    assert job.analysis is not None
    assert job.analysis.stress_score == 0.3
    assert pauses == pytest.approx([3.3])  # the server's, and at most a tenth more
    assert mindtrack.submit(recording, wait=True) == job


def test_submit_returns_at_once_unless_asked_to_wait(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
    recording: Path,
) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job(), LATER))
    assert mindtrack.submit(recording).status is JobStatus.QUEUED
    assert [asked.method for asked in gateway.asked] == ["POST"]
    assert pauses == []


@pytest.mark.parametrize(
    "trouble",
    [
        httpx2.ReadError("cut off"),
        *(Reply(status, documents.problem(status), LATER) for status in (408, 429, 502, 503, 504)),
        Reply(409, documents.problem(409, type="urn:mindtrack:problem:idempotency-key-in-use"), LATER),
    ],
    ids=lambda trouble: str(trouble.status) if isinstance(trouble, Reply) else "connection",
)
def test_a_submission_is_repeated_whole_and_under_the_same_key(
    mindtrack: MindTrack, gateway: FakeGateway, recording: Path, trouble: Reply | Exception
) -> None:
    gateway.on("POST", "/v1/jobs", trouble, Reply(202, documents.job()))
    mindtrack.submit(recording)
    mindtrack.submit(recording)
    first, second, other = gateway.asked
    assert first.body == second.body
    keys = [UUID(asked.headers["idempotency-key"].strip('"')) for asked in (first, second, other)]
    assert keys[0] == keys[1] != keys[2]


def test_a_key_may_be_given(mindtrack: MindTrack, gateway: FakeGateway, recording: Path) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job()))
    mindtrack.submit(recording, idempotency_key='my-"own"\\one')
    assert gateway.asked[0].headers["idempotency-key"] == r'"my-\"own\"\\one"'
    for key in ("", "two words", "x" * 256, "tag\n"):
        with pytest.raises(ValueError, match="idempotency key"):
            mindtrack.submit(recording, idempotency_key=key)


@pytest.mark.parametrize("status", [500, 409, 422])
def test_a_submission_that_was_refused_is_not_repeated(
    mindtrack: MindTrack, gateway: FakeGateway, recording: Path, status: int
) -> None:
    gateway.on("POST", "/v1/jobs", Reply(status, documents.problem(status), LATER))
    with pytest.raises(ProblemError) as caught:
        mindtrack.submit(recording)
    assert caught.value.status == status
    assert caught.value.retry_after == 3
    assert len(gateway.asked) == 1


def test_an_option_that_does_not_exist_is_refused(mindtrack: MindTrack, recording: Path) -> None:
    with pytest.raises(TypeError, match="prority"):
        mindtrack.submit(recording, prority="bulk")  # type: ignore[call-arg]


def test_wait_tells_each_change_once(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on(
        "GET",
        JOB_PATH,
        Reply(200, documents.job()),
        Reply(200, documents.job("running")),
        Reply(200, documents.job("running")),
        Reply(200, documents.job("running", attempt=2)),
        Reply(200, documents.rejected()),
    )
    changes: list[Job] = []
    job = mindtrack.wait(UUID(JOB_ID), on_change=changes.append)
    assert [(change.status, change.attempt) for change in changes] == [
        ("queued", 0),
        ("running", 1),
        ("running", 2),
        ("rejected", 1),
    ]
    assert job.problem is not None
    assert job.problem.code == "too_short"


def test_wait_takes_a_last_look_at_the_deadline(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
) -> None:
    gateway.on("GET", JOB_PATH, Reply(200, documents.job("running"), {"Retry-After": "4"}))
    with pytest.raises(WaitTimeoutError, match=r"still running after 10 s.*wait\(job_id\) later") as caught:
        mindtrack.wait(JOB_ID, timeout=10)
    assert pauses == pytest.approx([4.4, 4.4, 1.2])
    assert [asked.headers.get("prefer") for asked in gateway.asked] == ["wait=10", "wait=6", "wait=1", None]
    assert caught.value.job_id == UUID(JOB_ID)
    assert caught.value.job.status is JobStatus.RUNNING
    gateway.on("GET", JOB_PATH, Reply(200, documents.job("succeeded")))
    assert mindtrack.wait(caught.value.job_id).analysis is not None


def test_wait_does_not_spin_when_the_server_asks_for_no_pause(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
) -> None:
    running = Reply(200, documents.job("running"), {"Retry-After": "0"})
    gateway.on("GET", JOB_PATH, running, Reply(200, documents.job("succeeded")))
    mindtrack.wait(JOB_ID)
    assert pauses == pytest.approx([0.11])


def test_a_server_that_holds_its_answers_is_asked_again_at_once(
    mindtrack: MindTrack, gateway: FakeGateway, pauses: Pauses
) -> None:
    held = {"Preference-Applied": "wait=25", "Retry-After": "3"}
    gateway.on(
        "GET",
        JOB_PATH,
        Reply(200, documents.job(), held, takes=25),
        Reply(200, documents.job("running"), held, takes=25),
        Reply(200, documents.job("succeeded"), held, takes=2),
    )
    gateway.passing = pauses.append
    assert mindtrack.wait(JOB_ID).is_finished
    assert [asked.headers["prefer"] for asked in gateway.asked] == ["wait=25"] * 3
    assert pauses == [25, 25, 2], "nothing but what the server took"


def test_a_server_that_lets_go_early_is_not_pressed(
    mindtrack: MindTrack, gateway: FakeGateway, pauses: Pauses
) -> None:
    held = {"Preference-Applied": "wait=25", "Retry-After": "3"}
    gateway.on(
        "GET", JOB_PATH, Reply(200, documents.job(), held), Reply(200, documents.job("succeeded"), held)
    )
    mindtrack.wait(JOB_ID)
    assert pauses == pytest.approx([3.3])


def test_what_did_not_change_is_not_sent_again(
    mindtrack: MindTrack, gateway: FakeGateway, pauses: Pauses
) -> None:
    gateway.on(
        "GET",
        JOB_PATH,
        Reply(200, documents.job("running"), {"ETag": '"a"', **LATER}),
        Reply(304, b"", {"ETag": '"a"', **LATER}),
        Reply(200, documents.job("succeeded"), {"ETag": '"b"'}),
    )
    changes: list[Job] = []
    assert mindtrack.wait(JOB_ID, on_change=changes.append).is_finished
    assert [asked.headers.get("if-none-match") for asked in gateway.asked] == [None, '"a"', '"a"']
    assert [job.status for job in changes] == ["running", "succeeded"]
    assert pauses == pytest.approx([3.3, 3.3])


def test_jobs_walks_through_the_pages_as_needed(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on(
        "GET",
        "/v1/jobs",
        Reply(200, {"items": [documents.job(), documents.job("running")], "next_cursor": "more"}),
        Reply(200, {"items": [documents.job("succeeded")], "next_cursor": None}),
    )
    found = mindtrack.jobs(page_size=2)
    assert next(found).status is JobStatus.QUEUED
    assert len(gateway.asked) == 1
    assert [job.status for job in found] == ["running", "succeeded"]
    assert [asked.query for asked in gateway.asked] == [{"limit": "2"}, {"limit": "2", "cursor": "more"}]


def test_jobs_by_status(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("GET", "/v1/jobs", Reply(200, {"items": [], "next_cursor": None}))
    assert list(mindtrack.jobs(status="failed")) == []
    assert gateway.asked[0].query["status"] == "failed"
    with pytest.raises(ValueError, match="done"):
        next(mindtrack.jobs(status="done"))


def test_jobs_of_a_time(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("GET", "/v1/jobs", Reply(200, {"items": [], "next_cursor": None}))
    since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert list(mindtrack.jobs(created_after=since, created_before=until)) == []
    assert gateway.asked[0].query["created_after"] == "2026-11-01T00:00:00+00:00"
    assert gateway.asked[0].query["created_before"] == "2026-12-01T00:00:00+00:00"
    with pytest.raises(ValueError, match="created_after needs a UTC offset"):
        next(mindtrack.jobs(created_after=datetime(2026, 11, 1)))  # noqa: DTZ001 - the point


def test_how_many_jobs_stand_takes_a_request_for_each_hundred(
    mindtrack: MindTrack, gateway: FakeGateway
) -> None:
    ids = [UUID(int=number) for number in range(150)]
    known = [{"id": str(ids[0]), "status": "running"}, {"id": str(ids[149]), "status": "succeeded"}]
    gateway.on(
        "POST",
        "/v1/jobs/status",
        *(Reply(200, {"items": [item], "unknown": []}) for item in known),
    )
    found = mindtrack.statuses(ids)
    assert [len(json.loads(asked.body)["ids"]) for asked in gateway.asked] == [100, 50]
    assert list(found) == ids
    assert {job_id: status for job_id, status in found.items() if status} == {
        ids[0]: JobStatus.RUNNING,
        ids[149]: JobStatus.SUCCEEDED,
    }


def test_cancel(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    path = f"{JOB_PATH}/cancel"
    gateway.on("POST", path, Reply(200, documents.job("canceled")), Reply(409, documents.problem(409)))
    assert mindtrack.cancel(JOB_ID).status is JobStatus.CANCELED
    with pytest.raises(ConflictError):
        mindtrack.cancel(JOB_ID)


def test_delete(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("DELETE", JOB_PATH, Reply(503, documents.problem(503)), Reply(200, documents.receipt()))
    receipt = mindtrack.delete(JOB_ID)
    assert receipt.model_dump(mode="json") == documents.receipt()
    gateway.on("DELETE", JOB_PATH, Reply(404, documents.problem(404)))
    with pytest.raises(NotFoundError):
        mindtrack.delete(JOB_ID)


def test_a_document_keeps_what_this_version_does_not_know(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    document = documents.job("succeeded", colour="green")
    gateway.on("GET", JOB_PATH, Reply(200, document))
    assert mindtrack.document(JOB_ID) == document


@pytest.mark.parametrize(
    ("user", "path"),
    [("me", "/v1/users/me/trends"), (USER_ID, f"/v1/users/{USER_ID}/trends")],
)
def test_trends(mindtrack: MindTrack, gateway: FakeGateway, user: str, path: str) -> None:
    gateway.on("GET", path, Reply(200, documents.trend(documents.day("2026-11-22", 0.5))))
    trend = mindtrack.trends(user, days=30)
    assert gateway.asked[0].query == {"days": "30"}
    assert trend.days[0].stress_mean == 0.5
    assert trend.notice
    assert trend.measures == (), "as a server of before answers"


def test_trends_of_measures(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    document = documents.trend() | {"measures": [documents.measure_trend(measure="f0_median_hz", unit="Hz")]}
    gateway.on("GET", "/v1/users/me/trends", Reply(200, document))
    (measure,) = mindtrack.trends(measures=["f0_median_hz"]).measures
    assert gateway.asked[0].query == {"days": "7", "measure": "f0_median_hz"}
    assert (measure.status, measure.points[0].z, measure.slope) == ("above", 1.4, None)


@pytest.mark.parametrize("identifier", ["../users/me", "", "me"])
def test_ids_cannot_leave_their_place_in_the_path(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    identifier: str,
) -> None:
    with pytest.raises(ValueError, match="UUID"):
        mindtrack.job(identifier)
    assert gateway.asked == []
