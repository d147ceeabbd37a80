"""A control chart of a person's days, each judged by what was usual before it.

    z      = (value - centre) / spread                  the day's own baseline, `baselines`
    ewma_i = (1 - w) ewma_(i-1) + w z_i                 Roberts 1959; ewma_0 = 0
    limit  = L sqrt(w / (2 - w) (1 - (1 - w)^(2 i)) + 1.6 / n)

The first term is the moving average's variance after i days (Lucas & Saccucci 1990, Technometrics 32, 1-12;
Montgomery, Introduction to Statistical Quality Control, ch. 9). The second is the variance of the baseline's
centre, made of n days: it is in all z alike, and does not average out.

There is one chart for each bundle revision. Device classes within it have baselines of their own, and a day
on two of them gets the mean of their z, weighted by seconds of speech.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from mindtrack_shared.domain.trends.baselines import Baselines, IntArray, Series, baselines, series
from mindtrack_shared.domain.trends.days import DayValue
from mindtrack_shared.domain.trends.measures import SCALES, FloatArray, Measure
from mindtrack_shared.domain.trends.method import METHOD, Method


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """Days on one device class, and what was usual before each of them."""

    series: Series
    #: One more than there are days: the last is for the day after the chart's end.
    usual: Baselines

    @property
    def known(self) -> bool:
        """Whether there is a baseline at the chart's end."""
        return bool(self.usual.stop[-1] > self.usual.start[-1])


@dataclass(frozen=True, slots=True)
class Chart:
    """One revision's recording days in order, each once. All arrays are (days,)."""

    bundle_revision: str
    measure: Measure
    method: Method
    classes: Mapping[str, DeviceClass]
    #: The one with the most speech on the latest day.
    current_class: str
    #: Proleptic ordinals (`date.toordinal`).
    day: IntArray
    recordings: IntArray
    seconds: FloatArray
    #: Transformed; weighted means of the day's device classes.
    value: FloatArray
    #: From here on, of the classes with a baseline; NaN where no class has one.
    centre: FloatArray
    spread: FloatArray
    z: FloatArray
    ewma: FloatArray
    #: The limits are this and its negative, as z.
    limit: FloatArray
    #: Mean z of the last `recent_days` days up to this one, and how many were judged.
    recent_z: FloatArray
    recent_count: IntArray

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Days with a baseline, (days,)."""
        return ~np.isnan(self.z)

    @property
    def current(self) -> DeviceClass:
        return self.classes[self.current_class]


def charts(
    days: Iterable[DayValue], *, measure: Measure, last_day: date, method: Method = METHOD
) -> dict[str, Chart]:
    """Chart each bundle revision's days up to `last_day`; that of the latest day comes last.

    A day with several revisions belongs to the one with the most speech. What a chart says of a day depends
    on that day and earlier ones only.

    Raises:
        ValueError: a day has two values of one origin.

    """
    known = sorted((each for each in days if each.day <= last_day), key=attrgetter("day", "origin"))
    revisions: dict[str, list[DayValue]] = {}
    for each in _of_one_revision(known):
        revision = each.origin.bundle_revision
        revisions.setdefault(revision, []).append(each)
    ordered = sorted(revisions.items(), key=lambda item: item[1][-1].day)
    return {revision: _chart(found, revision, measure, last_day, method) for revision, found in ordered}


def moving_average(z: FloatArray, starts: Sequence[bool], weight: float) -> tuple[FloatArray, FloatArray]:
    """The average after each z, and its variance if z have variance 1; it starts at 0 where `starts`."""
    average = variance = 0.0
    averages, variances = [], []
    kept = 1.0 - weight
    for each, start in zip(z.tolist(), starts, strict=True):
        if start:
            average = variance = 0.0
        average = kept * average + weight * each
        variance = kept * kept * variance + weight * weight
        averages.append(average)
        variances.append(variance)
    return np.array(averages), np.array(variances)


def limits(variance: FloatArray, uncertainty: FloatArray, width: float) -> FloatArray:
    """How far from the centre the moving average may be: its own variance, and the baseline's."""
    found: FloatArray = width * np.sqrt(variance + uncertainty)
    return found


def _of_one_revision(known: list[DayValue]) -> list[DayValue]:
    """Without what belongs to another revision than most of its day."""
    if len({each.origin.bundle_revision for each in known}) <= 1:
        return known
    seconds: dict[date, dict[str, float]] = {}
    for each in known:
        of_day = seconds.setdefault(each.day, {})
        revision = each.origin.bundle_revision
        of_day[revision] = of_day.get(revision, 0.0) + each.speech_seconds
    # Of equals, the name decides: any will do, if it is always the same.
    kept = {day: max(found, key=lambda name: (found[name], name)) for day, found in seconds.items()}
    return [each for each in known if kept[each.day] == each.origin.bundle_revision]


