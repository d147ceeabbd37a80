"""Recordings of 5 s to probabilities: our worker's way beside the tutorial's endpoint, both warm.

Ours: decode, window, score, at the best precision of this machine; and, as a second figure, in float32.
"""

from __future__ import annotations

import sys
from statistics import median

import numpy as np

from bench import bundles, corpus
from bench.model import THREADS, available, best, probabilities, use_threads
from bench.outcome import report, require
from bench.sides import in_turns, rate, ratio, rounds_wanted
from bench.tutorial import Tutorial
from mindtrack_inference.engines import Precision

TARGET = 4.0
RECORDINGS = 4
#: How far fp32 probabilities may be from the tutorial's, and how far those of a lower precision.
TOLERANCE, REDUCED = 1e-4, 0.02


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
        ours = np.array([probabilities(classifiers[precision], body) for body in bodies])
        differences[precision] = float(f"{np.abs(ours - theirs).max():.1e}")
        allowed = TOLERANCE if precision is Precision.FP32 else REDUCED
        require(
            differences[precision] <= allowed, f"{precision}: probabilities within {differences[precision]}"
        )

    def ours_at(precision: Precision) -> float:
        classifier = classifiers[precision]
        return rate(RECORDINGS, lambda: [probabilities(classifier, body) for body in bodies])

    rates = in_turns(
        {
            "ours": lambda _: ours_at(chosen),
            "theirs": lambda _: rate(RECORDINGS, lambda: [tutorial.analyze(body) for body in bodies]),
            "ours_fp32": lambda _: ours_at(Precision.FP32),
        },
        rounds=rounds,
    )
    plain = ratio(rates["ours_fp32"], rates["theirs"])
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
