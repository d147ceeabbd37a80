"""What espeak-ng cannot say: an unsteady voice, and vocal effort as it shapes the spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.sound import Samples

_STEP = SAMPLE_RATE // 100  # samples between two displacements: about one period of a low voice
_PIVOT = 500.0  # hertz; below it, the spectrum stays
_OCTAVES = 3.0  # the slope ends at 4 kHz, so that no band is lost or blown up


def shake(samples: Samples, jitter: float, rng: np.random.Generator) -> Samples:
    """Displace the F0 every 10 ms by up to `jitter` percent either way, evenly distributed.

    Time is bent, so formants move along by as much; the length stays.
    """
    knots = np.arange(0, len(samples) + _STEP, _STEP)
    speed = 1 + jitter / 100 * rng.uniform(-1, 1, len(knots))  # (knots,) over the recording's own
    positions = np.cumsum(np.interp(np.arange(len(samples)), knots, speed))  # (samples,)
    positions *= (len(samples) - 1) / positions[-1]
    shaken: Samples = map_coordinates(samples, positions[np.newaxis], order=3, mode="nearest")
    return shaken


def tilt(samples: Samples, slope: float) -> Samples:
    """Change the level by `slope` decibels per octave from 500 Hz to 4 kHz, and keep it from there on."""
    gain = tilt_gain(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), slope)
    return np.fft.irfft(np.fft.rfft(samples) * gain, n=len(samples)).astype(np.float32)


def tilt_gain(frequency: NDArray[np.floating], slope: float) -> NDArray[np.float64]:
    """What `tilt` multiplies the amplitude at each frequency by; both (bins,), hertz."""
    octaves = np.clip(np.log2(np.maximum(frequency, 1.0) / _PIVOT), 0, _OCTAVES)
    gain: NDArray[np.float64] = 10 ** (slope * octaves / 20)
    return gain
