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

from mindtrack_inference.audio import Waveform
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.bundles import SAMPLE_RATE
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
#: Samples worked on at once, 64 s: an hour takes no more memory than that. Whole frames of both lengths.
BLOCK_SAMPLES = 1_024_000


def measure(waveform: Waveform, speech: NDArray[np.intp]) -> Quality:
    """Measure a waveform, given its stretches of speech (n, 2) as `speech.detect` finds them.

    Every number is finite; those that need speech are None without it.
    """
    speech_samples = sum(int(np.count_nonzero(_spoken(speech, block))) for block in _blocks(waveform.size))
    power = _power(waveform)  # (frames,)
    return Quality(
        speech_seconds=speech_samples / SAMPLE_RATE,
        speech_ratio=speech_samples / max(waveform.size, 1),
        snr_db=_snr_db(power, _whole(speech, waveform.size, FRAME_SAMPLES)),
        clipping_ratio=_clipping_ratio(waveform),
        level_dbfs=_level_dbfs(power),
        bandwidth_hz=_bandwidth_hz(waveform, speech),
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


def _blocks(samples: int) -> Iterator[slice]:
    """Stretches of a recording that are worked on at once: whole frames, but for the last one's end."""
    for first in range(0, samples, BLOCK_SAMPLES):
        yield slice(first, min(first + BLOCK_SAMPLES, samples))


def _spoken(speech: NDArray[np.intp], block: slice) -> NDArray[np.bool_]:
    """Whether each sample of a block is speech. (samples of the block,)"""
    spoken = np.zeros(block.stop - block.start, np.bool_)
    for first, end in (speech - block.start).clip(0).tolist():
        spoken[first:end] = True
    return spoken


def _whole(speech: NDArray[np.intp], samples: int, length: int) -> NDArray[np.bool_]:
    """Which frames of `length` samples are speech from end to end. (frames,)"""
    inside = [_frames(_spoken(speech, block), length).all(axis=1) for block in _blocks(samples)]
    return np.concatenate([np.empty(0, np.bool_), *inside])


def _power(waveform: Waveform) -> NDArray[np.float64]:
    """Variance of each frame: its mean is no sound. (frames,)"""
    blocks = (_frames(waveform[block], FRAME_SAMPLES) for block in _blocks(waveform.size))
    return np.concatenate([np.empty(0), *(frames.var(axis=1, dtype=np.float64) for frames in blocks)])


def _snr_db(power: NDArray[np.float64], inside: NDArray[np.bool_]) -> float | None:
    """Power of the speech alone over that of the quietest frames, dB. Both arguments are (frames,)."""
    if not inside.any():
        return None
    power = power + 10 ** (LEVEL_FLOOR / 10)
    noise = float(np.percentile(power, NOISE_PERCENTILE))
    speech = float(power[inside].mean()) - noise
    return 10 * float(np.log10(max(speech / noise, 10 ** (SNR_FLOOR / 10))))


def _clipping_ratio(waveform: Waveform) -> float:
    """Share of samples on plateaus at the extremes."""
    extreme = _extreme(waveform)
    if not extreme:
        return 0.0
    reach = PLATEAU_SAMPLES - 1  # a plateau may begin in the block before, or end in the next
    clipped = 0
    for block in _blocks(waveform.size):
        before = min(block.start, reach)
        high = np.abs(waveform[block.start - before : block.stop + reach]) >= PLATEAU_SHARE * extreme
        if high.size >= PLATEAU_SAMPLES:
            plateaus = np.pad(_over_neighbours(np.logical_and, high), reach)
            inside = _over_neighbours(np.logical_or, plateaus)  # (high.size,)
            clipped += int(np.count_nonzero(inside[before:][: block.stop - block.start]))
    return clipped / waveform.size


def _over_neighbours(combine: np.ufunc, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Combine each flag with the PLATEAU_SAMPLES - 1 that follow it. (flags.size - PLATEAU_SAMPLES + 1,)"""
    count = flags.size - PLATEAU_SAMPLES + 1
    combined: NDArray[np.bool_] = combine.reduce([flags[shift:][:count] for shift in range(PLATEAU_SAMPLES)])
    return combined


def _extreme(waveform: Waveform) -> float:
    """Magnitude that EXTREME_PERCENTILE of the samples do not exceed, by `np.percentile`'s interpolation.

    Only the largest magnitudes are kept, as the percentile lies between two of them.
    """
    if not waveform.size:
        return 0.0
    position = (waveform.size - 1) * (EXTREME_PERCENTILE / 100)
    kept = waveform.size - int(position)
    largest = np.empty(0, np.float32)
    for block in _blocks(waveform.size):
        largest = np.concatenate([largest, np.abs(waveform[block])])
        largest = np.partition(largest, max(largest.size - kept, 0))[-kept:]
    low, high = np.sort(largest)[[0, min(1, kept - 1)]].tolist()
    return float(low + (high - low) * (position % 1))


def _level_dbfs(power: NDArray[np.float64]) -> float:
    """Level of the loudest frames (frames,), dB relative to a full-scale square wave.

    A percentile of short frames instead of the whole recording's RMS: pauses do not lower it, and the click
    of a microphone switched on does not raise it.
    """
    if not power.size:
        return LEVEL_FLOOR
    rms = float(np.percentile(np.sqrt(power), LEVEL_PERCENTILE))
    return max(LEVEL_FLOOR, 20 * float(np.log10(max(rms, 1e-12))))


def _bandwidth_hz(waveform: Waveform, speech: NDArray[np.intp]) -> float | None:
    """Frequency below which the energy lies while somebody speaks, Hz.

    Differentiated first, as speech falls by some 6 dB per octave: the number tells where the recording's band
    ends, not the voice's slope. Telephone speech has 3.2 to 3.8 kHz.
    """
    energy = np.zeros(SPECTRUM_SAMPLES // 2 + 1)  # (bins,)
    before = np.float32(0)
    for block in _blocks(waveform.size):
        inside = _frames(_spoken(speech, block), SPECTRUM_SAMPLES).all(axis=1)  # (frames,)
        change = np.diff(waveform[block], prepend=before)
        before = waveform[block.stop - 1]
        spectra = np.fft.rfft(_frames(change, SPECTRUM_SAMPLES)[inside] * np.hanning(SPECTRUM_SAMPLES))
        energy += np.square(np.abs(spectra)).sum(axis=0)
    total = np.cumsum(energy)  # (bins,)
    if not total[-1] > 0:
        return None
    last = int(np.searchsorted(total, BAND_SHARE * total[-1]))
    return last * SAMPLE_RATE / SPECTRUM_SAMPLES


_Scalar = TypeVar("_Scalar", bound=np.generic)


def _frames(values: NDArray[_Scalar], length: int) -> NDArray[_Scalar]:
    """Whole frames that do not overlap. (frames, length)"""
    count = values.size // length
    return values[: count * length].reshape(count, length)
