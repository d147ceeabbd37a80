"""What each espeak-ng variant calls neutral, and how to even it out.

Left alone, variants differ in tempo, F0 and spectral balance by more than emotions do: the balance of low to
high frequencies spans 20 dB. A rule in percent of neutral means nothing to a listener who has to guess
the neutral. So every voice is measured once, saying the same sentences, and brought to a common neutral;
speakers then get deviations of their own (`voices`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import welch

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.espeak import EspeakSettings, speak
from mindtrack_trainer.sound import Samples, resample
from mindtrack_trainer.voicing import tilt_gain

_TEXT = (
    "Yesterday my neighbour walked to the old station, while we waited near the garden.",
    "On Monday the teacher looked at the green picture, and later they cleaned the kitchen table.",
)
#: About the medians over all variants: seconds for the text, semitones, and decibels below over above 1 kHz.
_SECONDS, _SPREAD, _BALANCE = 8.0, 1.6, 7.0
#: Hertz: the medians of low and of high voices, and what divides them.
_LOW, _HIGH, _DIVIDE = 103.0, 205.0, 160.0
_STEEPEST = 8.0  # decibels per octave; more would lift noise, or leave nothing
_STRETCH = (0.5, 2.0)  # of the F0 range


@dataclass(frozen=True, slots=True)
class Neutral:
    """What brings a voice to the common neutral."""

    tempo: float  # factor to its rate
    f0_mean: float  # factor to its F0
    f0_range: float  # factor to its range
    tilt: float  # decibels per octave above 500 Hz


@functools.cache
def measure(voice: str) -> Neutral:
    """Measure a voice, named as in `EspeakSettings`."""
    settings = EspeakSettings(voice, rate=175, pitch=50, pitch_range=50, volume=60, word_gap=0)
    spoken = [speak(text, settings) for text in _TEXT]
    samples = np.concatenate([resample(part, rate, SAMPLE_RATE) for part, rate in spoken])
    sound = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    f0 = _f0(samples)
    centre, spread = float(np.median(f0)), float(np.std(12 * np.log2(f0)))
    return Neutral(
        tempo=float(sound[-1] - sound[0]) / SAMPLE_RATE / _SECONDS,
        f0_mean=(_LOW if centre < _DIVIDE else _HIGH) / centre,
        f0_range=float(np.clip(_SPREAD / max(spread, 0.1), *_STRETCH)),
        tilt=_levelling(samples),
    )


def _levelling(samples: Samples) -> float:
    """The tilt after which the balance is the common one."""
    frequency, power = welch(samples, SAMPLE_RATE, nperseg=1024)  # (bins,) hertz

    def excess(slope: float) -> float:
        tilted = power * tilt_gain(frequency, slope) ** 2
        low = tilted[(frequency > 100) & (frequency < 1_000)].sum()  # noqa: PLR2004 - hertz
        high = tilted[(frequency >= 1_000) & (frequency < 4_000)].sum()  # noqa: PLR2004 - hertz
        return float(10 * np.log10(low / high)) - _BALANCE

    if excess(-_STEEPEST) * excess(_STEEPEST) > 0:
        return _STEEPEST if excess(0.0) > 0 else -_STEEPEST
    return float(brentq(excess, -_STEEPEST, _STEEPEST, xtol=0.01))


def _f0(samples: Samples) -> NDArray[np.float64]:
    """F0 of every clearly voiced 40 ms, from the highest peak of the autocorrelation; (frames,) hertz."""
    size = SAMPLE_RATE // 25
    frames = sliding_window_view(samples, size)[:: size // 2] * np.hanning(size)  # (frames, size)
    spectrum = np.fft.rfft(frames, 4 * size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)  # (frames, 4 * size)
    low, high = SAMPLE_RATE // 450, SAMPLE_RATE // 60
    lags = low + correlation[:, low:high].argmax(axis=1)
    peak = np.take_along_axis(correlation, lags[:, np.newaxis], axis=1)[:, 0]
    loud = correlation[:, 0] > 0.05 * np.percentile(correlation[:, 0], 95)
    f0 = SAMPLE_RATE / lags[loud & (peak > 0.4 * correlation[:, 0])]
    centre = np.median(f0)
    kept: NDArray[np.float64] = f0[np.abs(np.log2(f0 / centre)) < 0.6]  # noqa: PLR2004 - octave errors
    return kept
