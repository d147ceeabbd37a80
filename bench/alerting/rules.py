"""Rules that tell somebody of a rise: the product's, which runs here as it is, and naive ones beside it.

Each says on which days it would have spoken up, in the order of days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean
from typing import TypeAlias

from bench.alerting.people import DAYS, FIRST_DAY, WEEK, WEEKS
from mindtrack_shared.domain.trends import (
    METHOD,
    RULE,
    AlertRule,
    AlertState,
    Chart,
    DayValue,
    Ended,
    Measure,
    Method,
    Opened,
    charts,
    evidence,
    next_state,
)

#: Judged days that a week needs for its mean z to count.
_JUDGED_DAYS = 3


@dataclass(frozen=True, slots=True)
class Told:
    """An alert: days from the first one on. It is open from `began` to before `ended`."""

    began: int
    ended: int


Rule: TypeAlias = Callable[[list[DayValue]], Sequence[Told]]


def ours(days: list[DayValue], method: Method = METHOD, rule: AlertRule = RULE) -> list[Told]:
    """Ask the product's rule when each recording day is over."""
    state, told = AlertState(), []
    for found in evidence(_chart(days, method), rule):
        step = next_state(state, found, today=found.day + timedelta(days=1), rule=rule)
        state = step.state
        today = (found.day - FIRST_DAY).days + 1
        if isinstance(step.event, Opened):
            told.append(Told(today, DAYS))
        elif isinstance(step.event, Ended):
            told[-1] = Told(told[-1].began, today)
    return told


def week_above_last(days: list[DayValue], by: float = 0.0) -> list[Told]:
    """This week's mean lies above last week's, by so many true standard deviations."""
    means = [fmean(values) for values in _weekly([(day.day.toordinal(), day.value) for day in days])]
    return [_sunday(week) for week in range(1, WEEKS) if means[week] > means[week - 1] + by]


def weeks_beyond(days: list[DayValue], z: float = 1.0) -> list[Told]:
    """The mean z of this week and of the last one are at least so much."""
    chart = _chart(days, METHOD)
    judged = chart.judged
    weeks = _weekly(list(zip(chart.day[judged].tolist(), chart.z[judged].tolist(), strict=True)))
    beyond = [len(values) >= _JUDGED_DAYS and fmean(values) >= z for values in weeks]
    return [_sunday(week) for week in range(1, WEEKS) if beyond[week - 1] and beyond[week]]


RULES: Mapping[str, Rule] = {
    "ours": ours,
    "this week's mean above last week's": week_above_last,
    "… by 0.2 SD": lambda days: week_above_last(days, 0.2),
    "mean z of the week at least 1, two weeks running": weeks_beyond,
}


def _chart(days: list[DayValue], method: Method) -> Chart:
    last_day = FIRST_DAY + timedelta(days=DAYS - 1)
    return next(iter(charts(days, measure=Measure.STRESS_SCORE, last_day=last_day, method=method).values()))


def _weekly(values: list[tuple[int, float]]) -> list[list[float]]:
    """Values of each week, by ordinals of days."""
    weeks: list[list[float]] = [[] for _ in range(WEEKS)]
    for ordinal, value in values:
        weeks[(ordinal - FIRST_DAY.toordinal()) // WEEK].append(value)
    return weeks


def _sunday(week: int) -> Told:
    """Somebody who is told at the end of a week; they are told anew a week later."""
    end = week * WEEK + WEEK - 1
    return Told(end, end + 1)
