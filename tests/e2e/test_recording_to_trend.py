"""The story of the product, told once through real processes."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from faults_support import another
from mindtrack_client import Emotion, JobStatus, MindTrack, ProblemError
from mindtrack_local.stack import Stack
from samples import SAMPLES

TODAY = datetime.now(UTC)


def test_recording_to_trend(sign_in: Callable[[str], MindTrack]) -> None:
    ada, grace = sign_in("ada-the-diarist"), sign_in("grace-the-diarist")

    # Ada speaks into her phone on three evenings; each upload is a promise.
    evenings = [TODAY - timedelta(days=days, minutes=1) for days in (2, 1, 0)]
    logs = ["day-1.wav", "day-5.ogg", "day-7.m4a"]
    promised = [
        ada.submit(SAMPLES / log, recorded_at=evening, time_zone="Europe/Berlin")
        for log, evening in zip(logs, evenings, strict=True)
    ]
    assert len({job.id for job in promised}) == 3

    # Every promise is kept: a worker claims the job, and the analysis says how the voice sounded.
    done = [ada.wait(job.id, timeout=60) for job in promised]
    assert [job.status for job in done] == [JobStatus.SUCCEEDED] * 3
    for job in done:
        analysis = job.analysis
        assert analysis is not None
        shares = {emotion: share for emotion, share in analysis.probabilities.items() if share is not None}
        assert set(shares) == set(Emotion)  # the demo model can express all five
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
        assert analysis.stress_score == pytest.approx(shares[Emotion.ANXIOUS] + shares[Emotion.STRESSED])
        assert analysis.windows is not None
        assert analysis.windows[-1].end_seconds == pytest.approx(analysis.audio_seconds, abs=0.01)
        assert job.attempt == 1

    # Her history is three days, each with one recording, and the latest is today's.
    trend = ada.trends(days=7)
    assert [day.count for day in trend.days] == [1, 1, 1]
    assert [day.stress_mean for day in trend.days] == pytest.approx(
        [job.analysis.stress_score for job in done if job.analysis],
        rel=5e-4,  # a trend's days have four significant digits
    )
    assert trend.latest is not None
    assert trend.latest.stress_score == pytest.approx(trend.days[-1].stress_mean, rel=5e-4)

    # Nobody else sees any of it.
    assert grace.trends(days=7).days == ()
    with pytest.raises(ProblemError, match="no such resource"):
        grace.job(promised[0].id)


def test_the_command_line_goes_the_same_way(stack: Stack) -> None:
    environment = os.environ | {"MINDTRACK_URL": stack.base_url, "MINDTRACK_TOKEN": stack.token("cli")}

    def mindtrack(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("mindtrack")), *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    submitted = mindtrack("--json", "submit", str(SAMPLES / "day-2.m4a"), "--wait")
    assert submitted.returncode == 0, submitted.stderr
    job = json.loads(submitted.stdout)
    assert job["status"] == "succeeded"

    watched = mindtrack("watch", job["id"])
    assert watched.returncode == 0
    trend = json.loads(mindtrack("--json", "trends").stdout)
    assert trend["count"] == 1


WAV_HEADER = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00" + bytes(200),
        lambda: (SAMPLES / "day-2.m4a").read_bytes()[:20_000],
        lambda: WAV_HEADER,
    ],
    ids=["m4a header and nothing else", "truncated m4a", "wav header and nothing else"],
)
def test_what_cannot_be_analysed_is_rejected_with_advice(
    sign_in: Callable[[str], MindTrack],
    tmp_path: Path,
    make: Callable[[], bytes],
) -> None:
    recording = tmp_path / "log.bin"
    recording.write_bytes(make())

    job = sign_in("ada-the-diarist").submit(recording, wait=True, timeout=60)

    assert job.status is JobStatus.REJECTED
    assert job.problem is not None
    assert job.problem.type == "urn:mindtrack:problem:recording-rejected"
    assert (job.problem.detail or "").endswith(".")
    assert job.problem.code == "unreadable"
    assert job.attempt == 1


def test_serving_loads_no_torch(stack: Stack) -> None:
    """Every process of the stack, by the libraries it has mapped."""
    for name in ("gateway", "inference", "relay", "deliver", "beat", "maintenance"):
        process = psutil.Process(stack.process(name).pid)
        for member in (process, *process.children(recursive=True)):
            libraries = [mapped.path for mapped in member.memory_maps()]
            assert not [path for path in libraries if "/torch/" in path], name


def test_ids_sort_by_the_time_they_were_made(sign_in: Callable[[str], MindTrack], tmp_path: Path) -> None:
    ada = sign_in("ada-the-diarist")
    jobs = [ada.submit(another(SAMPLES / "day-1.wav", tmp_path)).id for _ in range(3)]

    assert sorted(jobs) == jobs
    assert {UUID(str(job)).version for job in jobs} == {7}
    for job in jobs:
        ada.wait(job, timeout=60)
