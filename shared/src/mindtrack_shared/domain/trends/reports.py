"""What a person's days say about one measure over a period. Pure: days in, report out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise, repeat
from operator import itemgetter
from statistics import median
from typing import NamedTuple

import numpy as np

from mindtrack_shared.domain.trends.baselines import Calibration, IntArray, calibration, no_calibration
from mindtrack_shared.domain.trends.buckets import Bucket, Counted, buckets, month_of, week_of
from mindtrack_shared.domain.trends.caveats import Caveat, CaveatCode
from mindtrack_shared.domain.trends.chart import Chart, charts
from mindtrack_shared.domain.trends.days import DayValue
from mindtrack_shared.domain.trends.measures import SCALES, FloatArray, Measure
from mindtrack_shared.domain.trends.method import METHOD, Method
from mindtrack_shared.domain.trends.slopes import MannKendall, hamed_rao, theil_sen

#: What a report needs before its period in order to say the same as with all of the history: the baseline's
#: window and lag, and time for the moving average to forget how it began.
HISTORY = timedelta(days=160)
_WEEK = 7
#: Days: a gap, and the age of an old baseline.
_GAP, _OLD = 14, 90


class Status(StrEnum):
    """Where the last days lie, beside what is usual for the person. Of most measures no side is better."""

    #: Too few of the last days were judged.
    NO_STATUS = "no_status"
    #: There is no baseline yet for the model and the device in use.
    CALIBRATING = "calibrating"
    BELOW = "below"
    WITHIN_RANGE = "within_range"
    ABOVE = "above"
    WELL_ABOVE = "well_above"


class Direction(StrEnum):
    """Where the slope points."""

    #: The interval lies above 0,
    RISING = "rising"
    #: or below it.
    FALLING = "falling"
    #: It holds 0, and nothing far from it.
    STEADY = "steady"
    #: Neither, or there is no interval.
    UNCLEAR = "unclear"


class NoTest(StrEnum):
    """Why Mann-Kendall's test was not made."""

    CALIBRATING = "calibrating"
    FEW_WEEKS = "few_weeks"
    #: All weeks are equal, or their autocorrelation leaves no variance.
    NO_VARIANCE = "no_variance"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual: for the model and the device in use, at the end of the period. Natural unit."""

    centre: float
    #: One spread to each side: about two thirds of days lie between.
    low: float
    high: float
    #: The spread itself, a robust standard deviation between days, transformed.
    spread: float
    recordings: int
    recording_days: int
    first_day: date
    last_day: date


class Point(NamedTuple):  # quicker to make than a dataclass: a report has one for each of its days
    """A recording day. All but the value are None on a day that has no baseline to be judged by."""

    day: date
    bundle_revision: str
    recordings: int
    speech_seconds: float
    #: Natural, as are all up to `upper_limit`.
    value: float
    #: What was usual before that day.
    centre: float | None
    #: One own standard deviation to both sides of it.
    usual_low: float | None
    usual_high: float | None
    #: The moving average, and where it leaves the usual range.
    ewma: float | None
    lower_limit: float | None
    upper_limit: float | None
    #: The day, the moving average and its limits (this and its negative) in own standard deviations.
    z: float | None
    ewma_z: float | None
    limit_z: float | None


@dataclass(frozen=True, slots=True)
class WeeklySlope:
    """Change per week over the period's days, by the model in use."""

    #: Transformed; 95 % interval, None where the days are too few for one.
    per_week: float
    low: float | None
    high: float | None
    #: What this means for a value at the baseline's centre, natural.
    change: float
    change_low: float | None
    change_high: float | None
    recording_days: int


@dataclass(frozen=True, slots=True)
class TrendReport:
    measure: Measure
    first_day: date
    last_day: date
    method: Method
    #: Of the period.
    recordings: int
    recording_days: int
    status: Status
    #: How far the baseline of the model and the device in use has come.
    calibration: Calibration
    baseline: Baseline | None
    #: Recording days, oldest first.
    points: tuple[Point, ...]
    weeks: tuple[Bucket, ...]
    months: tuple[Bucket, ...]
    #: Mean z of the last seven days' judged days, None if there are none; and how many these are.
    seven_day_z: float | None
    seven_day_count: int
    slope: WeeklySlope | None
    direction: Direction
    mann_kendall: MannKendall | None
    #: Why there is no test.
    no_test: NoTest | None
    #: Of the period, in the order in which they came into use.
    bundle_revisions: tuple[str, ...]
    device_classes: tuple[str, ...]
    caveats: tuple[Caveat, ...]

    @property
    def unit(self) -> str:
        """Of natural values."""
        return SCALES[self.measure].unit

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1

    @property
    def coverage(self) -> float:
        """Share of the period's days with a recording, in [0, 1]."""
        return self.recording_days / self.days


