"""How near the float32 engine comes to what the machine can multiply.

Ours: GFLOP/s of windows of 5 s through a wav2vec2-base, counted on transformers' module. Theirs: torch.mm at
the best of several shapes, in the same round.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from bench import bundles, corpus
from bench.model import THREADS, TOLERANCE, disagreement, gigaflop_per_window, load, use_threads
from bench.outcome import report, require
from bench.sides import in_turns, rate, ratio, rounds_wanted
from mindtrack_inference.engines import Precision

TARGET = 0.90
#: Rows, columns and depth of products: the model's own for one to eight windows, and a square.
SHAPES = [*((249 * batch, 3072, 768) for batch in (1, 2, 4, 8)), (2048, 2048, 2048)]
#: Seconds of multiplying per shape and round, at about 100 GFLOP/s.
GIGAFLOP_PER_SHAPE = 60.0
WINDOWS = 4


def peak() -> float:
    """Return the most GFLOP/s that torch.mm reaches."""
    return max(_product(*shape) for shape in SHAPES)


def _product(rows: int, columns: int, depth: int) -> float:
    left, right = torch.randn(rows, depth), torch.randn(depth, columns)
    out = torch.empty(rows, columns)
    gigaflop = 2e-9 * rows * columns * depth
    times = max(1, round(GIGAFLOP_PER_SHAPE / gigaflop))

    def multiply() -> None:
        for _ in range(times):
            torch.mm(left, right, out=out)

    torch.mm(left, right, out=out)
    return rate(times * gigaflop, multiply)


def main() -> int:
    rounds = rounds_wanted(__doc__)
    use_threads()
    bundle = bundles.base()
    classifier = load(bundle, Precision.FP32)
    difference = disagreement(classifier)
    require(difference <= TOLERANCE, f"logits within {difference:.1e} of transformers'")
    gigaflop = gigaflop_per_window(bundle)
    cut = np.stack([corpus.speech(bundles.WINDOW, offset) for offset in range(WINDOWS)])
    rates = in_turns(
        {
            "ours": lambda _: rate(WINDOWS * gigaflop, lambda: classifier.logits(cut)),
            "peak": lambda _: peak(),
        },
        rounds=rounds,
    )
    report(
        "limit",
        ratio(rates["ours"], rates["peak"]),
        TARGET,
        ours="float32 engine, GFLOP/s",
        theirs="torch.mm peak, GFLOP/s",
        rounds=rounds,
        threads=THREADS,
        details={
            "gigaflop_per_window": round(gigaflop, 2),
            "ours_gigaflops": round(float(np.median(rates["ours"])), 1),
            "peak_gigaflops": round(float(np.median(rates["peak"])), 1),
            "windows_per_second": round(float(np.median(rates["ours"])) / gigaflop, 3),
            "logit_difference": float(f"{difference:.1e}"),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
