"""When a trend becomes an alert, and when an alert ends. Pure: state and evidence in, state out.

An alert opens when the moving average is beyond its limit on two recording days in a row, has been at least
half as high for nine days, and the last seven days are high on average. It ends when the moving average and
those days have come back halfway, on two recording days in a row, or when there is nothing left to compare.
Days count once they are over: the next recording of a day may say otherwise.
`docs/trends.md` has what this does to simulated people; it was never measured on real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from mindtrack_shared.domain.trends.chart import Chart
from mindtrack_shared.domain.trends.measures import Measure
from mindtrack_shared.domain.trends.method import METHOD, Method


@dataclass(frozen=True, slots=True)
class AlertRule:
    name: str = "sustained-rise"
    version: str = "1"
    #: What it watches unless somebody asks for more.
    measures: frozenset[Measure] = frozenset({Measure.STRESS_SCORE})
    #: Recording days in a row with the moving average beyond its limit; and of the end.
    confirmations: int = 2
    #: Days for which the moving average must have been above `end_share` of its limit: what people are told
    #: of has lasted.
    lasting_days: int = 9
    #: Least mean z of the last days.
    recent_z: float = METHOD.above
    #: Share of the limit, and mean z of the last days, below which an alert ends. Half of what opens one:
    #: with one threshold for both, a person near it would hear of a start and an end every few days.
    end_share: float = 0.5
    end_recent_z: float = 0.4
    #: Days without anything to compare after which an alert ends: by then the moving average starts anew.
    silent_days: int = METHOD.restart_days
    #: Days from an end to the next start, and from one start to the next.
    cool_down_days: int = 14
    apart_days: int = 7


RULE = AlertRule()


class Evidence(NamedTuple):  # quicker to make than a dataclass: there is one for each judged day
    """What a chart says at the end of a judged day."""

    measure: Measure
    method: Method
    bundle_revision: str
    day: date
    ewma: float
    limit: float
    #: Mean z of the last days, and how many of them were judged.
    recent_z: float
    recent_days: int
    recent_recordings: int
    #: Judged days in a row, up to this one, beyond the limit; and below the thresholds of an end.
    beyond: int
    back: int
    #: First of the days in a row on which the moving average was above `end_share` of its limit.
    since: date
    #: Recording days behind the baseline.
    baseline_days: int
    baseline_first_day: date
    baseline_last_day: date


@dataclass(frozen=True, slots=True)
class AlertState:
    """What is remembered of one person's alerts of one measure."""

    #: Of the latest alert.
    opened_on: date | None = None
    #: None while it is open.
    ended_on: date | None = None
    #: By which it was opened.
    bundle_revision: str | None = None

    @property
    def open(self) -> bool:
        return self.opened_on is not None and self.ended_on is None