def _chart(days: list[DayValue], revision: str, measure: Measure, last_day: date, method: Method) -> Chart:
    by_class: dict[str, list[DayValue]] = {}
    for each in days:
        by_class.setdefault(each.origin.device_class, []).append(each)
    least = SCALES[measure].least_spread
    classes: dict[str, DeviceClass] = {}
    for name, found in by_class.items():
        of_class = series(found)
        if not (np.diff(of_class.day) > 0).all():
            raise ValueError(f"a day has two values of {found[0].origin}")
        usual = baselines(of_class, last_day, least_spread=least, method=method)
        classes[name] = DeviceClass(of_class, usual)
    latest = takewhile(lambda each: each.day == days[-1].day, reversed(days))
    current = max(latest, key=attrgetter("speech_seconds")).origin.device_class
    return _judge(_merged(list(classes.values()), method), classes, current, revision, measure, method)


@dataclass(frozen=True, slots=True)
class _Merged:
    """Days of all device classes; arrays are (days,)."""

    day: IntArray
    recordings: IntArray
    seconds: FloatArray
    value: FloatArray
    centre: FloatArray
    spread: FloatArray
    z: FloatArray
    #: Variance that the baselines' uncertainty adds.
    uncertainty: FloatArray


def _merged(classes: list[DeviceClass], method: Method) -> _Merged:
    parts = [_alone(each, method) for each in classes]
    if len(parts) == 1:
        return parts[0]
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in _Merged.__slots__]
    day, recordings, seconds, value, centre, spread, z, uncertainty = joined
    days, place = np.unique(day, return_inverse=True)

    def summed(numbers: FloatArray) -> FloatArray:
        found: FloatArray = np.bincount(place, weights=numbers, minlength=len(days)).astype(np.float64)
        return found

    counted = np.where(np.isnan(z), 0.0, seconds)
    judged = summed(counted) > 0
    share = counted / np.where(judged, summed(counted), 1.0)[place]

    def shared(numbers: FloatArray, share: FloatArray = share) -> FloatArray:
        return np.where(judged, summed(share * np.nan_to_num(numbers)), np.nan)

    return _Merged(
        days,
        summed(recordings.astype(np.float64)).astype(np.int64),
        summed(seconds),
        summed(seconds * value) / summed(seconds),
        shared(centre),
        shared(spread),
        shared(z),
        shared(uncertainty, share**2),
    )


def _alone(found: DeviceClass, method: Method) -> _Merged:
    own, usual = found.series, found.usual
    centre, spread = usual.centre[:-1], usual.spread[:-1]
    count = usual.recording_days[:-1]
    uncertainty = np.where(count > 0, method.centre_variance / np.maximum(count, 1), np.nan)
    z = (own.value - centre) / spread
    return _Merged(own.day, own.recordings, own.seconds, own.value, centre, spread, z, uncertainty)


def _judge(  # noqa: PLR0913, PLR0917 - each is a part of what it makes
    merged: _Merged,
    classes: dict[str, DeviceClass],
    current: str,
    revision: str,
    measure: Measure,
    method: Method,
) -> Chart:
    judged = np.flatnonzero(~np.isnan(merged.z))
    day, z = merged.day[judged], merged.z[judged]
    starts = [True, *(np.diff(day) > method.restart_days).tolist()][: len(day)]
    average, variance = moving_average(z, starts, method.weight)
    limit = limits(variance, merged.uncertainty[judged], method.width)
    recent, count = recent_means(day, z, merged.day, method.recent_days)
    return Chart(
        revision,
        measure,
        method,
        classes,
        current,
        merged.day,
        merged.recordings,
        merged.seconds,
        merged.value,
        merged.centre,
        merged.spread,
        merged.z,
        _spread_out(average, judged, len(merged.day)),
        _spread_out(limit, judged, len(merged.day)),
        recent,
        count,
    )


def recent_means(day: IntArray, z: FloatArray, asked: IntArray, width: int) -> tuple[FloatArray, IntArray]:
    """Mean z of the `width` days up to each asked one, NaN where none was judged; and their number."""
    sums = np.concatenate([[0.0], np.cumsum(z)])
    first, beyond = np.searchsorted(day, asked - width, "right"), np.searchsorted(day, asked, "right")
    count = beyond - first
    means = np.where(count > 0, (sums[beyond] - sums[first]) / np.maximum(count, 1), np.nan)
    return means, count


def _spread_out(found: FloatArray, judged: IntArray, days: int) -> FloatArray:
    everywhere = np.full(days, np.nan)
    everywhere[judged] = found
    return everywhere
