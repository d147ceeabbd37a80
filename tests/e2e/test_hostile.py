"""Bombs and lies on the way that every recording takes: through the gateway to a real worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faults_support import another
from hostile.corpus import CASES
from mindtrack_client import JobStatus, MindTrack
from mindtrack_local.stack import Stack
from samples import SAMPLES

HANDFUL = (
    "flac-hour-in-4k-blocks",
    "flac-claims-a-second",
    "wav-255-channels",
    "wav-float-nan",
    "opus-claims-five-minutes",
    "m4a-no-index",
    "mp4-200-streams",
    "webm-nested",
    "mp3-hours",
)


@pytest.mark.timeout(300)
def test_a_worker_rejects_them_and_goes_on(
    stack: Stack, sign_in: Callable[[str], MindTrack], tmp_path: Path
) -> None:
    mallory = sign_in("mallory")
    worker = stack.process("inference").pid
    for case in (case for case in CASES if case.name in HANDFUL):
        path = tmp_path / f"{case.name}.bin"
        path.write_bytes(case.make())
        job = mallory.wait(mallory.submit(path).id, timeout=120)
        assert job.status is JobStatus.REJECTED, case.name
        assert job.problem is not None
        assert job.problem.code == case.end, case.name
    good = mallory.submit(another(SAMPLES / "day-1.wav", tmp_path))
    assert mallory.wait(good.id, timeout=120).status is JobStatus.SUCCEEDED
    assert stack.process("inference").pid == worker
