"""Made-up days of one person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np

from mindtrack_shared.domain.trends import DayValue, Origin

MONDAY = date(2026, 3, 2)
PHONE = Origin("model-1", "phone")
HEADSET = Origin("model-1", "headset")
NEXT_MODEL = Origin("model-2", "phone")


def day(number: int) -> date:
    """The day so many days after a Monday."""
    return MONDAY + timedelta(days=number)


def value(
    number: int, z: float, *, origin: Origin = PHONE, recordings: int = 1, seconds: float = 30.0
) -> DayValue:
    """A day with this transformed value."""
    return DayValue(day(number), origin, recordings, seconds, z)


def run(values: Iterable[float], *, first: int = 0, origin: Origin = PHONE) -> list[DayValue]:
    """Days in a row."""
    return [value(first + number, z, origin=origin) for number, z in enumerate(values)]


def usual(days: int, *, seed: int = 0, scale: float = 1.0, centre: float = 0.0) -> list[float]:
    """Independent normal values, alike for a seed whatever the scale."""
    drawn: Sequence[float] = np.random.default_rng(seed).normal(size=days).tolist()
    return [centre + scale * each for each in drawn]
