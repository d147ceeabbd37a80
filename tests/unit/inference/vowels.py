"""Vowels with a known pitch, jitter, shimmer and noise: pulses sent through resonances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Hz.
RATE = 16_000
#: Centre and bandwidth of the formants of [a], Hz: Peterson and Barney's men.
FORMANTS = ((730.0, 80.0), (1090.0, 90.0), (2440.0, 120.0))
#: Hz. Every biomarker but the clock's listens below it.
BAND = 4_000.0


@dataclass(frozen=True)
class Vowel:
    """What a vowel is made of; `jitter` and `shimmer` are mean differences of neighbours over the mean."""

    hertz: float = 120.0
    seconds: float = 2.0
    jitter: float = 0.0
    shimmer: float = 0.0
    #: dB, of harmonics over noise below BAND; None for no noise.
    hnr: float | None = None
    seed: int = 0

    def waveform(self) -> NDArray[np.float32]:
        """(samples,) float32, its peak at 0.5."""
        rng = np.random.default_rng(self.seed)
        count = int(self.seconds * self.hertz * 1.5) + 2
        periods = disturbed(count, self.jitter, rng) / self.hertz
        times = np.cumsum(periods)
        times = times[times < self.seconds]
        samples = resonate(times, disturbed(times.size, self.shimmer, rng), round(self.seconds * RATE))
        if self.hnr is not None:
            samples = samples + _noise(samples, self.hnr, rng)
        return np.asarray(samples * (0.5 / np.abs(samples).max()), np.float32)


def disturbed(count: int, difference: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Values around 1 of which neighbours differ by `difference` in the mean. (count,)

    Two uniform values within ±w differ by 2w / 3 in the mean.
    """
    return 1 + 1.5 * difference * rng.uniform(-1, 1, count)


def resonate(
    times: NDArray[np.float64], amplitudes: NDArray[np.float64] | Sequence[float], samples: int
) -> NDArray[np.float64]:
    """Glottal pulses at any times in seconds through FORMANTS, band-limited. (samples,)"""
    size = 2 * samples
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    train = _impulses(times, np.asarray(amplitudes), size)
    spectrum = np.fft.rfft(train)
    z = np.exp(-2j * np.pi * frequency / RATE)
    for hertz, width in FORMANTS:
        pole = np.exp((-np.pi * width + 2j * np.pi * hertz) / RATE)
        spectrum /= (1 - pole * z) * (1 - np.conj(pole) * z)
    spectrum *= (1 - z) / (1 - 0.96 * z) ** 2  # radiation over a glottal flow of -12 dB per octave
    return np.asarray(np.fft.irfft(spectrum, size)[:samples], np.float64)


def _impulses(times: NDArray[np.float64], amplitudes: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Band-limited impulses: one between two samples is spread over those around it. (size,)"""
    reach = np.arange(-32, 33)
    middles = np.round(times * RATE).astype(np.intp)
    places = middles[:, None] + reach
    distance = places - times[:, None] * RATE
    weights = np.sinc(distance) * np.cos(np.pi * distance / 66) ** 2 * amplitudes[:, None]
    train = np.zeros(size)
    inside = (places >= 0) & (places < size)
    np.add.at(train, places[inside], weights[inside])
    return train


def _noise(samples: NDArray[np.float64], hnr: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """White noise of which as much lies below BAND as `hnr` leaves."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    share = power[np.fft.rfftfreq(samples.size, 1 / RATE) < BAND].sum() / power.sum()
    energy = np.mean(samples**2) * share * (RATE / 2 / BAND) / 10 ** (hnr / 10)
    return rng.normal(0, np.sqrt(energy), samples.size)
