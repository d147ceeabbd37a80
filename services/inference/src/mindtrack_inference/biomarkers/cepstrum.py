"""Cepstral peak prominence, smoothed: how far the harmonics stand out of a voice's spectrum.

Hillenbrand, J., Cleveland, R. A., Erickson, R. L. (1994). Acoustic correlates of breathy vocal quality.
JSHR 37, 769-778; smoothing over time and quefrency after Hillenbrand and Houde (1996), JSHR 39, 311-321.
Measured in voiced frames only, or it would be one more measure of pauses.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from mindtrack_inference.biomarkers.frames import RATE, Flags, Floats, batches, centers, cut, parabola
from mindtrack_inference.biomarkers.pitch import FLOOR

#: Samples: 51 ms.
WINDOW = 408
#: Points of the transform; quefrencies are samples.
SIZE = 512
#: Hz. A peak is looked for between them, as Praat's "Get CPPS" proposes.
LOWEST, HIGHEST = FLOOR, 333.3
#: Samples: quefrencies from 1 ms to one period of the lowest pitch, over which the straight line is fitted.
FIT_FROM, FIT_TO = RATE // 1000, int(RATE / LOWEST)
#: Frames (30 ms) and quefrencies (0.875 ms) averaged.
SMOOTH_FRAMES, SMOOTH_QUEFRENCIES = 3, 7
#: Power below which a spectrum's line is nothing but rounding.
_TINY = 1e-12


def prominence_db(voice: Floats, frames: Flags) -> float | None:
    """Mean over the `frames` (frames,) of a voice (samples,) at 8 kHz; None without any."""
    wanted = np.flatnonzero(frames)
    if not wanted.size:
        return None
    middles = centers(voice.size)
    total = 0.0
    for rows in batches(wanted.size):
        around = wanted[rows, None] + np.arange(SMOOTH_FRAMES) - SMOOTH_FRAMES // 2
        needed, place = np.unique(around.clip(0, middles.size - 1), return_inverse=True)
        cepstra = _cepstra(cut(voice, middles[needed], WINDOW))[place.reshape(around.shape)].mean(axis=1)
        total += float(_prominence(cepstra).sum(dtype=np.float64))
    return total / wanted.size


def _cepstra(frames: Floats) -> Floats:
    """Power cepstra up to the quefrencies needed. (frames, quefrencies)"""
    spectrum = fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * _WINDOW, SIZE)
    power = spectrum.real**2 + spectrum.imag**2
    cepstrum: Floats = fft.irfft(np.log(power + _TINY), SIZE)[:, : FIT_TO + SMOOTH_QUEFRENCIES]
    return cepstrum**2


def _prominence(cepstra: Floats) -> Floats:
    """Height of the peak over the line fitted to each cepstrum, dB. (frames,)"""
    half = SMOOTH_QUEFRENCIES // 2
    total = np.cumsum(cepstra, axis=1, dtype=np.float64)
    smooth = total[:, FIT_FROM + half : FIT_TO + half + 1] - total[:, FIT_FROM - half - 1 : FIT_TO - half]
    level = 10 * np.log10(smooth / SMOOTH_QUEFRENCIES + _TINY)  # (frames, FIT_TO - FIT_FROM + 1)
    quefrency = np.arange(level.shape[1], dtype=np.float64)
    slope = (level @ (quefrency - quefrency.mean())) / np.square(quefrency - quefrency.mean()).sum()
    first = int(RATE / HIGHEST) - FIT_FROM
    peak = level[:, first:-1].argmax(axis=1) + first
    shift, height = parabola(*np.take_along_axis(level, peak[:, None] + np.arange(-1, 2), axis=1).T)
    line = level.mean(axis=1) + slope * (peak + shift - quefrency.mean())
    prominence: Floats = height - line
    return prominence


_WINDOW = np.hanning(WINDOW + 2)[1:-1].astype(np.float32)
