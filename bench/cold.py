"""From the start of a process to its first result: the tutorial's code beside our worker, on the demo bundle.

Ours starts with a job waiting in a running stack, and ends with the committed result; theirs ends when it
prints. Files are in the page cache on both sides, and Python's are compiled, as they are in an image.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from compileall import compile_dir
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import mindtrack_inference
import mindtrack_shared
from bench.model import THREADS
from bench.outcome import ROOT, report, require
from bench.sides import in_turns, rate, ratio, rounds_wanted
from faults_support import FaultyStack, another
from mindtrack_inference.bundle import load_bundle
from mindtrack_local.config import SERVICES, StackConfig
from mindtrack_shared.domain.emotions import Emotion
from patience import eventually
from unit.inference.recordings import voice_log

TARGET = 4.0
BUNDLE = "demo-synthetic"
#: Seconds, on a machine that is busy with something else.
PATIENCE = 180.0


def ours(stack: FaultyStack, recording: Path, number: int) -> float:
    """First results per second of a worker that finds one job waiting."""
    with stack.client() as client:
        job = client.submit(another(recording, recording.parent)).id
    name = f"cold-{number}"

    def first_result() -> None:
        stack.add_inference(name)
        eventually(lambda: stack.succeeded([job]), within=PATIENCE, what="a result")

    found = rate(1, first_result)
    stack.process(name).stop()
    return found


def theirs(recording: Path) -> str:
    """Run the tutorial's code from nothing; return the emotion it names."""
    command = [sys.executable, "-m", "bench.tutorial", str(load_bundle(BUNDLE).directory), str(recording)]
    variables = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    done = subprocess.run(  # noqa: S603
        command, check=True, capture_output=True, text=True, cwd=ROOT, env=variables
    )
    emotion, _, _ = json.loads(done.stdout.splitlines()[-1])
    return str(emotion)


def compile_sources() -> None:
    """Write bytecode of our own packages; pip did so for all others."""
    for package in (mindtrack_inference, mindtrack_shared):
        compile_dir(package.__path__[0], quiet=1)


def main() -> int:
    rounds = rounds_wanted(__doc__)
    compile_sources()
    services = tuple(service for service in SERVICES if service != "inference")
    with TemporaryDirectory() as name:
        folder = Path(name)
        recording = folder / "voice.wav"
        recording.write_bytes(voice_log())
        require(theirs(recording) in set(map(str, Emotion)), "the tutorial's code names one of the emotions")
        overrides = {"MINDTRACK_INFERENCE_THREADS": str(THREADS)}
        config = StackConfig(var=folder / "var", services=services, settings_overrides=overrides)
        with FaultyStack(config) as stack:
            ours(stack, recording, -1)
            require(all(stack.analyses_per_job().values()), "our worker commits a result")
            rates = in_turns(
                {
                    "ours": lambda number: ours(stack, recording, number),
                    "tutorial": lambda _: rate(1, lambda: theirs(recording)),
                },
                rounds=rounds,
            )
    report(
        "cold",
        ratio(rates["ours"], rates["tutorial"]),
        TARGET,
        ours="worker's start to committed result, 1/s",
        theirs="the tutorial's code from start to answer, 1/s",
        rounds=rounds,
        threads=THREADS,
        details={"seconds": {side: round(1 / median(values), 2) for side, values in rates.items()}},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
