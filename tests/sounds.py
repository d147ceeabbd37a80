"""Recordings that are not as they should be, made from one that is."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples import SAMPLES

FULL = 32_767  # of 16 bits
RATE = 16_000  # Hz


def speech() -> NDArray[np.float64]:
    with wave.open(str(SAMPLES / "day-1.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / FULL


def quiet() -> NDArray[np.float64]:
    """As of a microphone that is far away: heard, and hardly."""
    return speech() * 0.004


def loud() -> NDArray[np.float64]:
    """As of a microphone that is too close: cut off."""
    return np.clip(speech() * 60, -1, 1)


def noisy() -> NDArray[np.float64]:
    """As beside a fan that is as loud as the voice."""
    voice = speech()
    noise = np.random.default_rng(0).normal(scale=np.sqrt(np.mean(voice**2)), size=voice.size)
    return np.clip(voice + noise, -1, 1)


def write(path: Path, samples: NDArray[np.float64]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * FULL).astype("<i2").tobytes())
    return path
