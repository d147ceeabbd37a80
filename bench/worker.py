"""Windows per second through the whole system beside those of the bare engine, on the same cores.

Ours: upload, storage, queue, claim, decode, gate, biomarkers, model and commit, with everything on this
machine; a backlog of 200 jobs of one window each, worked off in slices between which the worker is frozen.
Theirs: the same engine, in the precision that the worker chose, on windows that lie in memory.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from sqlalchemy import func, select

from bench import bundles, corpus
from bench.model import THREADS, load
from bench.outcome import report, require
from bench.sides import in_turns, progress, rate, ratio, rounds_wanted
from bench.system import WORKER, running, write_recording
from faults_support import FaultyStack, eventually
from mindtrack_inference.engines import Precision
from mindtrack_shared.db.models import Job
from mindtrack_shared.domain.jobs import JobStatus

TARGET = 0.85
BACKLOG = 200
PATIENCE = 1800.0  # seconds


def finished(stack: FaultyStack) -> int:
    """Count the jobs that have an analysis."""
    with stack.session() as session:
        done = select(func.count()).where(Job.status == JobStatus.SUCCEEDED)
        return session.scalar(done) or 0


def main() -> int:
    rounds = rounds_wanted(__doc__, default=7)
    slice_of = BACKLOG // (rounds + 2)
    bundle = bundles.base()
    cut = np.stack([corpus.speech(bundles.WINDOW, offset) for offset in range(8)])
    with TemporaryDirectory() as folder, running() as stack, stack.client() as client:
        worker = stack.process(WORKER)
        first = client.submit(write_recording(Path(folder) / "first.wav", bundles.WINDOW)).id
        eventually(lambda: stack.succeeded([first]), within=PATIENCE, what="a first result")
        analysis = client.wait(first, timeout=PATIENCE).analysis
        require(analysis is not None, "the worker commits an analysis")
        assert analysis is not None  # noqa: S101 - for the type checker
        precision = Precision(analysis.model.precision)
        worker.pause()
        classifier = load(bundle, precision)
        for number in range(BACKLOG):
            client.submit(write_recording(Path(folder) / "log.wav", bundles.WINDOW, number / 20))
        progress(f"{BACKLOG} jobs wait")

        def ours(_: int) -> float:
            worker.resume()
            start = finished(stack)
            eventually(lambda: finished(stack) > start, within=PATIENCE, what="a result")
            start = finished(stack)

            def work() -> None:
                eventually(lambda: finished(stack) >= start + slice_of, within=PATIENCE, what="a slice")

            found = rate(slice_of, work)
            worker.pause()
            return found

        try:
            rates = in_turns(
                {"ours": ours, "engine": lambda _: rate(len(cut), lambda: classifier.logits(cut))},
                rounds=rounds,
            )
        finally:
            worker.resume()
    report(
        "worker",
        ratio(rates["ours"], rates["engine"]),
        TARGET,
        ours="windows through the whole system, 1/s",
        theirs="windows through the bare engine, 1/s",
        rounds=rounds,
        threads=THREADS,
        details={
            "precision": precision,
            "windows_per_second": {side: round(median(values), 3) for side, values in rates.items()},
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
