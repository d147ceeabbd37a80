"""Weeks and months of days. These are calendar days where the person was: no clock change splits one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import compress
from statistics import median
from typing import NamedTuple


class Bucket(NamedTuple):
    """An ISO week or a calendar month, as far as it lies in the period."""

    #: `2026-W10` or `2026-03`.
    label: str
    first_day: date
    last_day: date
    recordings: int
    recording_days: int
    #: Of its latest day; value and z are of days by this one only. None where there are no days.
    bundle_revision: str | None
    #: Median of its days, natural; None where there are none.
    value: float | None
    #: Mean z of its judged days; None where there are none.
    z: float | None

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1

    @property
    def coverage(self) -> float:
        """Share of its days with a recording, in [0, 1]."""
        return self.recording_days / self.days


@dataclass(frozen=True, slots=True)
class Counted:
    """Recording days in order, each once."""

    #: Proleptic ordinals.
    day: Sequence[int]
    recordings: Sequence[int]
    #: Transformed.
    value: Sequence[float]
    #: NaN where a day was not judged.
    z: Sequence[float]
    bundle_revision: Sequence[str]


def week_of(day: date) -> tuple[str, date]:
    """Label of the ISO week, and the day on which the next one begins."""
    year, week, weekday = day.isocalendar()
    return f"{year}-W{week:02}", day + timedelta(days=8 - weekday)


def month_of(day: date) -> tuple[str, date]:
    """Label of the month, and the day on which the next one begins."""
    following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return f"{day.year}-{day.month:02}", following


def buckets(
    counted: Counted,
    kind: Callable[[date], tuple[str, date]],
    *,
    first_day: date,
    last_day: date,
    natural: Callable[[float], float],
) -> tuple[Bucket, ...]:
    """All weeks (`week_of`) or months (`month_of`) of a period, also those without recordings."""
    parts = list(_parts(kind, first_day, last_day))
    edges = [first.toordinal() for _, first, _ in parts] + [last_day.toordinal() + 1]
    places = [bisect_left(counted.day, edge) for edge in edges]
    return tuple(
        _bucket(label, first, last, counted, slice(start, stop), natural)
        for (label, first, last), start, stop in zip(parts, places, places[1:], strict=False)
    )


def _bucket(  # noqa: PLR0913, PLR0917 - a bucket and where to look for it
    label: str, first: date, last: date, counted: Counted, place: slice, natural: Callable[[float], float]
) -> Bucket:
    revisions = counted.bundle_revision[place]
    if not revisions:
        return Bucket(label, first, last, 0, 0, None, None, None)
    values, z = counted.value[place], counted.z[place]
    same = [by == revisions[-1] for by in revisions]
    judged = [each for each in compress(z, same) if not math.isnan(each)]
    return Bucket(
        label,
        first,
        last,
        sum(counted.recordings[place]),
        len(revisions),
        revisions[-1],
        natural(median(compress(values, same))),
        sum(judged) / len(judged) if judged else None,
    )


def _parts(
    kind: Callable[[date], tuple[str, date]], first_day: date, last_day: date
) -> Iterator[tuple[str, date, date]]:
    first = first_day
    while first <= last_day:
        label, following = kind(first)
        yield label, first, min(last_day, following - timedelta(days=1))
        first = following
