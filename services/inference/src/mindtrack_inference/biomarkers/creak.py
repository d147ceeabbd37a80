"""Creaky voice (vocal fry): lone, irregular glottal pulses that resemble each other.

After Ishi, C. T., Sakakibara, K.-I., Ishiguro, H., Hagita, N. (2008). A method for automatic detection of
vocal fry. IEEE Transactions on Audio, Speech, and Language Processing 16(1), 47-56: peaks of very short-term
power, of which the surroundings are not periodic, but of which one looks like the next. A pitch below the
modal register counts as well: Hollien, H., Michel, J. F. (1968). Vocal fry as a phonational register.
JSHR 11, 600-604.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from mindtrack_inference.biomarkers.frames import (
    HOP,
    RATE,
    Flags,
    Floats,
    Indices,
    batches,
    blocks,
    centers,
    cut,
    powers,
)
from mindtrack_inference.biomarkers.pitch import Pitch

#: Hz. Below, a voice creaks however regular it is.
LOWEST_MODAL = 70.0
#: Hz. Where single pulses show: above hum, below most noise.
BAND = (100.0, 1500.0)
#: Samples: power over 4 ms, every 2 ms.
STEP = RATE // 500
#: Steps on each side of a pulse, 10 ms, within which power falls by so many dB.
AROUND, FALL = 5, 7.0
#: dB. A pulse lies no farther below the recording's loudest.
DEPTH = 40.0
#: Samples: 32 ms, in which a pulse's surroundings are periodic if they repeat after 2 to 15 ms.
WINDOW, MIN_LAG, MAX_LAG = RATE * 32 // 1000, RATE * 2 // 1000, RATE * 15 // 1000
#: Normalised autocorrelation above which they are.
MAX_PERIODICITY = 0.5
#: Correlation of the 12 ms around a pulse with those around the next, moved by up to 2.5 ms.
MIN_SIMILARITY, PULSE, SHIFT = 0.5, RATE * 12 // 1000, RATE // 400
#: Samples: 10 to 100 ms from one creaky pulse to the next.
NEAREST, FARTHEST = RATE // 100, RATE // 10
#: Taps of the band-pass filter.
_TAPS = 161


def detect(voice: Floats, pitch: Pitch, speaking: Flags) -> Flags:
    """Say which frames (frames,) of a voice (samples,) at 8 kHz creak."""
    low = _filtered(voice)
    pulses = _pulses(low)
    pulses = pulses[_periodicity(low, pulses) < MAX_PERIODICITY]
    gaps = np.diff(pulses)
    linked = (gaps >= NEAREST) & (gaps <= FARTHEST) & (_similarity(low, pulses) >= MIN_SIMILARITY)
    middles = centers(voice.size)
    irregular = _between(middles, pulses[:-1][linked] - HOP // 2, pulses[1:][linked] + HOP // 2)
    return speaking & (irregular | (pitch.voiced & (pitch.hertz < LOWEST_MODAL)))


def _filtered(voice: Floats) -> Floats:
    """Band of the pulses. (samples,)"""
    reach = _TAPS // 2
    low = np.empty(voice.size, np.float32)
    for block in blocks(voice.size):
        before = min(block.start, reach)
        around = np.pad(voice[block.start - before : block.stop + reach], (reach - before, reach))
        low[block] = np.convolve(around, _BAND_PASS, mode="valid")[: block.stop - block.start]
    return low


def _between(positions: Indices, starts: Indices, stops: Indices) -> Flags:
    """Whether each position lies in one of the ascending, perhaps overlapping stretches."""
    return np.searchsorted(starts, positions, side="right") > np.searchsorted(stops, positions, side="right")


def _pulses(low: Floats) -> Indices:
    """Samples around which very short-term power peaks. (pulses,)"""
    steps = low.size // STEP
    if steps <= 2 * AROUND + 1:
        return np.empty(0, np.intp)
    power = powers(low, STEP)
    level = 10 * np.log10(power[1:] + power[:-1] + 1e-12)  # (steps - 1,), around the end of each first half
    runs = sliding_window_view(level, AROUND + 1)
    lowest = runs.min(axis=1)
    before, after = lowest[:-AROUND], lowest[AROUND:]
    middle = level[AROUND:-AROUND]
    found = middle == sliding_window_view(level, 3).max(axis=1)[AROUND - 1 : 1 - AROUND]
    found &= (middle - np.maximum(before, after) >= FALL) & (middle >= level.max() - DEPTH)
    return (np.flatnonzero(found) + AROUND + 1) * STEP


def _periodicity(low: Floats, pulses: Indices) -> Floats:
    """Autocorrelation around each pulse at its best lag, or at that lag's worst multiple. (pulses,)

    A formant repeats, too, but at twice the lag it has died away; a period has not.
    """
    periodicity = np.zeros(pulses.size, np.float32)
    lags = np.arange(MAX_LAG + 1)
    size = fft.next_fast_len(WINDOW + MAX_LAG + 1, real=True)
    for rows in batches(pulses.size):
        spectrum = fft.rfft(cut(low, pulses[rows], WINDOW), size)
        correlation = fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[:, : MAX_LAG + 1]
        energy = correlation[:, :1]
        correlation = correlation / np.where(energy > 0, energy, 1) * (WINDOW / (WINDOW - lags))
        best = correlation[:, MIN_LAG:].argmax(axis=1) + MIN_LAG
        multiples = best[:, None] * np.arange(1, MAX_LAG // MIN_LAG + 1)
        heights = np.take_along_axis(correlation, np.minimum(multiples, MAX_LAG), axis=1)
        periodicity[rows] = np.where(multiples <= MAX_LAG, heights, np.inf).min(axis=1)
    return periodicity


def _similarity(low: Floats, pulses: Indices) -> Floats:
    """Correlation of each pulse with the next, moved to where they fit best. (pulses - 1,)"""
    similarity = np.zeros(max(pulses.size - 1, 0), np.float32)
    for rows in batches(similarity.size):
        one = cut(low, pulses[:-1][rows], PULSE)  # (rows, PULSE)
        other = cut(low, pulses[1:][rows], PULSE + 2 * SHIFT)
        others = sliding_window_view(other, PULSE, axis=1)  # (rows, 2 * SHIFT + 1, PULSE)
        product = np.einsum("rsp,rp->rs", others, one)
        energy = np.einsum("rsp,rsp->rs", others, others) * np.square(one).sum(axis=1, keepdims=True)
        similarity[rows] = (product / np.sqrt(np.where(energy > 0, energy, 1))).max(axis=1)
    return similarity


def _band_pass() -> Floats:
    """Windowed-sinc filter. (_TAPS,)"""
    time = np.arange(_TAPS) - _TAPS // 2
    low, high = (2 * edge / RATE * np.sinc(2 * edge / RATE * time) for edge in BAND)
    return np.asarray((high - low) * np.hamming(_TAPS), np.float32)


_BAND_PASS = _band_pass()
