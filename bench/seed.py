"""Recordings of 5 s to probabilities: our worker's way beside the tutorial's endpoint, both warm.

Ours: decode, window, score, at the best precision of this machine, several recordings side by side like a
worker with a backlog; and, as further figures, one by one, and in float32. The endpoint takes one at a time.
"""

from __future__ import annotations

import sys
from statistics import median

import numpy as np

from bench import bundles, corpus
from bench.model import THREADS, TOLERANCE, available, best, probabilities, together, use_threads
from bench.outcome import report, require
from bench.sides import in_turns, rate, ratio, rounds_wanted
from bench.tutorial import Tutorial
from mindtrack_inference.engines import Precision
from mindtrack_inference.engines.golden import MAX_SHIFT

TARGET = 4.0
RECORDINGS = 4


def main() -> int:
    rounds = rounds_wanted(__doc__)
    use_threads()
    bundle = bundles.base()
    tutorial = Tutorial(bundle.directory)
    classifiers = available(bundle)
    chosen = best(classifiers)
    bodies = [corpus.encoded(corpus.speech(bundles.WINDOW, offset), "wav") for offset in range(RECORDINGS)]
    theirs = np.array([tutorial.analyze(body).probabilities for body in bodies])  # (recordings, 5)
    differences: dict[str, float] = {}
    for precision in {Precision.FP32, chosen}:
        shift = np.abs(together(classifiers[precision], bodies) - theirs)
        differences[precision] = float(f"{shift.max():.1e}")
        # A lower precision is held to the worker's own rule.
        within = shift.max() <= TOLERANCE if precision is Precision.FP32 else shift.mean() <= MAX_SHIFT
        require(
            bool(within),
            f"{precision}: probabilities within {shift.max():.1e} and {shift.mean():.1e} on average",
        )

    def ours_at(precision: Precision) -> float:
        return rate(RECORDINGS, lambda: together(classifiers[precision], bodies))

    def ours_alone() -> float:
        return rate(RECORDINGS, lambda: [probabilities(classifiers[chosen], body) for body in bodies])

    rates = in_turns(
        {
            "ours": lambda _: ours_at(chosen),
            "theirs": lambda _: rate(RECORDINGS, lambda: [tutorial.analyze(body) for body in bodies]),
            "ours_alone": lambda _: ours_alone(),
            "ours_fp32": lambda _: ours_at(Precision.FP32),
        },
        rounds=rounds,
    )
    plain, alone = (ratio(rates[side], rates["theirs"]) for side in ("ours_fp32", "ours_alone"))
    report(
        "seed",
        ratio(rates["ours"], rates["theirs"]),
        TARGET,
        ours=f"decode, window, score ({chosen}), recordings/s",
        theirs="the tutorial's endpoint, recordings/s",
        rounds=rounds,
        threads=THREADS,
        details={
            "precision": chosen,
            "ratio_alone": round(alone.median, 3),
            "ratio_fp32": round(plain.median, 3),
            "ratio_fp32_low": round(plain.low, 3),
            "ratio_fp32_high": round(plain.high, 3),
            "recordings_per_second": {name: round(median(values), 3) for name, values in rates.items()},
            "probability_difference": {**differences},
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
