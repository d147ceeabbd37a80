from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from mindtrack_client import (
    Job,
    JobStatus,
    MindTrack,
    ProblemError,
    WaitTimeoutError,
)
from unit.client import documents
from unit.client.documents import JOB_ID, USER_ID
from unit.client.fake_clock import Pauses
from unit.client.fake_gateway import FakeGateway, Reply

JOB_PATH = f"/v1/jobs/{JOB_ID}"
LATER = {"Retry-After": "3"}


def test_submit_and_wait_honours_the_servers_pauses(
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
    job = mindtrack.submit(recording, wait=True)
    assert job.status is JobStatus.SUCCEEDED
    assert job.analysis is not None
    assert job.analysis.stress_score == 0.3
    assert pauses == [2, 3]


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


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_upload_is_never_sent_twice(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    recording: Path,
    status: int,
) -> None:
    gateway.on("POST", "/v1/jobs", Reply(status, documents.problem(status), LATER))
    with pytest.raises(ProblemError) as caught:
        mindtrack.submit(recording)
    assert caught.value.problem.status == status
    assert caught.value.retry_after == 3
    assert len(gateway.asked) == 1


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
    with pytest.raises(WaitTimeoutError) as caught:
        mindtrack.wait(JOB_ID, timeout=10)
    assert pauses == [4, 4, 2]
    assert len(gateway.asked) == 4
    assert caught.value.job_id == UUID(JOB_ID)
    assert caught.value.job.status is JobStatus.RUNNING


def test_wait_does_not_spin_when_the_server_asks_for_no_pause(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
) -> None:
    running = Reply(200, documents.job("running"), {"Retry-After": "0"})
    gateway.on("GET", JOB_PATH, running, Reply(200, documents.job("succeeded")))
    mindtrack.wait(JOB_ID)
    assert pauses == [0.1]


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


@pytest.mark.parametrize("identifier", ["../users/me", "", "me"])
def test_ids_cannot_leave_their_place_in_the_path(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    identifier: str,
) -> None:
    with pytest.raises(ValueError, match="UUID"):
        mindtrack.job(identifier)
    assert gateway.asked == []
