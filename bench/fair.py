"""How long an interactive job waits behind ten times as much bulk work, beside an idle system.

Both sides: from the upload of a recording of one window to its committed analysis, the 95th percentile of
each round's jobs. The ratio counts what bulk work costs those who wait: less is better.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench import bundles
from bench.model import THREADS
from bench.outcome import report, require
from bench.sides import in_turns, progress, ratio, rounds_wanted
from bench.system import running, write_recording
from faults_support import FaultyStack, another
from mindtrack_client import MindTrack, Priority
from patience import eventually

TARGET = 3.0
#: Interactive jobs per round, one after the other, and bulk jobs that wait meanwhile.
JOBS, BACKLOG = 6, 60
PATIENCE = 1800.0  # seconds


def waits(stack: FaultyStack, client: MindTrack, recording: Path) -> float:
    """Submit interactive jobs one after the other; return the 95th percentile of what they waited, s."""
    found = []
    for _ in range(JOBS):
        start = time.perf_counter()
        job = client.submit(another(recording, recording.parent)).id
        eventually(lambda job=job: stack.succeeded([job]), within=PATIENCE, what="a result")  # type: ignore[misc]
        found.append(time.perf_counter() - start)
    return float(np.percentile(found, 95))


def main() -> int:
    rounds = rounds_wanted(__doc__, default=7)
    with TemporaryDirectory() as folder, running() as stack, stack.client() as client:
        recording = write_recording(Path(folder) / "log.wav", bundles.WINDOW)
        waits(stack, client, recording)

        def busy(_: int) -> float:
            bulk = [
                client.submit(another(recording, recording.parent), priority=Priority.BULK).id
                for _ in range(BACKLOG)
            ]
            found = waits(stack, client, recording)
            require(not stack.succeeded(bulk), "bulk work waits behind all interactive jobs")
            eventually(lambda: stack.succeeded(bulk), within=PATIENCE, what="an empty queue")
            return found

        seconds = in_turns({"busy": busy, "idle": lambda _: waits(stack, client, recording)}, rounds=rounds)
    progress("the figures above are seconds")
    report(
        "fair",
        ratio(seconds["busy"], seconds["idle"]),
        TARGET,
        at_most=True,
        ours="p95 of an interactive job behind 60 bulk jobs, s",
        theirs="p95 of an interactive job on an idle system, s",
        rounds=rounds,
        threads=THREADS,
        details={
            "jobs_per_round": JOBS,
            "seconds": {side: [round(value, 2) for value in values] for side, values in seconds.items()},
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