class End(StrEnum):
    """Why an alert ended."""

    #: Back within the usual range.
    SETTLED = "settled"
    #: No day for two weeks that could be judged.
    SILENT = "silent"
    #: A new model has no baseline yet, or the days were deleted.
    NOTHING_TO_COMPARE = "nothing_to_compare"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an alert opened, for whoever asks; numbers in own standard deviations."""

    rule: str
    rule_version: str
    method: str
    method_version: str
    measure: Measure
    bundle_revision: str
    values: Mapping[str, float]
    thresholds: Mapping[str, float]
    #: Of the last days, to which `recent_z` belongs.
    recordings: int
    recording_days: int
    first_day: date
    last_day: date
    #: Since when the moving average has been raised.
    since: date
    baseline_days: int
    baseline_first_day: date
    baseline_last_day: date


@dataclass(frozen=True, slots=True)
class Opened:
    on: date
    reason: Reason


@dataclass(frozen=True, slots=True)
class Ended:
    on: date
    why: End


@dataclass(frozen=True, slots=True)
class Step:
    state: AlertState
    event: Opened | Ended | None = None


def evidence(chart: Chart, rule: AlertRule = RULE) -> Iterator[Evidence]:
    """What the chart says at the end of each judged day, in their order."""
    since, beyond, back, before = None, 0, 0, None
    windows = _windows(chart)
    for ordinal, ewma, limit, recent_z, recent_days, recent_recordings in _judged(chart):
        if before is not None and ordinal - before > chart.method.restart_days:
            since, beyond, back = None, 0, 0
        before = ordinal
        raised = ewma > rule.end_share * limit
        since = (since or ordinal) if raised else None
        beyond = beyond + 1 if ewma > limit else 0
        back = back + 1 if not raised and recent_z < rule.end_recent_z else 0
        first, last, count = windows[ordinal]
        yield Evidence(
            chart.measure,
            chart.method,
            chart.bundle_revision,
            date.fromordinal(ordinal),
            ewma,
            limit,
            recent_z,
            recent_days,
            recent_recordings,
            beyond,
            back,
            date.fromordinal(since or ordinal),
            count,
            date.fromordinal(first),
            date.fromordinal(last),
        )


def finished(of_models: Sequence[Chart], today: date, rule: AlertRule = RULE) -> list[Evidence]:
    """What the chart of the model in use says of each judged day that is over: of today, it may change.

    `of_models` are a person's charts (`charts`), over at least `HISTORY` days.
    """
    before = [(chart, chart.day[chart.day < today.toordinal()]) for chart in of_models]
    over = [(int(days[-1]), chart) for chart, days in before if len(days)]
    if not over:
        return []
    _, in_use = max(over, key=itemgetter(0))
    return list(takewhile(lambda found: found.day < today, evidence(in_use, rule)))


def next_state(state: AlertState, found: Evidence | None, *, today: date, rule: AlertRule = RULE) -> Step:
    """Move one person's alert of one measure on.

    `found` is the last of what is `finished`, `today` the person's day. To ask twice changes nothing.
    """
    if state.open:
        why = _end(state, found, today, rule)
        if why is None:
            return Step(state)
        return Step(AlertState(state.opened_on, today, state.bundle_revision), Ended(today, why))
    if found is None or not _opens(state, found, today, rule):
        return Step(state)
    return Step(AlertState(today, None, found.bundle_revision), Opened(today, _reason(found, rule)))


def _end(state: AlertState, found: Evidence | None, today: date, rule: AlertRule) -> End | None:
    if found is None or found.bundle_revision != state.bundle_revision:
        return End.NOTHING_TO_COMPARE
    if (today - found.day).days >= rule.silent_days:
        return End.SILENT
    return End.SETTLED if found.back >= rule.confirmations else None


def _opens(state: AlertState, found: Evidence, today: date, rule: AlertRule) -> bool:
    method = found.method
    return (
        found.beyond >= rule.confirmations
        and (found.day - found.since).days >= rule.lasting_days
        and found.recent_z >= rule.recent_z
        and found.recent_days >= method.recent_recording_days
        and (today - found.day).days < method.recent_days
        and _apart(state.ended_on, today, rule.cool_down_days)
        and _apart(state.opened_on, today, rule.apart_days)
    )


def _apart(before: date | None, today: date, days: int) -> bool:
    return before is None or (today - before).days >= days


def _judged(chart: Chart) -> Iterator[tuple[int, float, float, float, int, int]]:
    """Each judged day, its moving average and limit; of the last days mean z, number and recordings."""
    judged = chart.judged
    day, recordings = chart.day[judged], chart.recordings[judged]
    summed = np.cumsum(recordings)
    left_out = np.searchsorted(day, day - chart.method.recent_days, "right")
    recent = summed - (summed - recordings)[left_out]
    columns = (chart.day, chart.ewma, chart.limit, chart.recent_z, chart.recent_count)
    return zip(*(column[judged].tolist() for column in columns), recent.tolist(), strict=True)


def _windows(chart: Chart) -> dict[int, tuple[int, int, int]]:
    """First, last and number of the recording days that each judged day was judged by."""
    found: dict[int, tuple[int, int, int]] = {}
    for each in chart.classes.values():
        days = each.series.day.tolist()
        for day, start, stop in zip(days, each.usual.start.tolist(), each.usual.stop.tolist(), strict=False):
            if stop > start:
                first, last, count = found.get(day, (days[start], days[stop - 1], 0))
                found[day] = min(first, days[start]), max(last, days[stop - 1]), count + stop - start
    return found


def _reason(found: Evidence, rule: AlertRule) -> Reason:
    return Reason(
        rule.name,
        rule.version,
        found.method.name,
        found.method.version,
        found.measure,
        found.bundle_revision,
        {
            "ewma": found.ewma,
            "recent_z": found.recent_z,
            "days_beyond": float(found.beyond),
            "lasting_days": float((found.day - found.since).days),
        },
        {
            "ewma": found.limit,
            "recent_z": rule.recent_z,
            "days_beyond": float(rule.confirmations),
            "lasting_days": float(rule.lasting_days),
        },
        found.recent_recordings,
        found.recent_days,
        found.day - timedelta(days=found.method.recent_days - 1),
        found.day,
        found.since,
        found.baseline_days,
        found.baseline_first_day,
        found.baseline_last_day,
    )
