"""Scaling in as Kubernetes does it: SIGTERM, then the grace of the manifest. No running job is cut short."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from deploy.manifests import kubectl, name_of, rendered
from deploy.policies import Pod
from faults_support import FaultyStack, another, talking
from mindtrack_local.part import Part
from mindtrack_shared.db.models import Job
from mindtrack_shared.domain.jobs import JobStatus, Priority
from patience import eventually

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(kubectl() is None, reason="kubectl, which renders, is not installed"),
]

#: A worker shall need no more of its grace: machines may be slower, and recordings longer.
SHARE_OF_GRACE = 0.2


def grace(lane: Priority) -> float:
    """Seconds that a cluster waits for a worker of that lane before it kills it."""
    (deployment,) = [
        each for each in rendered("production") if name_of(each) == f"Deployment/inference-{lane}"
    ]
    return Pod(deployment).grace.total_seconds()


@dataclass
class LaneOfWorkers:
    """The workers of one lane; like the autoscaler, it adds some and tells one to go, busy or not."""

    stack: FaultyStack
    lane: Priority
    size: int
    _workers: list[Part] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=count)

    def fill(self) -> None:
        while len(self._workers) < self.size:
            lanes = {"MINDTRACK_INFERENCE_LANES": f'["{self.lane}"]'}
            self._workers.append(self.stack.add_inference(f"{self.lane}-{next(self._names)}", lanes))

    def held(self, worker: Part) -> list[Job]:
        """Jobs that run on this worker now, by the id that it says it has."""
        said = (self.stack.infrastructure.layout.logs / f"{worker.name}.log").read_text()
        return [
            job for job in self.stack.jobs() if job.status is JobStatus.RUNNING and str(job.worker_id) in said
        ]

    def _busy(self) -> Part:
        found: list[Part] = []

        def look() -> bool:
            found.extend(worker for worker in self._workers if self.held(worker))
            return bool(found)

        eventually(look, what="a worker that is busy")
        return found[0]

    def scale_in(self) -> list[UUID]:
        """Tell a busy worker to go and see it off within its grace; say what it had been at."""
        leaving = self._busy()
        begun = time.monotonic()
        leaving.ask_to_stop()
        held = [job.id for job in self.held(leaving)]
        allowed = SHARE_OF_GRACE * grace(self.lane)
        eventually(lambda: not leaving.running, within=allowed, what=f"{leaving.name} gone")
        assert time.monotonic() - begun < allowed
        self._workers.remove(leaving)
        return held


def test_scaling_in_cuts_no_interactive_job(stack: FaultyStack, tmp_path: Path) -> None:
    workers = LaneOfWorkers(stack, Priority.INTERACTIVE, size=3)
    recording = talking(tmp_path / "minute.wav", seconds=60)
    promised: list[UUID] = []
    caught: list[UUID] = []

    for _ in range(3):
        workers.fill()
        with stack.client() as client:
            promised += [client.submit(another(recording, tmp_path)).id for _ in range(4)]
        held = workers.scale_in()
        assert {stack.job(job_id).status for job_id in held} <= {JobStatus.SUCCEEDED}
        caught += held

    workers.fill()
    eventually(lambda: stack.succeeded(promised), what="all succeeding")
    assert len(caught) >= 2, "stopped too late to prove anything"
    assert {(job.attempt, job.fence) for job in stack.jobs()} == {(1, 1)}
    assert stack.analyses_per_job() == dict.fromkeys(promised, 1)


def test_scaling_in_hands_long_bulk_work_on(stack: FaultyStack, tmp_path: Path) -> None:
    workers = LaneOfWorkers(stack, Priority.BULK, size=2)
    recording = talking(tmp_path / "long.wav", seconds=300)
    promised: list[UUID] = []

    for _ in range(2):
        workers.fill()
        with stack.client() as client:
            job_id = client.submit(another(recording, tmp_path), priority=Priority.BULK).id
        promised.append(job_id)
        assert workers.scale_in() == [job_id]
        # Once its worker is gone it waits, or has begun anew elsewhere.
        job = stack.job(job_id)
        assert (job.status, job.attempt, job.fence) in {
            (JobStatus.QUEUED, 0, 1),
            (JobStatus.RUNNING, 1, 2),
            (JobStatus.SUCCEEDED, 1, 2),
        }
        eventually(lambda: stack.succeeded(promised), what="the other worker finishing")

    assert {(job.attempt, job.fence) for job in stack.jobs()} == {(1, 2)}
    assert stack.analyses_per_job() == dict.fromkeys(promised, 1)
