"""One recording to one analysis: preprocess, forward, postprocess."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.classifier import Classifier
from mindtrack_inference.errors import AbandonedError
from mindtrack_inference.preparation import ModelInput, Prepared, prepare, terms_of
from mindtrack_inference.settings import QualitySettings
from mindtrack_inference.windows import cut
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.analysis import Analysis, IndeterminateReason, Provenance, WindowScore
from mindtrack_shared.domain.calibration import CalibratedScores
from mindtrack_shared.domain.emotions import Probabilities

#: Windows scored before the caller is asked whether to go on: about 1.5 s of wav2vec2-base on two cores,
#: well below any lease.
WINDOWS_PER_BATCH = 8
#: Share of a model's answer that may go to labels without a meaning for us. Above, what is left and scaled up
#: to one says less than what was left out. A convention: nothing has been fitted.
MAX_UNMAPPED = 0.4


class Analyzer:
    """Analyses recordings with one classifier. Serves one thread at a time.

    `max_seconds` is how long a recording may be, and `thresholds` how good it must be.
    """

    def __init__(self, classifier: Classifier, *, max_seconds: float, thresholds: QualitySettings) -> None:
        self._classifier = classifier
        #: What a recording must be like, and how it is cut.
        self.terms = terms_of(classifier.bundle.manifest, max_seconds=max_seconds, thresholds=thresholds)

    @property
    def batch(self) -> int:
        """Windows per call of `score` that serve the device best."""
        return self._classifier.batch

    @property
    def provenance(self) -> Provenance:
        """Which model it is, on what."""
        return self._classifier.provenance

    def analyze(
        self,
        recording: bytes,
        *,
        prompt_ended_seconds: float | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Analysis:
        """Decode, gate, score and measure a recording.

        `prompt_ended_seconds` is when the question that it answers ended, counted from its start.
        `should_stop` is asked before every batch of windows: who lost the right to the job saves the work.

        Raises:
            RecordingRejectedError: the recording is at fault.
            AbandonedError: `should_stop` said so.
            ModelOutputError: the model is at fault.

        """
        started = time.perf_counter()
        inputs = self.preprocess(recording, prompt_ended_seconds=prompt_ended_seconds)
        scores = self._forward(inputs, should_stop)
        return self.conclude(inputs.prepared(), scores, processing_seconds=time.perf_counter() - started)

    def preprocess(self, recording: bytes, *, prompt_ended_seconds: float | None = None) -> ModelInput:
        """Decode a recording, refuse what cannot be analysed, and say what of it is worth scoring.

        Raises:
            RecordingRejectedError: the recording is at fault.

        """
        return prepare(recording, self.terms, prompt_ended_seconds=prompt_ended_seconds)

    def score(self, windows: NDArray[np.float32]) -> CalibratedScores:
        """Score windows (n, window_samples).

        Raises:
            ModelOutputError: the model is at fault.

        """
        return self._classifier.score(windows)

    def conclude(
        self, prepared: Prepared, scores: Sequence[CalibratedScores], *, processing_seconds: float
    ) -> Analysis:
        """Put together what was measured and what the model said of all windows, batch by batch in order."""
        whole, timeline = self.postprocess(prepared.starts, _joined(scores))
        return Analysis(
            probabilities=whole.probabilities,
            unmapped_mass=whole.unmapped_mass,
            uncertainty=whole.uncertainty,
            indeterminate_reason=whole.indeterminate_reason,
            windows=timeline,
            quality=prepared.quality,
            biomarkers=prepared.biomarkers,
            audio_seconds=prepared.audio_seconds,
            processing_seconds=processing_seconds,
            provenance=self._classifier.provenance,
        )

    def _forward(self, inputs: ModelInput, should_stop: Callable[[], bool]) -> list[CalibratedScores]:
        batches: list[CalibratedScores] = []
        starts = inputs.starts
        for first in range(0, len(starts), WINDOWS_PER_BATCH):
            if should_stop():
                raise AbandonedError(f"stopped after {first} of {len(starts)} windows")
            batch = starts[first : first + WINDOWS_PER_BATCH]
            batches.append(self.score(cut(inputs.waveform, batch, window_samples=inputs.window_samples)))
        return batches

    def postprocess(
        self, starts: NDArray[np.intp], scores: CalibratedScores
    ) -> tuple[WindowScore, tuple[WindowScore, ...]]:
        """Lay the scores of n windows out in time, and pool them by their mean.

        Returns the whole recording's score, and those of its windows.
        """
        ends = starts + self._classifier.bundle.window_samples  # (n,)
        timeline = tuple(self._window_scores(starts, ends, scores))
        pooled = CalibratedScores(
            probabilities=scores.probabilities.mean(axis=0, keepdims=True),  # (1, 5)
            unmapped=scores.unmapped.mean(keepdims=True),  # (1,)
            uncertainty=scores.uncertainty.mean(keepdims=True),  # (1,)
        )
        (whole,) = self._window_scores(starts[:1], ends[-1:], pooled)
        return whole, timeline

    def _window_scores(
        self, starts: NDArray[np.intp], ends: NDArray[np.intp], scores: CalibratedScores
    ) -> Iterator[WindowScore]:
        threshold = self._classifier.bundle.manifest.abstention_threshold
        columns = (starts, ends, scores.probabilities, scores.unmapped, scores.uncertainty)
        for start, end, row, unmapped, uncertainty in zip(*(c.tolist() for c in columns), strict=True):
            yield WindowScore(
                start_seconds=start / SAMPLE_RATE,
                end_seconds=end / SAMPLE_RATE,
                probabilities=Probabilities.from_sequence(row),
                unmapped_mass=unmapped,
                uncertainty=uncertainty,
                indeterminate_reason=_reason(unmapped, uncertainty, threshold),
            )


def _joined(batches: Sequence[CalibratedScores]) -> CalibratedScores:
    return CalibratedScores(
        probabilities=np.concatenate([batch.probabilities for batch in batches]),
        unmapped=np.concatenate([batch.unmapped for batch in batches]),
        uncertainty=np.concatenate([batch.uncertainty for batch in batches]),
    )


def _reason(unmapped: float, uncertainty: float, threshold: float | None) -> IndeterminateReason | None:
    """Why a score says nothing, if it does not. What was left out is asked first: it makes the rest moot."""
    if unmapped > MAX_UNMAPPED:
        return IndeterminateReason.UNMAPPED
    if threshold is not None and uncertainty > threshold:
        return IndeterminateReason.UNCERTAIN
    return None
