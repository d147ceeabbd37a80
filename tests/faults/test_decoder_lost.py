from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from faults_support import FaultyStack, another, talking
from mindtrack_shared.domain.jobs import JobStatus, RejectionCode
from patience import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

KILLS = 10
#: `oom_score_adj` of a child in its cage.
FIRST_TO_GO = "1000"


def test_decoders_that_somebody_kills_cost_no_recording(stack: FaultyStack, tmp_path: Path) -> None:
    stack.add_inference("inference")
    recording = talking(tmp_path / "log.wav", seconds=60)
    with stack.client() as client:
        doomed = [client.submit(another(recording, tmp_path)).id for _ in range(KILLS)]
        eventually(lambda: JobStatus.RUNNING in {job.status for job in stack.jobs()}, what="a claim")
        killed: set[int] = set()
        while len(killed) < KILLS:
            victims = [child for child in decoders(stack) if child.pid not in killed and is_busy(child)]
            for victim in victims[: KILLS - len(killed)]:
                victim.kill()
                killed.add(victim.pid)
            if not victims and all(job.status.is_terminal for job in stack.jobs()):
                doomed.append(client.submit(another(recording, tmp_path)).id)
        spared = [client.submit(another(recording, tmp_path)).id for _ in range(3)]

    eventually(lambda: stack.succeeded(spared), within=120, what="the others succeeding")
    eventually(lambda: all(job.status.is_terminal for job in stack.jobs()), what="an end for all")
    jobs = [stack.job(job_id) for job_id in doomed]
    again = sum(job.attempt - 1 for job in jobs)
    assert 1 <= again <= KILLS
    for job in jobs:  # one may be hit by chance each time it is tried
        assert job.status is JobStatus.SUCCEEDED or (job.code, job.attempt) == (RejectionCode.UNREADABLE, 3)
    assert {stack.job(job_id).attempt for job_id in spared} == {1}, "nobody else paid for it"


def decoders(stack: FaultyStack) -> list[psutil.Process]:
    """Find the caged children that are ready, by what they do to themselves before."""
    family = psutil.Process(stack.process("inference").pid).children(recursive=True)
    return [child for child in family if oom_score(child) == FIRST_TO_GO]


def oom_score(process: psutil.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/oom_score_adj").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def is_busy(process: psutil.Process) -> bool:
    try:
        return process.cpu_percent(interval=0.05) > 0
    except psutil.NoSuchProcess:
        return False
