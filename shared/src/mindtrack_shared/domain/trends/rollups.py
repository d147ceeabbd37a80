"""A person's stress history, day by day. Pure: rows in, trend out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class DayRollup:
    """The running sums of one person's day: enough for mean and spread, whatever the order of arrival."""

    day: date
    count: int
    stress_sum: float
    stress_square_sum: float
    stress_min: float
    stress_max: float
    anxiety_sum: float
    #: Unknown once a recording of the day could not tell.
    depressive_sum: float | None
    baseline_sum: float | None

    @property
    def stress_mean(self) -> float:
        return self.stress_sum / self.count

    @property
    def anxiety_mean(self) -> float:
        return self.anxiety_sum / self.count

    @property
    def depressive_mean(self) -> float | None:
        return None if self.depressive_sum is None else self.depressive_sum / self.count

    @property
    def baseline_mean(self) -> float | None:
        return None if self.baseline_sum is None else self.baseline_sum / self.count

    @property
    def stress_sd(self) -> float | None:
        """Sample standard deviation of the day's stress scores; unknown from a single recording."""
        if self.count < 2:  # noqa: PLR2004 - a spread needs two points
            return None
        variance = (self.stress_square_sum - self.count * self.stress_mean**2) / (self.count - 1)
        return math.sqrt(max(0.0, variance))


@dataclass(frozen=True, slots=True)
class LatestScore:
    recorded_at: datetime
    stress_score: float


@dataclass(frozen=True, slots=True)
class Trend:
    """Days with recordings, oldest first; a day without any is absent, never zero."""

    first_day: date
    last_day: date
    days: tuple[DayRollup, ...]
    latest: LatestScore | None

    @property
    def count(self) -> int:
        return sum(day.count for day in self.days)

    @property
    def stress_mean(self) -> float | None:
        """Mean of the daily means, so that a day with many recordings weighs no more than any other."""
        if not self.days:
            return None
        return sum(day.stress_mean for day in self.days) / len(self.days)


def trend(
    rollups: Iterable[DayRollup],
    *,
    first_day: date,
    last_day: date,
    latest: LatestScore | None,
) -> Trend:
    """Order the rollups that fall into `[first_day, last_day]`.

    Raises:
        ValueError: the period ends before it starts.

    """
    if last_day < first_day:
        raise ValueError(f"the period ends ({last_day}) before it starts ({first_day})")
    days = sorted((r for r in rollups if first_day <= r.day <= last_day), key=lambda rollup: rollup.day)
    return Trend(first_day=first_day, last_day=last_day, days=tuple(days), latest=latest)
