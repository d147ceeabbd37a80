"""Windows per second through the whole system beside those of the bare engine, on the same cores.

Ours: upload, storage, queue, claim, decode, gate, biomarkers, model and commit, with everything on this
machine; a backlog of 200 jobs of one window each, worked off in slices between which the worker is frozen.
Theirs: the same engine, in the precision that the worker chose, on windows in memory. A second figure
has both in float32.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench import bundles, corpus
from bench.model import THREADS, load
from bench.outcome import report, require
from bench.sides import in_turns, progress, rate, ratio, rounds_wanted
from bench.system import WORKER, running, write_recording
from mindtrack_inference.engines import Precision, PrecisionChoice
from mindtrack_shared.db.models import Job
from mindtrack_shared.domain.jobs import JobStatus
from patience import eventually

TARGET = 0.85
BACKLOG = 200
PATIENCE, POLL = 1800.0, 0.5  # seconds


def finished(session: Session) -> list[float]:
    """When each job got its analysis, in order, as the database's clock says, seconds."""
    done = select(Job.finished_at).where(Job.status == JobStatus.SUCCEEDED).order_by(Job.finished_at)
    times = [moment.timestamp() for moment in session.scalars(done) if moment is not None]
    session.rollback()
    return times


def throughput(session: Session, jobs: int) -> float:
    """Jobs per second, from the next that ends to the one so many after it. Seldom looks: looking costs."""
    before = len(finished(session))
    deadline = time.monotonic() + PATIENCE
    while len(times := finished(session)[before:]) <= jobs:
        if before + len(times) > BACKLOG or time.monotonic() > deadline:
            require(holds=False, what="the worker gets on with a backlog that lasts")
        time.sleep(POLL)
    return jobs / (times[jobs] - times[0])


def measured(precision: PrecisionChoice, rounds: int) -> tuple[Precision, dict[str, list[float]]]:
    """Measure system and engine in turns; return what the worker computed in, and both sides' rates."""
    # A quarter of each round's share is for what is done before and after it is timed.
    slice_of = BACKLOG // (rounds + 1) * 3 // 4
    bundle = bundles.base()
    cut = np.stack([corpus.speech(bundles.WINDOW, offset) for offset in range(8)])
    with (
        TemporaryDirectory() as folder,
        running(precision) as stack,
        stack.client() as client,
        stack.session() as session,
    ):
        worker = stack.process(WORKER)
        first = client.submit(write_recording(Path(folder) / "first.wav", bundles.WINDOW)).id
        eventually(lambda: stack.succeeded([first]), within=PATIENCE, what="a first result")
        analysis = client.wait(first, timeout=PATIENCE).analysis
        require(analysis is not None, "the worker commits an analysis")
        assert analysis is not None  # noqa: S101 - for the type checker
        worker.pause()
        chosen = Precision(analysis.model.precision)
        classifier = load(bundle, chosen)
        for number in range(BACKLOG):
            client.submit(write_recording(Path(folder) / "log.wav", bundles.WINDOW, number / 20))
        progress(f"{BACKLOG} jobs wait for a worker in {chosen}")

        def ours(_: int) -> float:
            worker.resume()
            found = throughput(session, slice_of)
            worker.pause()
            return found

        try:
            sides = {"ours": ours, "engine": lambda _: rate(len(cut), lambda: classifier.logits(cut))}
            return chosen, in_turns(sides, rounds=rounds)
        finally:
            worker.resume()


def main() -> int:
    rounds = rounds_wanted(__doc__, default=7)
    precision, rates = measured("auto", rounds)
    plain = rates if precision is Precision.FP32 else measured("fp32", rounds)[1]
    in_fp32 = ratio(plain["ours"], plain["engine"])
    report(
        "worker",
        ratio(rates["ours"], rates["engine"]),
        TARGET,
        ours=f"windows through the whole system ({precision}), 1/s",
        theirs=f"windows through the bare engine ({precision}), 1/s",
        rounds=rounds,
        threads=THREADS,
        details={
            "precision": precision,
            "windows_per_second": {side: round(median(values), 3) for side, values in rates.items()},
            "ratio_fp32": round(in_fp32.median, 3),
            "ratio_fp32_low": round(in_fp32.low, 3),
            "windows_per_second_fp32": {side: round(median(values), 3) for side, values in plain.items()},
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
