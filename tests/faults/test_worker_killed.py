from __future__ import annotations

from pathlib import Path

import pytest

from faults_support import FaultyStack, eventually, humming
from mindtrack_shared.domain.jobs import JobStatus

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def test_a_job_outlives_its_worker(stack: FaultyStack, tmp_path: Path) -> None:
    worker = stack.add_inference("inference")
    job_id = stack.begin_job(humming(tmp_path / "long.wav", seconds=290))

    worker.kill()
    assert stack.job(job_id).status is JobStatus.RUNNING, "killed too late to prove anything"

    eventually(lambda: stack.succeeded([job_id]), within=60, what="a second attempt that succeeds")
    assert stack.job(job_id).attempt == 2
    assert stack.analyses_per_job() == {job_id: 1}
    with stack.client() as client:
        assert client.trends(days=1).count == 1


def test_a_worker_that_stops_politely_finishes_what_it_holds(stack: FaultyStack, tmp_path: Path) -> None:
    worker = stack.add_inference("inference")
    job_id = stack.begin_job(humming(tmp_path / "long.wav", seconds=120))

    worker.stop()

    job = stack.job(job_id)
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1)


def test_a_frozen_worker_is_replaced_and_its_late_result_refused(stack: FaultyStack, tmp_path: Path) -> None:
    frozen = stack.add_inference("inference")
    job_id = stack.begin_job(humming(tmp_path / "long.wav", seconds=290))

    frozen.pause()
    assert stack.job(job_id).status is JobStatus.RUNNING, "frozen too late to prove anything"
    stack.add_inference("second")
    eventually(lambda: stack.succeeded([job_id]), within=60, what="another worker finishing")
    finished_at = stack.job(job_id).finished_at
    frozen.resume()

    eventually(
        lambda: "stale" in log(stack, "inference") or "lease_lost" in log(stack, "inference"),
        within=60,
        what="the late worker noticing",
    )
    job = stack.job(job_id)
    assert (job.status, job.attempt, job.finished_at) == (JobStatus.SUCCEEDED, 2, finished_at)
    assert stack.analyses_per_job() == {job_id: 1}


def log(stack: FaultyStack, part: str) -> str:
    return (stack.infrastructure.layout.logs / f"{part}.log").read_text()
