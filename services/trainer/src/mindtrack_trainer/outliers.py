"""Sounds that no emotion fits: what a model must be able to say nothing about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.sound import Samples

#: From seconds and a generator to sound in [-1, 1].
Source = Callable[[float, np.random.Generator], Samples]

_KEYS = [(low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477, 1633)]  # Hz, ITU-T Q.23
_SCALE = np.array([0, 2, 4, 5, 7, 9, 11])  # semitones of a major scale
BABBLE_VOICES = 6
#: Decibels: the voice in front over the voices behind.
BABBLE_SNR = -5.0


def silence(seconds: float, rng: np.random.Generator) -> Samples:
    """A quiet microphone: hiss between -90 and -65 dB below full scale."""
    return _unit(_coloured(seconds, rng, rng.uniform(0, 0.5))) * _gain(rng.uniform(-90, -65))


def white_noise(seconds: float, rng: np.random.Generator) -> Samples:
    return _unit(_coloured(seconds, rng, 0.0)) * _gain(rng.uniform(-40, -12))


def pink_noise(seconds: float, rng: np.random.Generator) -> Samples:
    return _unit(_coloured(seconds, rng, 0.5)) * _gain(rng.uniform(-40, -12))


def machine(seconds: float, rng: np.random.Generator) -> Samples:
    """A fan or an engine: low noise, and a hum with its harmonics."""
    time, hum = _time(seconds), rng.uniform(25, 130)
    tones = sum(np.sin(2 * np.pi * hum * n * time + rng.uniform(0, 6)) / n for n in range(1, 12))
    noise = _unit(_coloured(seconds, rng, 1.0))
    return _unit(_unit(tones) * rng.uniform(0.2, 1) + noise) * _gain(rng.uniform(-35, -12))


def tone(seconds: float, rng: np.random.Generator) -> Samples:
    """One steady tone, or one that is keyed on and off."""
    time = _time(seconds)
    wave = np.sin(2 * np.pi * 10 ** rng.uniform(2.0, 3.6) * time)
    if rng.random() < 0.5:  # noqa: PLR2004 - a coin
        wave *= (time * rng.uniform(0.5, 4)) % 1 < rng.uniform(0.3, 0.7)
    return _unit(wave) * _gain(rng.uniform(-35, -9))


def chirp(seconds: float, rng: np.random.Generator) -> Samples:
    """A tone that sweeps up and down, as sirens do."""
    time = _time(seconds)
    pitch = 10 ** rng.uniform(2.3, 3.2) * 2 ** (
        rng.uniform(0.2, 1) * np.sin(2 * np.pi * rng.uniform(0.1, 2) * time)
    )
    return _unit(np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)) * _gain(rng.uniform(-35, -9))


def dtmf(seconds: float, rng: np.random.Generator) -> Samples:
    """Telephone keys, 60 to 150 ms each."""
    notes: list[NDArray[np.float64]] = []
    while sum(map(len, notes)) < seconds * SAMPLE_RATE:
        time, (low, high) = _time(rng.uniform(0.06, 0.15)), _KEYS[rng.integers(len(_KEYS))]
        notes += [np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)]
        notes += [np.zeros(round(rng.uniform(0.04, 0.2) * SAMPLE_RATE))]
    return _unit(_cut(notes, seconds)) * _gain(rng.uniform(-30, -9))


def music(seconds: float, rng: np.random.Generator) -> Samples:
    """A plucked melody over chords in a random key."""
    length, root = round(seconds * SAMPLE_RATE), rng.uniform(110, 260)
    beat = rng.uniform(0.18, 0.5)
    mix = np.zeros(length + 4 * SAMPLE_RATE)
    for start in np.arange(0, seconds, beat):
        degree = int(rng.integers(14))
        voices = [degree, degree + 2, degree + 4] if rng.random() < 0.4 else [degree]  # noqa: PLR2004
        for step in voices:
            note = _pluck(root * 2 ** ((_SCALE[step % 7] + 12 * (step // 7)) / 12), beat, rng)
            first = round(start * SAMPLE_RATE)
            mix[first : first + len(note)] += note
    return _unit(mix[:length]) * _gain(rng.uniform(-30, -12))


def drums(seconds: float, rng: np.random.Generator) -> Samples:
    """Bursts of filtered noise on a beat."""
    length, beat = round(seconds * SAMPLE_RATE), rng.uniform(0.12, 0.4)
    mix = np.zeros(length + SAMPLE_RATE)
    for start in np.arange(0, seconds, beat):
        if rng.random() < 0.8:  # noqa: PLR2004 - some beats rest
            low = 10 ** rng.uniform(1.8, 3.3)
            band = butter(2, (low, min(7_500.0, low * 3)), "bandpass", fs=SAMPLE_RATE, output="sos")
            hit = rng.standard_normal(SAMPLE_RATE // 4) * np.exp(-_time(0.25) * rng.uniform(15, 60))
            first = round(start * SAMPLE_RATE)
            mix[first : first + len(hit)] += sosfilt(band, hit)
    return _unit(mix[:length]) * _gain(rng.uniform(-30, -12))


def babble(voices: Sequence[Samples], rng: np.random.Generator, snr: float = BABBLE_SNR) -> Samples:
    """The first voice with all others talking over it, `snr` decibels apart."""
    front, behind = _unit(voices[0]), _unit(np.sum([_unit(voice) for voice in voices[1:]], axis=0))
    return _unit(front * _gain(snr) + behind) * _gain(rng.uniform(-30, -15))


#: What the model learns to say nothing about, and is tested with.
SOURCES: Mapping[str, Source] = {
    "silence": silence,
    "white noise": white_noise,
    "pink noise": pink_noise,
    "machine": machine,
    "tone": tone,
    "dtmf": dtmf,
    "music": music,
}
#: Kinds it never hears in training.
UNHEARD_SOURCES: Mapping[str, Source] = {"chirp": chirp, "drums": drums}


def _time(seconds: float) -> NDArray[np.float64]:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _cut(parts: list[NDArray[np.float64]], seconds: float) -> NDArray[np.float64]:
    return np.concatenate(parts)[: round(seconds * SAMPLE_RATE)]


def _coloured(seconds: float, rng: np.random.Generator, colour: float) -> NDArray[np.float64]:
    """Noise whose amplitude falls with frequency to the power of `colour`: 0 white, 0.5 pink, 1 brown."""
    white = rng.standard_normal(round(seconds * SAMPLE_RATE))
    frequency = np.maximum(np.fft.rfftfreq(len(white), 1 / SAMPLE_RATE), 20.0)
    noise: NDArray[np.float64] = np.fft.irfft(np.fft.rfft(white) * frequency**-colour, n=len(white))
    return noise


def _pluck(pitch: float, beat: float, rng: np.random.Generator) -> NDArray[np.float64]:
    time = _time(beat * rng.uniform(1, 3))
    partials = [np.sin(2 * np.pi * pitch * n * time) * rng.uniform(0.5, 1) / n**1.2 for n in range(1, 8)]
    note: NDArray[np.float64] = np.sum(partials, axis=0) * np.exp(-time * rng.uniform(2, 8))
    return note


def _unit(wave: NDArray[np.floating] | float) -> Samples:
    """The same at an RMS of one."""
    values = np.asarray(wave, dtype=np.float64)
    unit: Samples = (values / max(float(np.sqrt(np.mean(values**2))), 1e-12)).astype(np.float32)
    return unit


def _gain(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))
