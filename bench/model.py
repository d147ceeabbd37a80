"""The model on both sides: our classifier at each precision, and the checkpoint in transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from bench import corpus
from bench.sides import progress, rate
from mindtrack_inference import audio, windows
from mindtrack_inference.bundle import Bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.engines import Precision
from mindtrack_shared.bundles import SAMPLE_RATE, BundleError

_Stock: Any = import_module("transformers").Wav2Vec2ForSequenceClassification

#: For both sides: one per core of the machine that the targets were set for.
THREADS = 2
#: Logits, absolute: how closely fp32 must agree with torch.
TOLERANCE = 1e-4
MAX_SECONDS = 120.0


def use_threads() -> None:
    """Give torch as many threads as our engines get."""
    torch.set_num_threads(THREADS)


def load(bundle: Bundle, precision: Precision) -> Classifier:
    return Classifier.load(bundle, engine="openvino", precision=precision.value, threads=THREADS)


def available(bundle: Bundle) -> dict[Precision, Classifier]:
    """Load a bundle at every precision that this machine and the bundle offer."""
    found: dict[Precision, Classifier] = {}
    for precision in Precision:
        try:
            found[precision] = load(bundle, precision)
        except BundleError as error:
            progress(f"{precision} is not available: {error}")
    return found


def best(classifiers: dict[Precision, Classifier]) -> Precision:
    """Name the quickest of them, after a short trial in turns."""
    trial = np.resize(corpus.speech(5.0), (2, next(iter(classifiers.values())).bundle.window_samples))
    seen = {
        precision: max(rate(len(trial), partial(model.logits, trial)) for _ in range(3))
        for precision, model in classifiers.items()
    }
    return max(seen, key=lambda precision: seen[precision])


def probabilities(classifier: Classifier, recording: bytes) -> NDArray[np.float64]:
    """Recording to probabilities, every window of it scored: nothing is gated. (5,)"""
    cut = windowed(classifier.bundle, recording)
    answer: NDArray[np.float64] = classifier.score(cut).probabilities.mean(axis=0)
    return answer


def together(classifier: Classifier, recordings: Sequence[bytes]) -> NDArray[np.float64]:
    """Several recordings to probabilities, their windows side by side, as with a backlog. (n, 5)"""
    cuts = [windowed(classifier.bundle, recording) for recording in recordings]
    return np.array([part.mean(axis=0) for part in side_by_side(classifier, cuts)])


def side_by_side(classifier: Classifier, cuts: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
    """Score the windows (k, window_samples) of several recordings in one call. (k, 5) each"""
    scored: NDArray[np.float64] = classifier.score(np.concatenate(cuts)).probabilities  # (windows, 5)
    return np.split(scored, np.cumsum([len(cut) for cut in cuts])[:-1])


def windowed(bundle: Bundle, recording: bytes) -> NDArray[np.float32]:
    waveform = audio.decode(recording, max_seconds=MAX_SECONDS)
    return windows.split(waveform, window_samples=bundle.window_samples, hop_samples=bundle.hop_samples)[1]


def reference(bundle: Bundle) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return transformers' own module, one window at a time: (n, samples), unnormalised, to (n, labels)."""
    model = _Stock.from_pretrained(bundle.directory, dtype=torch.float32).eval()

    def logits(cut: NDArray[np.float32]) -> NDArray[np.float32]:
        wide = cut.astype(np.float64)
        scaled = (wide - wide.mean(axis=1, keepdims=True)) / np.sqrt(wide.var(axis=1, keepdims=True) + 1e-7)
        with torch.inference_mode():
            rows = [model(torch.from_numpy(row[None].astype(np.float32))).logits for row in scaled]
        answer: NDArray[np.float32] = torch.cat(rows).numpy()
        return answer

    return logits


def disagreement(classifier: Classifier) -> float:
    """How far our logits are from transformers' at most, on three windows of speech."""
    cut = np.stack([corpus.speech(classifier.bundle.window_samples / SAMPLE_RATE, at) for at in (0, 2, 4)])
    return float(np.abs(classifier.logits(cut) - reference(classifier.bundle)(cut)).max())


def gigaflop_per_window(bundle: Bundle) -> float:
    """Count multiplications and additions of matrices and convolutions, on shapes alone."""
    config: Any = _Stock.config_class.from_pretrained(bundle.directory)
    config._attn_implementation = "eager"  # noqa: SLF001 - the counter knows no fused attention on a CPU
    with torch.device("meta"):
        model = _Stock(config).eval()
        # Not inference_mode: it would hide the convolution's weight from a model without storage.
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, bundle.window_samples))
    return float(counter.get_total_flops()) / 1e9
