"""The whole system on this machine, with a worker that serves the wav2vec2-base of the benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import bundles, corpus
from bench.model import THREADS
from faults_support import FaultyStack
from mindtrack_inference.engines import PrecisionChoice
from mindtrack_local.config import SERVICES, StackConfig
from unit.inference.recordings import encode

WORKER = "inference"


@contextmanager
def running(precision: PrecisionChoice = "auto") -> Iterator[FaultyStack]:
    """Run it for as long as the block does. Leases outlive a worker that is paused between rounds."""
    overrides = {
        "MINDTRACK_INFERENCE_BUNDLE": str(bundles.base().directory),
        "MINDTRACK_INFERENCE_PRECISION": precision,
        "MINDTRACK_INFERENCE_THREADS": str(THREADS),
        "MINDTRACK_JOB_LEASE": "3600",
        "MINDTRACK_JOB_HEARTBEAT": "600",
    }
    with TemporaryDirectory(dir=bundles.FOLDER) as name:
        config = StackConfig(var=Path(name) / "var", services=SERVICES, settings_overrides=overrides)
        with FaultyStack(config) as stack:
            yield stack


def write_recording(path: Path, seconds: float, offset: float = 0.0) -> Path:
    """Write speech of that length as WAV."""
    path.write_bytes(encode(corpus.speech(seconds, offset)))
    return path
