"""One trace per job, through gateway, relay and worker, under the job's own id."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from faults_support import another
from mindtrack_client import JobStatus, MindTrack
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from otlp_receiver import ReceivedSpan, Receiver, receiving
from patience import eventually
from samples import SAMPLES

#: Nothing else may be said of a job.
ATTRIBUTES = {
    "error.type",
    "http.request.method",
    "http.route",
    "mindtrack.attempt.number",
    "mindtrack.attempt.outcome",
    "mindtrack.job.code",
    "mindtrack.job.id",
    "mindtrack.job.status",
    "mindtrack.windows",
}
#: What a job that succeeds goes through: the step, who says so, and what it is part of.
PATH = {
    ("job", "inference", None),
    ("accept", "gateway", "job"),
    ("receive", "gateway", "job"),
    ("commit", "gateway", "job"),
    ("ring", "relay", "job"),
    ("wait", "inference", "job"),
    ("attempt", "inference", "job"),
    ("prepare", "inference", "attempt"),
    ("score", "inference", "attempt"),
    ("settle", "inference", "attempt"),
}
#: The database's clock starts a job's root, the worker's ends it.
CLOCKS = 50_000_000  # nanoseconds


def path(spans: list[ReceivedSpan]) -> set[tuple[str, str, str | None]]:
    names = {span.span_id: span.name for span in spans}
    return {
        (span.name, span.service, names[span.parent_id] if span.parent_id else None)
        for span in spans
        if not span.parent_id or span.parent_id in names
    }


def trace(receiver: Receiver, job_id: UUID, expected: set[tuple[str, str, str | None]]) -> list[ReceivedSpan]:
    eventually(lambda: path(receiver.spans(job_id.hex)) >= expected, what="the whole trace")
    return receiver.spans(job_id.hex)


@pytest.mark.timeout(180)
def test_a_job_is_one_trace(tmp_path: Path) -> None:
    torn = tmp_path / "torn.m4a"
    torn.write_bytes((SAMPLES / "day-2.m4a").read_bytes()[:20_000])
    with receiving() as receiver:
        overrides = {"MINDTRACK_TRACING_ENDPOINT": receiver.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        config = StackConfig(var=tmp_path / "var", durable=False, settings_overrides=overrides)
        with Stack(config) as stack, MindTrack(stack.base_url, stack.token("ada")) as client:
            succeeded = client.submit(SAMPLES / "day-7.m4a", wait=True, timeout=60)
            rejected = client.submit(torn, wait=True, timeout=60)
            good = trace(receiver, succeeded.id, PATH)
            bad = trace(receiver, rejected.id, PATH - {("score", "inference", "attempt")})

        assert [succeeded.status, rejected.status] == [JobStatus.SUCCEEDED, JobStatus.REJECTED]
        assert path(good) == PATH
        assert len(good) == len(PATH)
        by_name = {span.name: span for span in good}
        root = by_name["job"]
        assert root.attributes["mindtrack.job.status"] == "succeeded"
        assert by_name["accept"].attributes == {
            "http.request.method": "POST",
            "http.route": "/v1/jobs",
        }
        order = [by_name[name].began for name in ("receive", "commit", "ring", "attempt", "score", "settle")]
        assert order == sorted(order)
        for span in good:
            assert span.began <= span.ended <= root.ended + CLOCKS
        assert not any(span.failed for span in good)

        failed = [span for span in bad if span.failed]
        assert [span.name for span in failed] == ["prepare"]
        assert (
            next(span for span in bad if span.name == "job").attributes["mindtrack.job.code"] == "unreadable"
        )
        assert {name for span in receiver.spans() for name in span.attributes} <= ATTRIBUTES


@pytest.mark.timeout(180)
def test_a_collector_that_is_away_costs_no_job(tmp_path: Path) -> None:
    overrides = {"MINDTRACK_TRACING_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    config = StackConfig(var=tmp_path / "var", durable=False, settings_overrides=overrides)
    with Stack(config) as stack, MindTrack(stack.base_url, stack.token("ada")) as client:
        logs = [another(SAMPLES / "day-1.wav", tmp_path) for _ in range(2)]
        jobs = [client.submit(log, wait=True, timeout=60) for log in logs]
    assert [job.status for job in jobs] == [JobStatus.SUCCEEDED] * 2
