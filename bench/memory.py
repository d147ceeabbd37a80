"""The most memory a worker takes for a recording of an hour, beside one of a minute.

Resident memory of the worker's process with the model and of its cages, together, at its highest since the
recording was submitted; the counters are reset in between. The ratio counts cost: less is better.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.model import THREADS
from bench.outcome import report, require
from bench.sides import in_turns, ratio, rounds_wanted
from bench.system import WORKER, running, write_recording
from faults_support import FaultyStack, another
from patience import eventually

TARGET = 1.5
HOUR, MINUTE = 3600.0, 60.0  # seconds
PATIENCE = 3 * 3600.0  # seconds


def peak(stack: FaultyStack, recording: Path) -> float:
    """Have a recording analysed; return the peak of resident memory, MiB."""
    family = psutil.Process(stack.process(WORKER).pid).children(recursive=True)
    for member in family:
        Path(f"/proc/{member.pid}/clear_refs").write_text("5")  # resets the high-water mark: proc(5)
    with stack.client() as client:
        job = client.submit(another(recording, recording.parent)).id
    eventually(lambda: stack.succeeded([job]), within=PATIENCE, what="a result")
    return sum(map(_high_water, family))


def _high_water(process: psutil.Process) -> float:
    """MiB; none of a process that has gone."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


def main() -> int:
    rounds = rounds_wanted(__doc__, default=7)
    with TemporaryDirectory() as folder, running() as stack:
        recordings = {
            "hour": write_recording(Path(folder) / "hour.wav", HOUR),
            "minute": write_recording(Path(folder) / "minute.wav", MINUTE),
        }
        require(peak(stack, recordings["minute"]) > 0, "the worker commits an analysis")
        mebibytes = in_turns(
            {side: lambda _, path=path: peak(stack, path) for side, path in recordings.items()},  # type: ignore[misc]
            rounds=rounds,
        )
    report(
        "memory",
        ratio(mebibytes["hour"], mebibytes["minute"]),
        TARGET,
        at_most=True,
        ours="peak memory for an hour of audio, MiB",
        theirs="peak memory for a minute, MiB",
        rounds=rounds,
        threads=THREADS,
        details={
            "mebibytes": {side: [round(value) for value in values] for side, values in mebibytes.items()}
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
