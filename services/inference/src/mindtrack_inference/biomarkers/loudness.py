"""Level over time: how far it ranges, and the syllables that are its peaks."""

from __future__ import annotations

import numpy as np

from mindtrack_inference.biomarkers.frames import HOP, Flags, Floats, Indices, powers

#: Samples: 5 ms, on which levels are measured.
STEP = HOP // 2
#: Steps averaged: 65 ms, about what Praat's intensity sees with its pitch floor of 50 Hz.
SMOOTH = 13
#: dB. A syllable rises by as much out of the dip before it: de Jong, N. H., Wempe, T. (2009). Praat script to
#: detect syllable nuclei and measure speech rate automatically. Behavior Research Methods 41, 385-390. And it
#: lies no farther below the loudest ones, as in the script's revision of 2010 (Quené, Persoon, de Jong).
DIP, DEPTH = 2.0, 25.0
#: Percentiles: the loudest level that is no click, and the range of energy.
LOUDEST = 99.0
LOW, HIGH = 5.0, 95.0
#: Level of silence, dB below the recording's peak.
FLOOR = -100.0


def levels(voice: Floats) -> Floats:
    """Level around every 5 ms of a voice (samples,) at 8 kHz, dB. (steps,)"""
    steps = voice.size // STEP
    if steps < SMOOTH:
        return np.full(steps, FLOOR, np.float32)
    power = powers(voice, STEP)
    window = np.hanning(SMOOTH + 2)[1:-1]
    smooth = np.convolve(power, window / window.sum(), mode="same").clip(10 ** (FLOOR / 10), None)
    return np.asarray(10 * np.log10(smooth), np.float32)


def middles(steps: int) -> Indices:
    """Middle sample of each step. (steps,)"""
    return np.arange(steps, dtype=np.intp) * STEP + STEP // 2


def range_db(level: Floats, speaking: Flags) -> float | None:
    """Between the 5th and the 95th percentile of the steps that are speech."""
    if not speaking.any():
        return None
    low, high = np.percentile(level[speaking], [LOW, HIGH])
    return float(high - low)


def syllables(level: Floats, voiced: Flags) -> int:
    """Count the voiced peaks of a level (steps,)."""
    if not voiced.any():
        return 0
    lowest = np.percentile(level[voiced], LOUDEST) - DEPTH
    peaks = _peaks(level)
    return int((voiced[peaks] & (level[peaks] >= lowest)).sum())


def _peaks(level: Floats) -> Indices:
    """Find maxima that rise by DIP out of the dip before and fall by as much into the dip after.

    The first needs no dip before it, the last none after: a recording may begin and end within speech.
    """
    turns = np.flatnonzero(np.diff(np.sign(np.diff(level)), prepend=0, append=0))
    peaks: list[int] = []
    rising, top, at, dip = True, -np.inf, 0, np.inf
    for index, value in zip(turns.tolist(), level[turns].tolist(), strict=True):
        if rising and value > top:
            top, at = value, index
        elif rising and value <= top - DIP:
            peaks.append(at)
            rising, dip = False, value
        elif not rising and value >= dip + DIP:
            rising, top, at = True, value, index
        elif not rising:
            dip = min(dip, value)
    return np.array([*peaks, at] if rising else peaks, np.intp)