def report(  # noqa: PLR0913 - each is a question of its own
    days: Sequence[DayValue],
    *,
    measure: Measure,
    first_day: date,
    last_day: date,
    indeterminate: int = 0,
    method: Method = METHOD,
) -> TrendReport:
    """Tell what the days of `[first_day, last_day]` say, given the person's history.

    The chart begins with the earliest of the days, so that periods of different lengths tell the same story;
    give at least `HISTORY` before the period. `indeterminate` counts the recordings of the period that are in
    no day because the model could not tell.

    Raises:
        ValueError: the period ends before it starts, or a day has two values of one origin.

    """
    found = charts(days, measure=measure, last_day=last_day, method=method)
    return report_of(
        list(found.values()),
        measure=measure,
        first_day=first_day,
        last_day=last_day,
        indeterminate=indeterminate,
        method=method,
    )


def report_of(  # noqa: PLR0913 - each is a question of its own
    found: list[Chart],
    *,
    measure: Measure,
    first_day: date,
    last_day: date,
    indeterminate: int = 0,
    method: Method = METHOD,
) -> TrendReport:
    """As `report`, from the charts that `charts` made of the days up to `last_day`.

    Raises:
        ValueError: the period ends before it starts.

    """
    if last_day < first_day:
        raise ValueError(f"the period ends ({last_day}) before it starts ({first_day})")
    period = _Period(found, measure, first_day, last_day, method)
    points = period.points()
    counted = period.counted()
    baseline = period.baseline()
    recent_z, recent_count = period.recent()
    status = period.status(recent_z, recent_count)
    adjusted = period.adjusted() if baseline else None
    slope = _slope(adjusted, baseline, measure, method) if adjusted and baseline else None
    test, no_test = _test(adjusted, method)
    natural = SCALES[measure].inverse
    return TrendReport(
        measure=measure,
        first_day=first_day,
        last_day=last_day,
        method=method,
        recordings=sum(point.recordings for point in points),
        recording_days=len(points),
        status=status,
        calibration=period.calibration(),
        baseline=baseline,
        points=points,
        weeks=buckets(counted, week_of, first_day=first_day, last_day=last_day, natural=natural),
        months=buckets(counted, month_of, first_day=first_day, last_day=last_day, natural=natural),
        seven_day_z=recent_z,
        seven_day_count=recent_count,
        slope=slope,
        direction=_direction(slope, baseline, method),
        mann_kendall=test,
        no_test=no_test,
        bundle_revisions=tuple(dict.fromkeys(point.bundle_revision for point in points)),
        device_classes=period.device_classes(),
        caveats=tuple(
            Caveat(code) for code in _caveats(period, points, baseline, status, slope, indeterminate)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Adjusted:
    """The period's days by the model in use, as if all came from the device in use; arrays are (days,)."""

    day: IntArray
    value: FloatArray


@dataclass(frozen=True, slots=True)
class _Period:
    """Charts, and the period to read from them."""

    charts: list[Chart]
    measure: Measure
    first_day: date
    last_day: date
    method: Method

    @property
    def chart(self) -> Chart | None:
        """That of the model in use."""
        return self.charts[-1] if self.charts else None

    def inside(self, day: IntArray) -> slice:
        """Where the period's days are."""
        start, stop = np.searchsorted(day, [self.first_day.toordinal(), self.last_day.toordinal() + 1])
        return slice(int(start), int(stop))

    def points(self) -> tuple[Point, ...]:
        found = [point for chart in self.charts for point in self._points(chart)]
        if len(self.charts) > 1:
            found.sort(key=lambda point: point.day)
        return tuple(found)

    def _points(self, chart: Chart) -> Iterator[Point]:
        here = self.inside(chart.day)
        value, centre, spread = chart.value[here], chart.centre[here], chart.spread[here]
        z, ewma, limit = chart.z[here], chart.ewma[here], chart.limit[here]
        own = np.stack([np.zeros_like(z), -np.ones_like(z), np.ones_like(z), ewma, -limit, limit])
        transformed = np.vstack([value, centre + own * spread])
        natural = SCALES[self.measure].inverse_all(transformed)  # (7, days)
        known = zip(
            map(date.fromordinal, chart.day[here].tolist()),
            repeat(chart.bundle_revision),
            chart.recordings[here].tolist(),
            chart.seconds[here].tolist(),
            *natural.tolist(),
            z.tolist(),
            ewma.tolist(),
            limit.tolist(),
            strict=False,  # there is no end of revisions
        )
        for point in map(Point._make, known):
            yield point if not math.isnan(point.z or 0.0) else _not_judged(point)

    def counted(self) -> Counted:
        """The period's recording days of all models."""
        rows = [
            row
            for chart in self.charts
            for here in [self.inside(chart.day)]
            for row in zip(
                chart.day[here].tolist(),
                chart.recordings[here].tolist(),
                chart.value[here].tolist(),
                chart.z[here].tolist(),
                repeat(chart.bundle_revision),
                strict=False,
            )
        ]
        rows.sort(key=itemgetter(0))
        day, recordings, value, z, revision = zip(*rows, strict=True) if rows else ((),) * 5
        return Counted(day, recordings, value, z, revision)

    def baseline(self) -> Baseline | None:
        if self.chart is None or not self.chart.current.known:
            return None
        series, usual = self.chart.current.series, self.chart.current.usual
        start, stop = int(usual.start[-1]), int(usual.stop[-1])
        centre, spread = float(usual.centre[-1]), float(usual.spread[-1])
        scale = SCALES[self.measure]
        return Baseline(
            scale.inverse(centre),
            scale.inverse(centre - spread),
            scale.inverse(centre + spread),
            spread,
            int(series.recordings[start:stop].sum()),
            stop - start,
            date.fromordinal(int(series.day[start])),
            date.fromordinal(int(series.day[stop - 1])),
        )

    def calibration(self) -> Calibration:
        if self.chart is None:
            return no_calibration(self.method)
        return calibration(self.chart.current.series, self.last_day, self.method)

    def recent(self) -> tuple[float | None, int]:
        """Mean z of the last days' judged ones, and their number."""
        if self.chart is None:
            return None, 0
        first = np.searchsorted(self.chart.day, self.last_day.toordinal() - self.method.recent_days, "right")
        z = self.chart.z[first:]
        judged = z[~np.isnan(z)].tolist()
        return (sum(judged) / len(judged), len(judged)) if judged else (None, 0)

    def status(self, recent_z: float | None, recent_count: int) -> Status:
        if self.chart is None or not self.chart.current.known:
            return Status.CALIBRATING
        if recent_z is None or recent_count < self.method.recent_recording_days:
            return Status.NO_STATUS
        latest = int(np.flatnonzero(self.chart.judged)[-1])
        return position(
            float(self.chart.ewma[latest]), float(self.chart.limit[latest]), recent_z, self.method
        )

    def adjusted(self) -> _Adjusted | None:
        """Move each device class with a baseline so that its centre is that of the one in use."""
        if self.chart is None:
            return None
        known = [each for each in self.chart.classes.values() if each.known]
        reference = self.chart.current.usual.centre[-1]
        day = np.concatenate([each.series.day for each in known])
        value = np.concatenate([each.series.value - each.usual.centre[-1] + reference for each in known])
        if len(known) > 1:
            seconds = np.concatenate([each.series.seconds for each in known])
            day, place = np.unique(day, return_inverse=True)
            value = np.bincount(place, seconds * value) / np.bincount(place, seconds)
        here = self.inside(day)
        return _Adjusted(day[here], value[here])

    def device_classes(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for chart in self.charts:
            for name, each in chart.classes.items():
                here = self.inside(each.series.day)
                if here.stop > here.start:
                    found[name] = None
        return tuple(found)

    def longest_gap(self, recording_days: Sequence[int]) -> int:
        """Days without a recording, given ordinals; those before the very first recording are none."""
        first = self.first_day.toordinal()
        before = [first - 1] if any(chart.day[0] < first for chart in self.charts) else []
        edges = [*before, *recording_days, self.last_day.toordinal() + 1]
        return max((after - day - 1 for day, after in pairwise(edges)), default=0)


def _not_judged(point: Point) -> Point:
    return point._replace(
        centre=None,
        usual_low=None,
        usual_high=None,
        ewma=None,
        lower_limit=None,
        upper_limit=None,
        z=None,
        ewma_z=None,
        limit_z=None,
    )


def position(ewma: float, limit: float, recent_z: float, method: Method) -> Status:
    """Where the last days lie: beyond the chart's limit, and their mean far enough from the centre, too."""
    if ewma > limit and recent_z >= method.above:
        return Status.WELL_ABOVE if recent_z >= method.well_above else Status.ABOVE
    if ewma < -limit and recent_z <= -method.above:
        return Status.BELOW
    return Status.WITHIN_RANGE


def _slope(found: _Adjusted, baseline: Baseline, measure: Measure, method: Method) -> WeeklySlope | None:
    slope = theil_sen(found.day / _WEEK, found.value)
    if slope is None:
        return None
    scale = SCALES[measure]
    centre = scale.transform(baseline.centre)

    def change(per_week: float | None) -> float | None:
        return None if per_week is None else scale.inverse(centre + per_week) - baseline.centre

    enough = len(found.day) >= method.slope_days
    low, high = (slope.low, slope.high) if enough else (None, None)
    return WeeklySlope(
        slope.per_unit,
        low,
        high,
        scale.inverse(centre + slope.per_unit) - baseline.centre,
        change(low),
        change(high),
        len(found.day),
    )


def _test(found: _Adjusted | None, method: Method) -> tuple[MannKendall | None, NoTest | None]:
    """Test the medians of the weeks that have days; weeks without any are passed over."""
    if found is None:
        return None, NoTest.CALIBRATING
    week = (found.day - 1) // _WEEK  # ordinal 1 was a Monday
    edges = [0, *(np.flatnonzero(np.diff(week)) + 1).tolist(), len(week)]
    value = found.value.tolist()
    weekly = [median(value[first:beyond]) for first, beyond in pairwise(edges) if beyond > first]
    if len(weekly) < method.test_weeks:
        return None, NoTest.FEW_WEEKS
    test = hamed_rao(np.array(weekly))
    return test, None if test else NoTest.NO_VARIANCE


def _direction(slope: WeeklySlope | None, baseline: Baseline | None, method: Method) -> Direction:
    if slope is None or slope.low is None or slope.high is None or baseline is None:
        return Direction.UNCLEAR
    if slope.low > 0:
        return Direction.RISING
    if slope.high < 0:
        return Direction.FALLING
    band = method.steady_per_week * baseline.spread
    return Direction.STEADY if max(-slope.low, slope.high) <= band else Direction.UNCLEAR


def _caveats(  # noqa: PLR0913, PLR0917 - what caveats are about
    period: _Period,
    points: tuple[Point, ...],
    baseline: Baseline | None,
    status: Status,
    slope: WeeklySlope | None,
    indeterminate: int,
) -> Iterator[CaveatCode]:
    judged = [point for point in points if point.z is not None]
    since = judged[0].day if judged else period.last_day
    gap = period.longest_gap([point.day.toordinal() for point in points])
    applies = {
        CaveatCode.NO_RECORDINGS: not points,
        CaveatCode.CALIBRATING: baseline is None,
        CaveatCode.FEW_RECENT_DAYS: status is Status.NO_STATUS,
        CaveatCode.FEW_DAYS: baseline is not None and (slope is None or slope.low is None),
        CaveatCode.GAP: bool(points) and gap > _GAP,
        CaveatCode.DEVICE_CHANGE: len(period.device_classes()) > 1,
        CaveatCode.DEVICE_NOT_JUDGED: any(point.z is None and point.day > since for point in points),
        CaveatCode.MODEL_CHANGE: len({point.bundle_revision for point in points}) > 1,
        CaveatCode.INDETERMINATE_EXCLUDED: indeterminate > 0,
        CaveatCode.OLD_BASELINE: baseline is not None and (period.last_day - baseline.last_day).days > _OLD,
    }
    return (code for code, holds in applies.items() if holds)
