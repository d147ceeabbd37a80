"""How much one glottal period differs from the next: jitter and shimmer, by waveform matching.

Definitions as in Praat and the Multi-Dimensional Voice Program, see Boersma, P. (2009). Should jitter be
measured by peak picking or by waveform matching? Folia Phoniatrica et Logopaedica 61, 305-308.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import fft

from mindtrack_inference.biomarkers.frames import (
    HOP,
    RATE,
    REACH,
    Flags,
    Floats,
    Indices,
    batches,
    blocks,
    cut,
    parabola,
    refine,
    stretches,
)
from mindtrack_inference.biomarkers.pitch import MAX_LAG, Pitch

#: Shares of the expected period between which the next pulse is looked for.
NEAREST, FARTHEST = 0.8, 1.25
#: Ratio of neighbours beyond which two periods, or two amplitudes, tell of a slip and not of a voice.
MAX_PERIOD_FACTOR, MAX_AMPLITUDE_FACTOR = 1.3, 1.6
#: Correlation of a period with the next below which the two do not match.
MIN_MATCH = 0.3
#: Share of the period on each side of a pulse in which its amplitude is measured.
AMPLITUDE_REACH = 0.2
#: Fewer pairs of periods make no average.
MIN_PAIRS = 10


class Perturbation(NamedTuple):
    #: Mean difference of neighbouring periods over the mean period.
    jitter: float | None
    #: Mean difference of neighbouring amplitudes over the mean amplitude.
    shimmer: float | None


def _step(period: float) -> int:
    """Samples to the farthest next pulse, with room for interpolation."""
    return int(FARTHEST * period) + REACH + 2


_MAX_STEP = _step(MAX_LAG)


def measure(voice: Floats, pitch: Pitch, modal: Flags) -> Perturbation:
    """Compare neighbouring periods of the frames that are `modal` (frames,): voiced and not creaky."""
    if not modal.any():
        return Perturbation(None, None)
    expected = _Expected(pitch, modal)
    pulses, consecutive = _pulses(voice, expected, modal)  # (pulses,), (pulses - 1,)
    periods = np.zeros(pulses.size, np.float32)
    amplitudes = np.zeros(pulses.size, np.float32)
    for rows in batches(pulses.size):
        lengths = expected.at(pulses[rows])
        periods[rows] = _periods(voice, pulses[rows], lengths)
        amplitudes[rows] = _amplitudes(voice, pulses[rows], lengths)
    # A walk's last pulse has nothing after it that its period could be matched with.
    matched = consecutive[:-1] & consecutive[1:]
    return Perturbation(
        _mean_difference(periods[:-1], matched, MAX_PERIOD_FACTOR),
        _mean_difference(amplitudes, consecutive, MAX_AMPLITUDE_FACTOR),
    )


class _Expected:
    """Period expected in the modal stretches, of which there must be one."""

    def __init__(self, pitch: Pitch, modal: Flags) -> None:
        frames = np.flatnonzero(modal)
        self._middles = (frames * HOP + HOP // 2).astype(np.float64)
        self._periods = (RATE / pitch.hertz[frames]).astype(np.float64)

    def at(self, positions: Indices) -> Floats:
        """Period around each sample, in samples. (positions,)"""
        return np.interp(positions, self._middles, self._periods).astype(np.float32)


def _pulses(voice: Floats, expected: _Expected, modal: Flags) -> tuple[Indices, Flags]:
    """One sample per period, at its peak, and whether the next in line is the next in time.

    Each stretch is walked from its highest peak, which is surely a pulse: a walk that begins on an overtone's
    peak stays on it.
    """
    sign = np.float32(1 if voice.max(initial=0) >= -voice.min(initial=0) else -1)
    pulses: list[int] = []
    walks: list[int] = []
    for group in _groups(stretches(modal) * HOP):
        peaks = _peaks(voice, sign, modal, group)
        heights, periods = sign * voice[peaks], expected.at(peaks)
        after = _following(peaks, heights, periods).tolist()
        before = (peaks.size - 1 - _following(-peaks[::-1], heights[::-1], periods[::-1])[::-1]).tolist()
        for start, stop in np.searchsorted(peaks, group).tolist():
            if start < stop:
                top = start + int(heights[start:stop].argmax())
                earlier = list(_walk(top, before, start, stop))[:0:-1]
                walk = [*earlier, *_walk(top, after, start, stop)]
                pulses += peaks[walk].tolist()
                walks += [int(peaks[start])] * len(walk)
    return np.array(pulses, np.intp), np.diff(walks) == 0


def _groups(modal: Indices) -> Iterator[Indices]:
    """Stretches of samples (n, 2), those at once that begin in the same block."""
    for block in blocks(int(modal[-1, 1])):
        first, last = np.searchsorted(modal[:, 0], [block.start, block.stop])
        if first < last:
            yield modal[first:last]


def _peaks(voice: Floats, sign: np.float32, modal: Flags, group: Indices) -> Indices:
    """Positive peaks of a group of stretches, and those near enough to be their neighbours. (peaks,)"""
    first = max(int(group[0, 0]) - _MAX_STEP, 1)
    stop = min(int(group[-1, 1]) + _MAX_STEP, modal.size * HOP, voice.size - 1)
    signal = sign * voice[first - 1 : stop + 1]
    middle = signal[1:-1]
    peaks = np.flatnonzero((middle > signal[:-2]) & (middle >= signal[2:]) & (middle > 0)) + first
    return peaks[modal[peaks // HOP]]


def _walk(at: int, steps: list[int], start: int, stop: int) -> Iterator[int]:
    while start <= at < stop:
        yield at
        at = steps[at]


def _following(positions: Indices, heights: Floats, periods: Floats) -> Indices:
    """Index of the highest peak about one period after each of ascending peaks; -1 where none is. (peaks,)"""
    following = np.full(positions.size, -1, np.intp)
    within = np.searchsorted(positions, positions + FARTHEST * periods, side="right")
    most = int((within - np.arange(positions.size)).max(initial=1))
    far = np.pad(positions, (0, most), constant_values=np.iinfo(np.intp).max // 2)
    high = np.pad(heights, (0, most))
    for rows in batches(positions.size):
        ahead = np.arange(rows.start, rows.stop)[:, None] + np.arange(1, most + 1)
        share = (far[ahead] - positions[rows, None]) / periods[rows, None]
        allowed = np.where((share >= NEAREST) & (share <= FARTHEST), high[ahead], 0)
        best = allowed.argmax(axis=1)
        found = allowed[np.arange(best.size), best] > 0
        following[rows] = np.where(found, ahead[:, 0] + best, -1)
    return following


def _periods(voice: Floats, pulses: Indices, expected: Floats) -> Floats:
    """Lag at which the period around each pulse looks most like what follows; 0 if nothing does. (pulses,)"""
    longest = float(expected.max())
    half, farthest = int(longest) // 2 + 1, _step(longest)
    size = fft.next_fast_len(2 * half + 1 + farthest, real=True)
    reach = (expected / 2).astype(np.intp)[:, None]
    period = cut(voice, pulses, 2 * half + 1)
    period[np.abs(np.arange(-half, half + 1)) > reach] = 0
    ahead = cut(voice, pulses - half + (2 * half + 1 + farthest) // 2, 2 * half + 1 + farthest)
    product = fft.irfft(np.conj(fft.rfft(period, size)) * fft.rfft(ahead, size), size)[:, :farthest]
    scale = np.sqrt(_energies(ahead, reach, half))
    scale *= scale[:, :1]
    likeness = product / np.where(scale > 0, scale, 1)  # (pulses, farthest)
    share = np.arange(farthest) / expected[:, None]
    allowed = (share >= NEAREST) & (share <= FARTHEST)
    allowed[:, :REACH] = allowed[:, -REACH:] = False
    lag, height = refine(
        likeness, np.where(allowed, likeness, -1).argmax(axis=1).clip(REACH, farthest - REACH - 1)
    )
    return np.where(height >= MIN_MATCH, lag, 0).astype(np.float32)


def _energies(ahead: Floats, reach: Indices, half: int) -> Floats:
    """Energy of what each period is compared with, at each lag. (pulses, lags)"""
    total = np.pad(np.cumsum(np.square(ahead), axis=1), ((0, 0), (1, 0)))
    lags = np.arange(ahead.shape[1] - 2 * half - 1) + half
    last = np.take_along_axis(total, lags + reach + 1, axis=1)
    energies: Floats = last - np.take_along_axis(total, lags - reach, axis=1)
    return energies.clip(0, None)


def _amplitudes(voice: Floats, pulses: Indices, expected: Floats) -> Floats:
    """Level around each pulse. (pulses,)"""
    half = int(AMPLITUDE_REACH * float(expected.max())) + 2
    near = cut(voice, pulses, 2 * half + 1)
    shift = parabola(*(np.abs(near[:, half - 1 : half + 2]).T))[0]
    share = (np.arange(-half, half + 1) - shift[:, None]) / (AMPLITUDE_REACH * expected[:, None])
    weight = np.where(np.abs(share) < 1, 1 + np.cos(np.pi * share), 0)
    return np.asarray(np.sqrt((weight * near**2).sum(axis=1) / weight.sum(axis=1)), np.float32)


def _mean_difference(values: Floats, consecutive: Flags, max_factor: float) -> float | None:
    """Mean absolute difference of neighbours over the mean of those that have one."""
    one, other = values[:-1][consecutive], values[1:][consecutive]
    low, high = np.minimum(one, other), np.maximum(one, other)
    alike = (low > 0) & (high <= max_factor * low)
    if alike.sum() < MIN_PAIRS:
        return None
    return float(
        (high - low)[alike].mean(dtype=np.float64) / ((high + low)[alike] / 2).mean(dtype=np.float64)
    )
