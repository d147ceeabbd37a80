"""Short frames of a voice: where they lie, how to cut them, and how to find a peak between two samples.

Biomarkers listen below 4 kHz only. That is what every phone, codec and telephone line carries, so a change
of device changes the voice's numbers as little as it can; it also halves the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mindtrack_inference.audio import Waveform, joined
from mindtrack_shared.bundles import SAMPLE_RATE

#: float32 where there is much of it.
Floats: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.intp]

#: Hz.
RATE = 8_000
#: Samples from frame to frame: 10 ms.
HOP = RATE // 100
#: Rows worked on at once: they stay in the processor's cache, and five minutes need no more memory than ten
#: seconds.
BATCH = 256
#: Samples of a signal worked on at once, a minute or two: of an hour, no second copy is needed.
BLOCK = 12_800 * HOP
#: Samples on each side of a peak that take part in band-limited interpolation.
REACH = 12
#: Positions between two samples that are tried before a parabola takes over.
_STEPS = 8


def voice(waveform: Waveform) -> Floats:
    """Return what lies below 4 kHz, at 8 kHz, without offset, its peak at 1, so that no level matters."""
    offset = waveform.mean()
    resampler = soxr.ResampleStream(SAMPLE_RATE, RATE, num_channels=1, dtype="float32", quality="HQ")
    parts = (resampler.resample_chunk(waveform[block] - offset) for block in blocks(waveform.size))
    rest = (resampler.resample_chunk(np.empty(0, np.float32), last=True) for _ in range(1))
    narrow = joined(chain(parts, rest))  # (samples / 2,)
    peak = max(float(narrow.max(initial=0.0)), -float(narrow.min(initial=0.0)))
    if peak > 0:
        narrow /= np.float32(peak)
    return narrow


def centers(samples: int) -> Indices:
    """Middle sample of each frame. (frames,)"""
    return np.arange(HOP // 2, samples, HOP, dtype=np.intp)


def within(positions: Indices, speech: Indices) -> Flags:
    """Whether positions lie in one of the ascending stretches (n, 2)."""
    last = np.searchsorted(speech[:, 0], positions, side="right") - 1
    inside: Flags = (last >= 0) & (positions < speech[np.maximum(last, 0), 1])
    return inside


def cut(signal: Floats, middles: Indices, length: int) -> Floats:
    """Copy `length` samples around ascending middles; beyond the ends is silence. (middles, length)"""
    if not middles.size:
        return np.empty((0, length), signal.dtype)
    starts = middles - length // 2
    inside = slice(*np.searchsorted(starts, [0, signal.size - length + 1]).tolist())
    frames = np.zeros((middles.size, length), signal.dtype)
    if inside.start < inside.stop:
        frames[inside] = sliding_window_view(signal, length)[starts[inside]]
    for row in (*range(inside.start), *range(max(inside.start, inside.stop), middles.size)):
        first = int(starts[row])
        near = signal[max(first, 0) : max(first + length, 0)]
        frames[row, max(-first, 0) :][: near.size] = near
    return frames


def blocks(samples: int) -> Iterator[slice]:
    """Stretches of a signal that are worked on at once, whole steps and frames but for the end."""
    for start in range(0, samples, BLOCK):
        yield slice(start, min(start + BLOCK, samples))


def batches(rows: int) -> Iterator[slice]:
    for start in range(0, rows, BATCH):
        yield slice(start, min(start + BATCH, rows))


def powers(signal: Floats, step: int) -> Floats:
    """Mean square of each whole step, which divides HOP. (steps,)"""
    steps = signal.size // step
    power = np.empty(steps, signal.dtype)
    for block in blocks(steps * step):
        squares = np.square(signal[block]).reshape(-1, step)
        power[block.start // step : block.stop // step] = squares.mean(axis=1)
    return power


def stretches(flags: Flags) -> Indices:
    """First index and one past the last of every run of true. (runs, 2)"""
    edges = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)], axis=1)


def parabola(left: Floats, middle: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Return how far from the middle point, in steps, and how high a parabola through three has its top."""
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1), 0).clip(-1, 1)
    return shift, middle - (left - right) * shift / 4


def refine(rows: Floats, peaks: Indices) -> tuple[Floats, Floats]:
    """Interpolate around one sampled peak per row as the band-limited signal it is a sample of.

    A parabola through three samples of a correlation misjudges its height, hence the noise in a clear voice.

    Args:
        rows: (rows, lags).
        peaks: index of a local maximum in each row, at least REACH from both ends. (rows,)

    Returns:
        Positions in samples and heights. (rows,) each.

    """
    near = np.take_along_axis(rows, peaks[:, None] + np.arange(-REACH, REACH + 1), axis=1)
    fine = near @ _SINC  # (rows, 2 * _STEPS + 1)
    best = fine[:, 1:-1].argmax(axis=1) + 1
    picked = np.take_along_axis(fine, best[:, None] + np.arange(-1, 2), axis=1)  # (rows, 3)
    shift, height = parabola(*picked.T)
    return (peaks + (best - _STEPS + shift) / _STEPS).astype(np.float32), height


def _sinc() -> Floats:
    """Weights of the samples around a peak for positions from -1 to 1. (2 * REACH + 1, 2 * _STEPS + 1)"""
    distance = np.arange(-REACH, REACH + 1)[:, None] - np.linspace(-1, 1, 2 * _STEPS + 1)
    taper = np.cos(np.pi * distance / (2 * REACH + 4)) ** 2
    return np.asarray(np.sinc(distance) * taper, np.float32)


_SINC = _sinc()
