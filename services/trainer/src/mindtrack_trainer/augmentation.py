"""What microphones, rooms and telephone lines do to a window, drawn anew at every step.

Lossy codecs are not here: too slow for every step, they are applied once, to a twin of each clip.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mindtrack_shared.bundles import SAMPLE_RATE

_LOW_CUT, _HIGH_CUT = (40.0, 300.0), (3_200.0, 8_000.0)  # hertz
_TILT = 1.5  # decibels per octave, either way, around 1 kHz
_SNR = (8.0, 50.0)  # decibels
_REVERB_SHARE = 0.3
_DECAY = (0.1, 0.6)  # seconds to -60 dB: from a car to a living room
_DIRECT = (0.0, 12.0)  # decibels: direct sound over reverberation
_LOUD_SHARE, _OVERLOAD = 0.1, (0.0, 9.0)  # of windows; decibels above full scale


def augment(windows: Tensor, generator: torch.Generator) -> Tensor:
    """Put each window through a room, a microphone and a preamplifier; (batch, samples), normalised."""
    batch, samples = windows.shape
    spectrum = torch.fft.rfft(windows, n=2 * samples)  # twice as long: reverberation must not wrap around
    spectrum = spectrum * _rooms(batch, samples, generator) * _response(batch, samples, generator)
    heard = torch.fft.irfft(spectrum, n=2 * samples)[:, :samples]
    snr = _uniform(batch, _SNR, generator)
    noise = _coloured_noise(batch, samples, generator) * _rms(heard) * 10 ** (-snr / 20)
    return normalise(_amplify(heard + noise, generator))


def normalise(windows: Tensor) -> Tensor:
    """Zero mean and unit variance per window, as `dataset.normalise` does for NumPy."""
    centred = windows - windows.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-7).sqrt()


def _rooms(batch: int, samples: int, generator: torch.Generator) -> Tensor:
    """Transfer functions of rooms: the direct sound, then noise that decays; some windows have no room."""
    decay = _uniform(batch, _DECAY, generator)
    length = round(_DECAY[1] * SAMPLE_RATE)
    time = torch.arange(length) / SAMPLE_RATE
    tail = torch.randn(batch, length, generator=generator) * 10 ** (-3 * time / decay)
    tail = tail / tail.square().sum(dim=-1, keepdim=True).sqrt()
    tail = tail * 10 ** (-_uniform(batch, _DIRECT, generator) / 20)
    tail = torch.where(torch.rand(batch, 1, generator=generator) < _REVERB_SHARE, tail, 0.0)
    tail[:, 0] += 1.0
    transfer: Tensor = torch.fft.rfft(tail, n=2 * samples)
    return transfer  # (batch, bins)


def _response(batch: int, samples: int, generator: torch.Generator) -> Tensor:
    frequency = torch.fft.rfftfreq(2 * samples, 1 / SAMPLE_RATE).clamp(min=1.0)  # (bins,)
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
    unit: Tensor = noise / _rms(noise)
    return unit  # (batch, samples)


def _amplify(windows: Tensor, generator: torch.Generator) -> Tensor:
    """Turn some windows up until their peaks are cut off; below that, gain is undone by normalising."""
    peak = windows.abs().amax(dim=-1, keepdim=True).clamp(min=1e-6)
    ceiling = peak * 10 ** (-_uniform(len(windows), _OVERLOAD, generator) / 20)
    loud = torch.rand(len(windows), 1, generator=generator) < _LOUD_SHARE
    return torch.where(loud, windows.clamp(-ceiling, ceiling), windows)


def _rms(windows: Tensor) -> Tensor:
    return windows.square().mean(dim=-1, keepdim=True).sqrt()


def _uniform(batch: int, bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    return torch.rand(batch, 1, generator=generator) * (bounds[1] - bounds[0]) + bounds[0]
