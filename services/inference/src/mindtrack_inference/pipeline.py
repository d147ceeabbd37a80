"""One recording to one analysis: preprocess, forward, postprocess."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference import audio, quality, windows
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.errors import AbandonedError
from mindtrack_shared.domain.analysis import Analysis, WindowScore
from mindtrack_shared.domain.emotions import Probabilities

#: Windows scored before the caller is asked whether to go on: about 1.5 s of wav2vec2-base on two cores,
#: well below any lease.
WINDOWS_PER_BATCH = 8


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What preprocessing hands to the model."""

    #: Length of the whole recording, seconds.
    audio_seconds: float
    #: First sample of each window. (n,)
    starts: NDArray[np.intp]
    #: (n, window_samples)
    windows: NDArray[np.float32]


class Analyzer:
    """Analyses recordings with one classifier. Serves one thread at a time."""

    def __init__(self, classifier: Classifier, *, max_seconds: float) -> None:
        self._classifier = classifier
        self._max_seconds = max_seconds

    def analyze(self, recording: bytes, *, should_stop: Callable[[], bool] = lambda: False) -> Analysis:
        """Decode, gate and score a recording.

        `should_stop` is asked before every batch of windows: who lost the right to the job saves the work.

        Raises:
            RecordingRejectedError: the recording is at fault.
            AbandonedError: `should_stop` said so.
            ModelOutputError: the model is at fault.

        """
        started = time.perf_counter()
        inputs = self.preprocess(recording)
        probabilities = self._forward(inputs.windows, should_stop)
        pooled, scores = self.postprocess(inputs.starts, probabilities)
        return Analysis(
            probabilities=pooled,
            windows=scores,
            audio_seconds=inputs.audio_seconds,
            processing_seconds=time.perf_counter() - started,
            provenance=self._classifier.provenance,
        )

    def preprocess(self, recording: bytes) -> ModelInput:
        """Decode a recording, refuse what cannot be scored, and cut the rest into windows.

        Raises:
            RecordingRejectedError: the recording is at fault.

        """
        bundle = self._classifier.bundle
        waveform = audio.decode(recording, max_seconds=self._max_seconds)  # (samples,)
        quality.check(waveform, window_samples=bundle.window_samples)
        starts, cut = windows.split(
            waveform, window_samples=bundle.window_samples, hop_samples=bundle.hop_samples
        )
        return ModelInput(waveform.size / audio.SAMPLE_RATE, starts, cut)

    def _forward(
        self, cut: NDArray[np.float32], should_stop: Callable[[], bool]
    ) -> NDArray[np.float64]:  # (n, 5)
        batches = []
        for first in range(0, len(cut), WINDOWS_PER_BATCH):
            if should_stop():
                raise AbandonedError(f"stopped after {first} of {len(cut)} windows")
            batches.append(self._classifier.probabilities(cut[first : first + WINDOWS_PER_BATCH]))
        return np.concatenate(batches)

    def postprocess(
        self, starts: NDArray[np.intp], probabilities: NDArray[np.float64]
    ) -> tuple[Probabilities, tuple[WindowScore, ...]]:
        """Pool window probabilities (n, 5) by their mean, and lay them out in time."""
        length = self._classifier.bundle.window_samples
        scores = tuple(
            WindowScore(
                start_seconds=start / audio.SAMPLE_RATE,
                end_seconds=(start + length) / audio.SAMPLE_RATE,
                probabilities=Probabilities.from_sequence(row),
            )
            for start, row in zip(starts.tolist(), probabilities.tolist(), strict=True)
        )
        return Probabilities.from_sequence(probabilities.mean(axis=0).tolist()), scores
