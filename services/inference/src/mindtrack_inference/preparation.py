"""One recording to windows that are worth scoring: decode, gate, measure, cut.

Knows neither model nor queue, so that it can run in a process of its own (`mindtrack_inference.cage`) and
in this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference import windows
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.domain.quality import Quality

if TYPE_CHECKING:
    from mindtrack_inference.audio import Waveform
    from mindtrack_shared.bundles import BundleManifest

#: Recordings with fewer hold next to nothing but silence: no accepted codec speaks at less than 594 (AMR at
#: 4.75 kbit/s), and a fifth of a recording must be speech. An hour of silence in FLAC has 3 to 60.
MIN_BYTES_PER_SECOND = 118
#: Windows handed over at once.
CHUNK_WINDOWS = 8


class LaneExceededError(Exception):
    """The recording is longer than its lane takes, and may be shorter than the service does."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it is longer than {seconds:g} s, the most that its lane takes")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Terms:
    """What a recording must be like, and how it is cut."""

    window_samples: int
    hop_samples: int
    #: The longest recording that the service takes.
    max_seconds: float
    thresholds: QualitySettings


def terms_of(manifest: BundleManifest, *, max_seconds: float, thresholds: QualitySettings) -> Terms:
    """Say what a recording must be like for a bundle, and how it is cut."""
    return Terms(
        window_samples=manifest.window_samples,
        hop_samples=manifest.hop_samples,
        max_seconds=max_seconds,
        thresholds=thresholds,
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recording that passed the gate, with windows that come while they are asked for."""

    quality: Quality
    biomarkers: Biomarkers
    audio_seconds: float
    #: First sample of each window that holds speech. (n,)
    starts: NDArray[np.intp]
    _chunks: Iterator[NDArray[np.float32]]

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the n windows, up to CHUNK_WINDOWS at once, and only once. (k, window_samples) each.

        Raises:
            RecordingRejectedError: the cage that they come from was lost.

        """
        return self._chunks


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What preprocessing found and hands to the model."""

    #: The whole recording. (samples,)
    waveform: Waveform
    #: First sample of each stretch of speech and one past its last. (m, 2)
    speech: NDArray[np.intp]
    quality: Quality
    biomarkers: Biomarkers
    #: First sample of each window that holds speech. (n,)
    starts: NDArray[np.intp]
    window_samples: int

    @property
    def audio_seconds(self) -> float:
        return self.waveform.size / SAMPLE_RATE

    @property
    def windows(self) -> NDArray[np.float32]:
        """All windows, copied. (n, window_samples)"""
        return windows.cut(self.waveform, self.starts, window_samples=self.window_samples)

    def prepared(self) -> Prepared:
        return Prepared(self.quality, self.biomarkers, self.audio_seconds, self.starts, self._chunks())

    def _chunks(self) -> Iterator[NDArray[np.float32]]:
        for first in range(0, len(self.starts), CHUNK_WINDOWS):
            starts = self.starts[first : first + CHUNK_WINDOWS]
            yield windows.cut(self.waveform, starts, window_samples=self.window_samples)


def prepare(
    recording: bytes | BinaryIO,
    terms: Terms,
    *,
    prompt_ended_seconds: float | None = None,
    lane_seconds: float | None = None,
) -> ModelInput:
    """Decode a recording, refuse what cannot be analysed, measure it and say where it is worth scoring.

    Args:
        recording: as it was uploaded; as a file, it must be seekable.
        terms: what it must be like.
        prompt_ended_seconds: when the question that it answers ended, counted from its start.
        lane_seconds: the longest recording that its lane takes, if that is less than the service does.

    Raises:
        RecordingRejectedError: the recording is at fault.
        LaneExceededError: its lane takes none so long; nothing was measured.

    """
    # They need FFmpeg and scipy, which take long to import; whoever talks to a cage never gets here.
    from mindtrack_inference import biomarkers, quality, speech  # noqa: PLC0415

    waveform = _decode(recording, terms.max_seconds, lane_seconds)  # (samples,)
    spoken = speech.detect(waveform)  # (m, 2)
    measured = quality.measure(waveform, spoken)
    quality.check(
        measured,
        terms.thresholds,
        seconds=waveform.size / SAMPLE_RATE,
        window_seconds=terms.window_samples / SAMPLE_RATE,
    )
    starts = windows.first_samples(
        waveform.size, window_samples=terms.window_samples, hop_samples=terms.hop_samples
    )
    heard = windows.with_speech(
        starts,
        spoken,
        window_samples=terms.window_samples,
        min_share=terms.thresholds.min_speech_ratio,
    )
    markers = biomarkers.measure(waveform, spoken, prompt_ended_seconds=prompt_ended_seconds)
    return ModelInput(waveform, spoken, measured, markers, starts[heard], terms.window_samples)


def _decode(recording: bytes | BinaryIO, max_seconds: float, lane_seconds: float | None) -> Waveform:
    from mindtrack_inference import audio  # noqa: PLC0415 - as above

    if lane_seconds is None or lane_seconds >= max_seconds:
        return audio.decode(recording, max_seconds=max_seconds)
    try:
        return audio.decode(recording, max_seconds=lane_seconds)
    except RecordingRejectedError as error:
        if error.code is RejectionCode.TOO_LONG:
            raise LaneExceededError(lane_seconds) from None
        raise
