"""The best precision of this machine beside float32, on windows of 5 s; and whether int8 still agrees.

Speed is that of a wav2vec2-base. Agreement is shown on the packaged demo bundle, whose weights mean
something, where it carries an int8 variant.
"""

from __future__ import annotations

import sys
from statistics import median

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from bench import bundles, corpus
from bench.model import THREADS, TOLERANCE, available, best, disagreement, use_threads
from bench.outcome import Host, report, require
from bench.sides import in_turns, rate, ratio, rounds_wanted
from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.engines import Precision
from mindtrack_shared.bundles import SAMPLE_RATE

#: For a CPU with avx512_vnni.
TARGET = 2.8
WINDOWS = 4
AGREEMENT_WINDOWS = 500
#: Share of windows with the same likeliest label, and how far a probability may move.
SAME_LABEL, MOVED = 0.99, 0.02
_SEED = 4


def hard_windows(samples: int) -> NDArray[np.float32]:
    """Speech at all levels in all noise; one in ten is noise alone, one in fifty silent. (n, samples)"""
    rng = np.random.default_rng(_SEED)
    cut = np.empty((AGREEMENT_WINDOWS, samples), np.float32)
    for row in range(len(cut)):
        voice = corpus.speech(samples / SAMPLE_RATE, rng.uniform(0, 10))
        level = 0.0 if row % 10 == 0 else 10 ** rng.uniform(-1.5, 0)
        hiss = 0.0 if row % 50 == 0 else 10 ** rng.uniform(-4, -1.5)
        cut[row] = level * voice + hiss * rng.standard_normal(samples)
    return cut


def agreement() -> dict[str, JsonValue]:
    """Compare int8 with float32 on the demo bundle.

    Raises:
        SystemExit: they disagree.

    """
    classifiers = available(load_bundle("demo-synthetic"))
    if Precision.INT8 not in classifiers:
        return {"demo_carries_int8": False}
    cut = hard_windows(classifiers[Precision.FP32].bundle.window_samples)
    plain, reduced = (
        classifiers[precision].score(cut).probabilities for precision in (Precision.FP32, Precision.INT8)
    )
    same = float((plain.argmax(axis=1) == reduced.argmax(axis=1)).mean())
    moved = float(np.abs(plain - reduced).max())
    require(
        same >= SAME_LABEL and moved <= MOVED,
        f"int8 names the same label in {same:.1%} of {len(cut)} windows and moves by {moved:.3f}",
    )
    return {"demo_carries_int8": True, "same_label": round(same, 4), "largest_move": round(moved, 4)}


def main() -> int:
    rounds = rounds_wanted(__doc__)
    use_threads()
    classifiers = available(bundles.base())
    difference = disagreement(classifiers[Precision.FP32])
    require(difference <= TOLERANCE, f"float32 logits within {difference:.1e} of transformers'")
    agrees = agreement()
    chosen = best(classifiers)
    cut = np.stack([corpus.speech(bundles.WINDOW, offset) for offset in range(WINDOWS)])

    def measured(precision: Precision) -> float:
        return rate(WINDOWS, lambda: classifiers[precision].logits(cut))

    # Each side once: where float32 is the best, it meets itself, and the ratio is the bench's own error.
    rates = in_turns(
        {"best": lambda _: measured(chosen), "fp32": lambda _: measured(Precision.FP32)}, rounds=rounds
    )
    report(
        "precision",
        ratio(rates["best"], rates["fp32"]),
        TARGET,
        ours=f"{chosen}, windows/s",
        theirs="fp32, windows/s",
        rounds=rounds,
        threads=THREADS,
        details={
            "cpu_has_vnni": "avx512_vnni" in Host.here().flags,
            "precision": chosen,
            "available": [str(precision) for precision in classifiers],
            "windows_per_second": {name: round(median(values), 3) for name, values in rates.items()},
            **agrees,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
