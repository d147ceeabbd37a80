from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.trends.buckets import Counted, buckets, month_of, week_of

Kind = Callable[[date], tuple[str, date]]
KINDS = pytest.mark.parametrize("kind", [week_of, month_of])
dates = st.dates(date(1999, 1, 1), date(2040, 12, 31))


@pytest.mark.parametrize(
    ("day", "label", "following"),
    [
        (date(2026, 3, 2), "2026-W10", date(2026, 3, 9)),
        (date(2026, 3, 8), "2026-W10", date(2026, 3, 9)),
        (date(2025, 12, 29), "2026-W01", date(2026, 1, 5)),
        (date(2027, 1, 3), "2026-W53", date(2027, 1, 4)),
    ],
)
def test_weeks_are_those_of_iso(day: date, label: str, following: date) -> None:
    assert week_of(day) == (label, following)


@pytest.mark.parametrize(
    ("day", "label", "following"),
    [
        (date(2026, 2, 28), "2026-02", date(2026, 3, 1)),
        (date(2028, 2, 29), "2028-02", date(2028, 3, 1)),
        (date(2026, 12, 31), "2026-12", date(2027, 1, 1)),
    ],
)
def test_months_are_those_of_the_calendar(day: date, label: str, following: date) -> None:
    assert month_of(day) == (label, following)


@KINDS
@given(dates)
def test_every_day_of_a_part_has_its_label(kind: Kind, day: date) -> None:
    label, following = kind(day)

    assert day < following
    assert kind(following - timedelta(days=1)) == (label, following)
    assert kind(following)[0] != label


def counted(days: list[date], revisions: list[str] | None = None) -> Counted:
    """Days with 2 recordings each; the value is the day of the month, z a tenth of it, unknown on the 1st."""
    return Counted(
        [each.toordinal() for each in days],
        [2] * len(days),
        [float(each.day) for each in days],
        [math.nan if each.day == 1 else each.day / 10 for each in days],
        revisions or ["a"] * len(days),
    )


@KINDS
@given(first=dates, length=st.integers(1, 120), data=st.data())
def test_parts_cover_the_period_and_every_day_once(
    kind: Kind, first: date, length: int, data: st.DataObject
) -> None:
    last = first + timedelta(days=length - 1)
    period = [first + timedelta(days=n) for n in range(length)]
    days = sorted(data.draw(st.sets(st.sampled_from(period))))

    found = buckets(counted(days), kind, first_day=first, last_day=last, natural=lambda value: 2 * value)

    assert [found[0].first_day, found[-1].last_day] == [first, last]
    assert sum(each.days for each in found) == length
    for each, following in pairwise(found):
        assert following.first_day == each.last_day + timedelta(days=1)
    for each in found:
        inside = [day for day in days if each.first_day <= day <= each.last_day]
        judged = [day.day / 10 for day in inside if day.day != 1]
        assert each.label == kind(each.first_day)[0]
        assert (each.recording_days, each.recordings) == (len(inside), 2 * len(inside))
        assert each.coverage == len(inside) / each.days
        assert each.value == (2 * median(day.day for day in inside) if inside else None)
        assert each.z == (pytest.approx(fmean(judged)) if judged else None)
        assert each.bundle_revision == ("a" if inside else None)


def test_what_two_models_said_is_not_mixed() -> None:
    days = [date(2026, 3, day) for day in range(2, 7)]

    [found] = buckets(
        counted(days, ["a", "a", "a", "b", "b"]),
        week_of,
        first_day=date(2026, 3, 2),
        last_day=date(2026, 3, 8),
        natural=lambda value: value,
    )

    assert (found.bundle_revision, found.value) == ("b", 5.5)
    assert found.z == pytest.approx(0.55)
    assert (found.recording_days, found.recordings) == (5, 10)
    assert found.coverage == pytest.approx(5 / 7)
