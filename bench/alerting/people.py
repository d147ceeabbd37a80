"""Made-up people whose day values are known to be steady, or to have changed on a known day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mindtrack_shared.domain.trends import DayValue, Origin

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

#: A Monday.
FIRST_DAY = date(2026, 1, 5)
WEEK = 7
#: Weeks before alerts count, and weeks in which they do.
BASELINE_WEEKS, MONITORED_WEEKS = 4, 12
WEEKS = BASELINE_WEEKS + MONITORED_WEEKS
DAYS = WEEKS * WEEK
#: The day on which a change begins.
CHANGE = BASELINE_WEEKS * WEEK
#: Days before the first, for the autoregression to forget where it began.
_LEAD = 30
_FRIDAY = 4
_ORIGIN = Origin("simulated", "simulated")
_SPEECH_SECONDS = 30.0

Change = Literal["none", "step", "rise"]


@dataclass(frozen=True, slots=True)
class Life:
    """How somebody's day values come about. Their standard deviation is 1, weekly rhythm and change aside."""

    #: Recordings a week, on days drawn anew each week; 0 stands for every other day.
    per_week: int = 5
    #: Correlation of the state behind the values from one day to the next.
    persistence: float = 0.3
    #: Share of the variance that is new with each recording.
    noise: float = 0.5
    #: Degrees of freedom of Student's distribution for both; 0 stands for normal.
    tails: int = 0
    #: How much higher values are from Monday to Friday than on the other days.
    workdays: float = 0.0
    #: From day `CHANGE` on: higher by 1 at once, or by and by over eight weeks.
    change: Change = "none"


def people(life: Life, number: int, seed: int) -> Iterator[list[DayValue]]:
    """Draw people; those of a seed differ by their change and rhythm only."""
    drawn = np.random.default_rng(seed)
    values = _values(life, number, drawn)  # (people, DAYS)
    for row in values:
        yield [
            DayValue(FIRST_DAY + timedelta(days=day), _ORIGIN, 1, _SPEECH_SECONDS, float(row[day]))
            for day in _recording_days(life, drawn).tolist()
        ]


def _values(life: Life, number: int, drawn: np.random.Generator) -> FloatArray:
    shocks = _draw(life, (number, _LEAD + DAYS), drawn) * np.sqrt(1.0 - life.persistence**2)
    state = np.zeros_like(shocks)
    for day in range(1, _LEAD + DAYS):
        state[:, day] = life.persistence * state[:, day - 1] + shocks[:, day]
    noise = _draw(life, (number, DAYS), drawn)
    rhythm = life.workdays * (np.arange(DAYS) % WEEK <= _FRIDAY)
    found: FloatArray = np.sqrt(1.0 - life.noise) * state[:, _LEAD:] + np.sqrt(life.noise) * noise
    return found + rhythm + _change(life)


def _draw(life: Life, shape: tuple[int, int], drawn: np.random.Generator) -> FloatArray:
    """Values of variance 1."""
    if not life.tails:
        return drawn.normal(size=shape)
    found: FloatArray = drawn.standard_t(life.tails, shape) / np.sqrt(life.tails / (life.tails - 2.0))
    return found


def _change(life: Life) -> FloatArray:
    since = np.arange(DAYS) - CHANGE + 1
    if life.change == "step":
        return (since > 0).astype(np.float64)
    if life.change == "rise":
        return np.clip(since / (8 * WEEK), 0.0, 1.0)
    return np.zeros(DAYS)


def _recording_days(life: Life, drawn: np.random.Generator) -> IntArray:
    if not life.per_week:
        return np.arange(0, DAYS, 2)
    order = drawn.random((WEEKS, WEEK)).argsort(axis=1)[:, : life.per_week]
    return np.sort((order + WEEK * np.arange(WEEKS)[:, None]).ravel())
