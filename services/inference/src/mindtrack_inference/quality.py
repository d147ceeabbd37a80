"""Is a recording good enough to say something about the voice in it? Measured first, then judged.

A model answers for silence, too, and its answer would look like any other. So what holds no voice, or too
little of it, is refused before it gets there, with the number that fell short and the one it takes.

What each number withstands was tried on telephone prompts and synthesised voices, through resampling and
lossy codecs. The thresholds are settings, and their descriptions say where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.audio import SAMPLE_RATE, Waveform
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.domain.quality import Quality

#: Samples: 20 ms, shorter than most phones.
FRAME_SAMPLES = SAMPLE_RATE // 50
#: dB relative to a full-scale square wave: what digital silence is said to have, below 16 bits' 96 dB.
LEVEL_FLOOR = -120.0
#: Per cent of frames that may be quieter than the level we report: five in a hundred must carry sound.
LEVEL_PERCENTILE = 95.0
#: Per cent of frames below the noise's level. Speech has dips between and within words that show what lies
#: beneath it, so no pause is needed (minimum statistics, Martin 2001).
NOISE_PERCENTILE = 5.0
#: dB. No noise estimate is good enough to tell speech further below it.
SNR_FLOOR = -20.0
#: Clipped is what stays this close (2 dB) to the extremes for this many samples. Equal samples, the
#: textbook's sign, do not outlive a resampler or a lossy codec; this does. Of clean speech up to 1 % lies on
#: such plateaus, after 12 dB of clipping 10 %.
PLATEAU_SHARE, PLATEAU_SAMPLES = 0.8, 3
#: Per cent of samples that may exceed the extremes: a click or a resampler's overshoot is not the plateau.
EXTREME_PERCENTILE = 99.9
#: Samples: 32 ms, bins of 31.25 Hz.
SPECTRUM_SAMPLES = 512
#: Share of the energy that a bandwidth holds.
BAND_SHARE = 0.99


def measure(waveform: Waveform, speech: NDArray[np.intp]) -> Quality:
    """Measure a waveform, given its stretches of speech (n, 2) as `speech.detect` finds them.

    Every number is finite; those that need speech are None without it.
    """
    spoken = np.zeros(waveform.size, np.bool_)  # (samples,)
    for first, end in speech.tolist():
        spoken[first:end] = True
    speech_samples = int(np.count_nonzero(spoken))
    return Quality(
        speech_seconds=speech_samples / SAMPLE_RATE,
        speech_ratio=speech_samples / max(waveform.size, 1),
        snr_db=_snr_db(waveform, spoken),
        clipping_ratio=_clipping_ratio(waveform),
        level_dbfs=_level_dbfs(waveform),
        bandwidth_hz=_bandwidth_hz(waveform, spoken),
        dc_offset=float(waveform.mean(dtype=np.float64)) if waveform.size else 0.0,
    )


class _Demand(NamedTuple):
    """One number and what it is held against."""

    code: RejectionCode
    #: None where it could not be measured: nothing is held against that.
    measured: float | None
    needed: float
    #: Whether `needed` is the most that is allowed, not the least.
    is_limit: bool = False

    @property
    def is_met(self) -> bool:
        if self.measured is None:
            return True
        return self.measured <= self.needed if self.is_limit else self.measured >= self.needed


def check(quality: Quality, thresholds: QualitySettings, *, seconds: float, window_seconds: float) -> None:
    """Let a recording of so many seconds pass if it fills a window and is good enough.

    The first demand that is not met decides; each makes sense only once those before it are met: length,
    level, offset, speech, its share, distortion, noise, bandwidth.

    Raises:
        RecordingRejectedError: with the code, what was measured and needed, and the quality.

    """
    for demand in _demands(quality, thresholds, seconds, window_seconds):
        if not demand.is_met:
            raise RecordingRejectedError(
                demand.code, _detail(demand), demand.measured, demand.needed, quality
            )


def _demands(
    quality: Quality, thresholds: QualitySettings, seconds: float, window_seconds: float
) -> Iterator[_Demand]:
    yield _Demand(RejectionCode.TOO_SHORT, seconds, window_seconds)
    yield _Demand(RejectionCode.TOO_QUIET, quality.level_dbfs, thresholds.min_level_dbfs)
    yield _Demand(RejectionCode.OFFSET, abs(quality.dc_offset), thresholds.max_dc_offset, is_limit=True)
    yield _Demand(RejectionCode.TOO_LITTLE_SPEECH, quality.speech_seconds, thresholds.min_speech_seconds)
    yield _Demand(RejectionCode.MOSTLY_SILENCE, quality.speech_ratio, thresholds.min_speech_ratio)
    yield _Demand(
        RejectionCode.DISTORTED, quality.clipping_ratio, thresholds.max_clipping_ratio, is_limit=True
    )
    yield _Demand(RejectionCode.TOO_NOISY, quality.snr_db, thresholds.min_snr_db)
    yield _Demand(RejectionCode.MUFFLED, quality.bandwidth_hz, thresholds.min_bandwidth_hz)


def _detail(demand: _Demand) -> str:
    bound = "at most" if demand.is_limit else "at least"
    return f"measured {demand.measured:.4g} {demand.code.unit}, needed {bound} {demand.needed:g}"


def _snr_db(waveform: Waveform, spoken: NDArray[np.bool_]) -> float | None:
    """Power of the speech alone over that of the quietest frames, dB."""
    frames = _frames(waveform, FRAME_SAMPLES)  # (frames, FRAME_SAMPLES)
    inside = _frames(spoken, FRAME_SAMPLES).all(axis=1)  # (frames,)
    if not inside.any():
        return None
    power = frames.var(axis=1, dtype=np.float64) + 10 ** (LEVEL_FLOOR / 10)
    noise = float(np.percentile(power, NOISE_PERCENTILE))
    speech = float(power[inside].mean()) - noise
    return 10 * float(np.log10(max(speech / noise, 10 ** (SNR_FLOOR / 10))))


def _clipping_ratio(waveform: Waveform) -> float:
    """Share of samples on plateaus at the extremes."""
    magnitude = np.abs(waveform)
    extreme = np.percentile(magnitude, EXTREME_PERCENTILE) if waveform.size else 0.0
    if not extreme:
        return 0.0
    edges = np.flatnonzero(np.diff(magnitude >= PLATEAU_SHARE * extreme, prepend=False, append=False))
    lengths = np.diff(edges.reshape(-1, 2))  # (plateaus, 1)
    return float(lengths[lengths >= PLATEAU_SAMPLES].sum()) / waveform.size


def _level_dbfs(waveform: Waveform) -> float:
    """Level of the loudest frames, dB relative to a full-scale square wave.

    A percentile of short frames instead of the whole recording's RMS: pauses do not lower it, and the click
    of a microphone switched on does not raise it. Each frame's mean is taken out: an offset is no sound.
    """
    frames = _frames(waveform, FRAME_SAMPLES)  # (frames, FRAME_SAMPLES)
    if not len(frames):
        return LEVEL_FLOOR
    rms = float(np.percentile(frames.std(axis=1, dtype=np.float64), LEVEL_PERCENTILE))
    return max(LEVEL_FLOOR, 20 * float(np.log10(max(rms, 1e-12))))


def _bandwidth_hz(waveform: Waveform, spoken: NDArray[np.bool_]) -> float | None:
    """Frequency below which the energy lies while somebody speaks, Hz.

    Differentiated first, as speech falls by some 6 dB per octave: the number tells where the recording's band
    ends, not the voice's slope. Telephone speech has 3.2 to 3.8 kHz.
    """
    inside = _frames(spoken, SPECTRUM_SAMPLES).all(axis=1)  # (frames,)
    frames = _frames(np.diff(waveform, prepend=np.float32(0)), SPECTRUM_SAMPLES)[inside]
    spectra = np.fft.rfft(frames * np.hanning(SPECTRUM_SAMPLES))  # (frames, bins)
    energy = np.cumsum(np.square(np.abs(spectra)).sum(axis=0))  # (bins,)
    if not energy[-1] > 0:
        return None
    last = int(np.searchsorted(energy, BAND_SHARE * energy[-1]))
    return last * SAMPLE_RATE / SPECTRUM_SAMPLES


_Scalar = TypeVar("_Scalar", bound=np.generic)


def _frames(values: NDArray[_Scalar], length: int) -> NDArray[_Scalar]:
    """Whole frames that do not overlap. (frames, length)"""
    count = values.size // length
    return values[: count * length].reshape(count, length)
