"""What microphones, rooms and telephone lines do to a window, drawn anew at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from mindtrack_trainer.sound import SAMPLE_RATE

_LOW_CUT, _HIGH_CUT = (40.0, 300.0), (3_200.0, 8_000.0)  # hertz
_TILT = 4.0  # decibels per octave, either way, around 1 kHz
_SNR = (8.0, 50.0)  # decibels
_CLIP_SHARE, _CLIP_AT = 0.1, (1.5, 4.0)  # of windows; standard deviations


def augment(windows: Tensor, generator: torch.Generator) -> Tensor:
    """Band-limit, tilt, add noise to and sometimes clip each window, then normalise it.

    Gain needs no line of its own: normalisation undoes it.
    """
    batch, samples = windows.shape
    filtered = torch.fft.irfft(torch.fft.rfft(windows) * _response(batch, samples, generator), n=samples)
    rms = filtered.square().mean(dim=-1, keepdim=True).sqrt()  # (batch, 1)
    snr = _uniform(batch, _SNR, generator)
    noise = _coloured_noise(batch, samples, generator) * rms * 10 ** (-snr / 20)
    return normalise(_clip(normalise(filtered + noise), generator))  # (batch, samples)


def normalise(windows: Tensor) -> Tensor:
    """Zero mean and unit variance per window, as `dataset.normalise` does for NumPy."""
    centred = windows - windows.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-7).sqrt()


def _response(batch: int, samples: int, generator: torch.Generator) -> Tensor:
    frequency = torch.fft.rfftfreq(samples, 1 / SAMPLE_RATE).clamp(min=1.0)  # (bins,)
    low, high = (_uniform(batch, bounds, generator) for bounds in (_LOW_CUT, _HIGH_CUT))
    tilt = _uniform(batch, (-_TILT, _TILT), generator) * torch.log2(frequency / 1000).clamp(-3, 3)  # decibels
    # Gentle slopes: a brick wall rings, and no telephone has one.
    band = torch.sigmoid((frequency - low) / 20) * torch.sigmoid((high - frequency) / 100)
    return band * 10 ** (tilt / 20)  # (batch, bins)


def _coloured_noise(batch: int, samples: int, generator: torch.Generator) -> Tensor:
    white = torch.randn(batch, samples, generator=generator)
    frequency = torch.fft.rfftfreq(samples, 1 / SAMPLE_RATE).clamp(min=50.0)
    colour = _uniform(batch, (0.0, 1.0), generator)  # amplitude slope: 0 white, 0.5 pink, 1 brown
    noise = torch.fft.irfft(torch.fft.rfft(white) * (frequency / 1000) ** -colour, n=samples)
    unit: Tensor = noise / noise.square().mean(dim=-1, keepdim=True).sqrt()
    return unit  # (batch, samples)


def _clip(windows: Tensor, generator: torch.Generator) -> Tensor:
    limit = _uniform(len(windows), _CLIP_AT, generator)
    spared = torch.rand(len(windows), 1, generator=generator) >= _CLIP_SHARE
    return torch.where(spared, windows, windows.clamp(-limit, limit))


def _uniform(batch: int, bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    return torch.rand(batch, 1, generator=generator) * (bounds[1] - bounds[0]) + bounds[0]
