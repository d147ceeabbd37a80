"""Fundamental frequency: autocorrelation after Boersma (1993), steadied by the pitch around each frame.

Boersma, P. (1993). Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio
of a sampled sound. IFA Proceedings 17, 97-110. Thresholds and costs are the defaults of his program, Praat;
instead of his search for the cheapest path, a frame chooses again among its own candidates once the median of
its neighbours is known, which takes no loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from mindtrack_inference.biomarkers.frames import (
    RATE,
    REACH,
    Flags,
    Floats,
    Indices,
    batches,
    centers,
    cut,
    refine,
    stretches,
)

#: Hz. A deep voice in its modal register to an excited high one.
FLOOR, CEILING = 60.0, 500.0
#: Samples: three periods of the lowest pitch, 50 ms.
WINDOW = round(3 * RATE / FLOOR)
#: Samples.
MIN_LAG, MAX_LAG = int(RATE / CEILING), int(RATE / FLOOR)
#: Candidates kept per frame.
CANDIDATES = 6
#: Normalised autocorrelation from which a frame is voiced, and the share of the recording's peak below which
#: it takes more.
VOICING, SILENCE = 0.45, 0.03
#: What a candidate loses per octave below the ceiling, and per octave from its neighbours' median.
OCTAVE_COST, OCTAVE_JUMP_COST = 0.01, 0.35
#: Octaves. A frame farther from that median tells of a formant, not of a pitch.
MAX_JUMP = 1.0
#: Voiced frames around each that make its median: some 0.4 s.
NEIGHBOURS = 41
#: A voiced stretch shorter than this is a coincidence: 30 ms.
MIN_STRETCH = 3


@dataclass(frozen=True, slots=True)
class Pitch:
    """One value per 10 ms frame."""

    #: Hz; means nothing where a frame is not voiced. (frames,)
    hertz: Floats
    #: Normalised autocorrelation at one period, in [0, 1]. (frames,)
    strength: Floats
    #: (frames,)
    voiced: Flags


def track(voice: Floats, speaking: Flags) -> Pitch:
    """Follow the pitch of a voice (samples,) at 8 kHz; only frames of `speaking` (frames,) can be voiced."""
    middles = centers(voice.size)
    lags = np.ones((middles.size, CANDIDATES), np.float32)
    strengths = np.zeros((middles.size, CANDIDATES), np.float32)
    needed = np.zeros(middles.size, np.float32)
    for rows in batches(middles.size):
        frames = cut(voice, middles[rows], WINDOW)
        frames -= frames.mean(axis=1, keepdims=True)
        needed[rows] = _needed(frames)
        lags[rows], strengths[rows] = _candidates(_autocorrelation(frames))
    octaves = np.log2(RATE / lags)  # (frames, CANDIDATES)
    score = strengths + OCTAVE_COST * octaves
    chosen, near = _choose(score, octaves, speaking & (strengths.max(axis=1) > needed))
    hertz = np.take_along_axis(RATE / lags, chosen, axis=1)[:, 0]
    strength = np.take_along_axis(strengths, chosen, axis=1)[:, 0]
    return Pitch(hertz, strength, steady(near & (strength > needed)))


def _needed(frames: Floats) -> Floats:
    """Autocorrelation from which frames (frames, WINDOW) are voiced: the quieter, the more. (frames,)"""
    middle = frames[:, (WINDOW - MAX_LAG) // 2 : (WINDOW + MAX_LAG) // 2]
    peak = np.abs(middle).max(axis=1)  # of the recording's own, which is 1
    needed: Floats = VOICING + (2 - peak * (1 + VOICING) / SILENCE).clip(0, None)
    return needed


def _autocorrelation(frames: Floats) -> Floats:
    """Autocorrelation of the signal behind windowed frames, 1 at no lag. (frames, MAX_LAG + REACH + 2)"""
    lags = MAX_LAG + REACH + 2
    size = fft.next_fast_len(WINDOW + lags, real=True)
    spectrum = fft.rfft(frames * _HANN, size)
    power = spectrum.real**2 + spectrum.imag**2
    correlation: Floats = fft.irfft(power, size)[:, :lags]
    energy = correlation[:, :1]
    return correlation / np.where(energy > 0, energy, 1) / _HANN_CORRELATION


def _candidates(correlation: Floats) -> tuple[Floats, Floats]:
    """Lags and heights of each frame's highest peaks; lag 1 and height 0 where it has fewer.

    (frames, CANDIDATES) each.
    """
    around = correlation[:, MIN_LAG - 1 : MAX_LAG + 2]
    middle = around[:, 1:-1]  # (frames, lags)
    peak = (middle > around[:, :-2]) & (middle >= around[:, 2:]) & (middle > 0)
    heights = np.where(peak, middle, 0)
    best = np.argpartition(-heights, CANDIDATES, axis=1)[:, :CANDIDATES]
    found = np.take_along_axis(peak, best, axis=1)
    rows = np.repeat(np.arange(len(correlation)), CANDIDATES)[found.ravel()]
    lags, strengths = np.ones(best.shape, np.float32), np.zeros(best.shape, np.float32)
    lags[found], strengths[found] = refine(correlation[rows], best[found] + MIN_LAG)
    return lags, strengths.clip(0, 1)


def _choose(score: Floats, octaves: Floats, voiced: Flags) -> tuple[Indices, Flags]:
    """Choose among each frame's candidates in the light of its neighbours.

    Returns:
        The candidates' indices (frames, 1), and which voiced frames are close enough to the median (frames,).

    """
    chosen: Indices = score.argmax(axis=1)[:, None]
    near = voiced.copy()
    for _ in range(2 if voiced.any() else 0):  # the first round moves the medians of the second
        path = np.take_along_axis(octaves, chosen, axis=1)[voiced, 0]
        # Mirrored, because a last frame that is off must not be its own neighbour.
        around = sliding_window_view(np.pad(path, NEIGHBOURS // 2, mode="symmetric"), NEIGHBOURS)
        median = np.concatenate(
            [np.median(around[rows], axis=1, keepdims=True) for rows in batches(len(around))]
        )
        jump = np.abs(octaves[voiced] - median)  # (voiced frames, CANDIDATES)
        best = (score[voiced] - OCTAVE_JUMP_COST * jump).argmax(axis=1)[:, None]
        chosen[voiced] = best
        near[voiced] = np.take_along_axis(jump, best, axis=1)[:, 0] < MAX_JUMP
    return chosen, near


def steady(voiced: Flags) -> Flags:
    """Drop voiced stretches that are too short to be a voice."""
    lasting = voiced.copy()
    for start, stop in stretches(voiced):
        lasting[start:stop] = stop - start >= MIN_STRETCH
    return lasting


def _window() -> tuple[Floats, Floats]:
    """Hann window (WINDOW,) and its normalised autocorrelation (MAX_LAG + REACH + 2,)."""
    window = np.hanning(WINDOW + 2)[1:-1]
    power = np.abs(np.fft.rfft(window, 2 * WINDOW)) ** 2
    correlation = np.fft.irfft(power)[: MAX_LAG + REACH + 2]
    return window.astype(np.float32), (correlation / correlation[0]).astype(np.float32)


_HANN, _HANN_CORRELATION = _window()
