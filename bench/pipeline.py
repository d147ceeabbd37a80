"""Recordings of all lengths and codecs to probabilities, beside transformers.pipeline.

Of 200 clips, each round takes CLIPS, spread evenly over the lengths, which are lognormal with a median of
8 s and lie between one window (5 s: shorter recordings are refused by us) and 60 s. Ours decodes, cuts
windows and scores each of them, the overlap of the last included. Theirs gets the same bytes, one by one and
in batches of eight, of which the better counts; and once decoded arrays, so that the figure is not its
decoder's alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray

from bench import bundles, corpus
from bench.corpus import Clip
from bench.model import (
    MAX_SECONDS,
    THREADS,
    TOLERANCE,
    available,
    best,
    disagreement,
    probabilities,
    side_by_side,
    use_threads,
    windowed,
)
from bench.outcome import report, require
from bench.sides import in_turns, quickest, rate, ratio, rounds_wanted
from mindtrack_inference.audio import decode
from mindtrack_inference.bundle import Bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.engines import Precision

TARGET = 3.5
#: Fewer than elsewhere: one takes more than a minute.
ROUNDS = 7
CORPUS, CLIPS, BATCH = 200, 8, 8


def stock(bundle: Bundle) -> Any:  # noqa: ANN401 - transformers ships no usable types
    pipe: Any = transformers.pipeline("audio-classification", model=str(bundle.directory), device="cpu")
    labels = len(bundle.labels)

    def run(inputs: Sequence[Any], size: int) -> NDArray[np.float64]:
        """Probabilities of each input, in the order of the labels. (inputs, labels)"""
        answers = pipe(list(inputs), batch_size=size, top_k=labels)
        scores = [{found["label"]: found["score"] for found in answer} for answer in answers]
        return np.array([[row[label] for label in bundle.labels] for row in scores])

    return run


def invariance(classifier: Classifier, recordings: Sequence[bytes]) -> float:
    """How much our answer for a recording depends at most on what is scored beside it."""
    cuts = [windowed(classifier.bundle, recording) for recording in recordings]
    together = side_by_side(classifier, cuts)
    alone = [classifier.score(cut).probabilities for cut in cuts]
    return max(float(np.abs(one - other).max()) for one, other in zip(together, alone, strict=True))


def main() -> int:
    rounds = rounds_wanted(__doc__, ROUNDS)
    with TemporaryDirectory() as folder:
        corpus.ffmpeg(Path(folder))
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"  # where transformers looks for it
        return measure(rounds)


def measure(rounds: int) -> int:
    use_threads()
    bundle = bundles.base()
    pipe = stock(bundle)
    classifiers = available(bundle)
    chosen = best(classifiers)
    difference = disagreement(classifiers[Precision.FP32])
    require(difference <= TOLERANCE, f"logits within {difference:.1e} of transformers' on equal windows")
    equal = corpus.encoded(corpus.speech(bundles.WINDOW), "wav")
    gap = float(np.abs(pipe([equal], 1)[0] - probabilities(classifiers[Precision.FP32], equal)).max())
    require(gap <= TOLERANCE, f"one window's probabilities within {gap:.1e} of the pipeline's")
    every = corpus.clips(CORPUS, shortest=bundles.WINDOW)
    recordings = [clip.recording() for clip in corpus.stratum(every, 0, CLIPS)]
    ours_varies = invariance(classifiers[chosen], recordings)
    require(ours_varies <= TOLERANCE, f"our probabilities move by {ours_varies:.1e} with the batch")
    theirs_varies = float(np.abs(pipe(recordings, BATCH) - pipe(recordings, 1)).max())
    rates = in_turns(_sides(every, classifiers, chosen, pipe), rounds=rounds)
    theirs = {name: rates[name] for name in ("pipeline_1", "pipeline_8")}
    better = quickest(theirs)
    plain, decoded = (
        ratio(rates["ours_fp32"], theirs[better]),
        ratio(rates["ours"], rates["pipeline_decoded"]),
    )
    report(
        "pipeline",
        ratio(rates["ours"], theirs[better]),
        TARGET,
        ours=f"decode, window, score ({chosen}), clips/s",
        theirs=f"transformers.pipeline, batch {better.removeprefix('pipeline_')}, clips/s",
        rounds=rounds,
        threads=THREADS,
        details={
            "precision": chosen,
            "ratio_fp32": round(plain.median, 3),
            "ratio_fp32_low": round(plain.low, 3),
            "ratio_to_decoded_arrays": round(decoded.median, 3),
            "clips_per_second": {name: round(median(values), 3) for name, values in rates.items()},
            "corpus": f"{CORPUS} clips, {CLIPS} of them per round, evenly over lengths of 5 to 60 s",
            "logit_difference": float(f"{difference:.1e}"),
            "ours_moves_with_the_batch": float(f"{ours_varies:.1e}"),
            "theirs_moves_with_the_batch": float(f"{theirs_varies:.1e}"),
        },
    )
    return 0


def _sides(
    every: Sequence[Clip],
    classifiers: Mapping[Precision, Classifier],
    chosen: Precision,
    pipe: Any,  # noqa: ANN401
) -> dict[str, Any]:
    def bodies(number: int) -> list[bytes]:
        return [clip.recording() for clip in corpus.stratum(every, number, CLIPS)]

    def ours(number: int, precision: Precision) -> float:
        recordings, classifier = bodies(number), classifiers[precision]
        return rate(CLIPS, lambda: [probabilities(classifier, each) for each in recordings])

    def theirs(number: int, size: int) -> float:
        recordings = bodies(number)
        return rate(CLIPS, lambda: pipe(recordings, size))

    def arrays(number: int) -> float:
        waveforms = [decode(each, max_seconds=MAX_SECONDS) for each in bodies(number)]
        return rate(CLIPS, lambda: pipe(waveforms, 1))

    return {
        "ours": lambda number: ours(number, chosen),
        "pipeline_1": lambda number: theirs(number, 1),
        "ours_fp32": lambda number: ours(number, Precision.FP32),
        "pipeline_8": lambda number: theirs(number, BATCH),
        "pipeline_decoded": arrays,
    }


if __name__ == "__main__":
    sys.exit(main())
