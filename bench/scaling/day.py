"""A day of recordings, made up from a seed: two peaks, bursts, and nodes that are lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DAY, HOUR, MINUTE = 86_400, 3600, 60  # seconds
#: When most people record and for how long they do, hours; and how many, over the night's rate.
_PEAKS = ((8.5, 1.5, 3.0), (20.5, 2.0, 4.0))
#: Bursts a day, their length in minutes, and the rate in them over the rate without.
_BURSTS, _BURST_MINUTES, _BURST_FACTOR = 12.0, (3.0, 10.0), (2.0, 5.0)
#: Recordings of the interactive lane: the median and spread of a lognormal, and where it is cut, seconds.
_MEDIAN, _SPREAD, _SHORTEST, _LONGEST = 8.0, 0.7, 2.0, 60.0
#: Of the bulk lane, seconds: as many of two to four minutes as of fifteen to thirty.
_SHORTEST_BULK, _LONGEST_BULK = 120.0, 3600.0
BULK_SHARE = 0.002
#: Seconds of a window: the model scores whole ones, the last moved back to end with the recording.
WINDOW = 5.0
#: Spread of the lognormal bit rate, about its mean: what a size tells of a length. Assumed.
_BIT_RATE_SPREAD = 0.3


@dataclass(frozen=True, slots=True)
class Lane:
    """What one lane is sent, in the order of arrival, and when it loses a node. Seconds."""

    arrivals: FloatArray  # (recordings,)
    lengths: FloatArray  # (recordings,), of the windows to score
    estimates: FloatArray  # (recordings,), of their audio, as the database makes them from sizes
    losses: FloatArray  # (losses,)
    #: Whether a replica that is let go gives back what it is at, to begin again elsewhere, or finishes it.
    gives_back: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    interactive: Lane
    bulk: Lane


def draw(recordings: int, seed: int, *, seconds: int = DAY) -> Day:
    """Make a day up, or as much of its start as `seconds` says, with exactly so many recordings."""
    rng = np.random.default_rng(seed)
    bulk = round(recordings * BULK_SHARE)
    rate = _rate(rng)[:seconds]
    lengths = np.clip(rng.lognormal(np.log(_MEDIAN), _SPREAD, recordings - bulk), _SHORTEST, _LONGEST)
    long = _SHORTEST_BULK * (_LONGEST_BULK / _SHORTEST_BULK) ** rng.uniform(size=bulk)
    sizes = np.random.default_rng([seed, 1])  # of its own, so that the rest of a day does not depend on it
    return Day(
        interactive=Lane(
            _arrivals(rng, rate, recordings - bulk),
            _in_windows(lengths),
            _estimates(sizes, lengths),
            _losses(rng, 6.0, seconds),
        ),
        bulk=Lane(
            _arrivals(rng, rate, bulk),
            _in_windows(long),
            _estimates(sizes, long),
            _losses(rng, 1.0, seconds),
            gives_back=True,
        ),
    )


def _in_windows(lengths: FloatArray) -> FloatArray:
    return np.ceil(lengths / WINDOW) * WINDOW


def _estimates(rng: np.random.Generator, lengths: FloatArray) -> FloatArray:
    """Right on average, as the database takes seconds per byte from the latest analyses."""
    return lengths * rng.lognormal(-(_BIT_RATE_SPREAD**2) / 2, _BIT_RATE_SPREAD, lengths.size)


def _rate(rng: np.random.Generator) -> FloatArray:
    """How often recordings arrive in each second of the day, over the night's rate."""
    hour = np.arange(DAY) / HOUR
    rate = np.ones(DAY)
    for peak, width, height in _PEAKS:
        away = (hour - peak + 12) % 24 - 12  # midnight ends no peak
        rate += height * np.exp(-0.5 * (away / width) ** 2)
    burst = np.ones(DAY)
    for start in rng.integers(0, DAY, rng.poisson(_BURSTS)):
        length = round(rng.uniform(*_BURST_MINUTES) * MINUTE)
        part = burst[start : start + length]
        np.maximum(part, rng.uniform(*_BURST_FACTOR), out=part)  # bursts that meet do not multiply
    return rate * burst


def _arrivals(rng: np.random.Generator, rate: FloatArray, recordings: int) -> FloatArray:
    counts = rng.multinomial(recordings, rate / rate.sum())
    arrivals = np.repeat(np.arange(rate.size), counts) + rng.uniform(size=recordings)
    arrivals.sort()
    return arrivals


def _losses(rng: np.random.Generator, a_day: float, seconds: int) -> FloatArray:
    times = rng.uniform(0, seconds, rng.poisson(a_day * seconds / DAY))
    times.sort()
    return times
