from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.trends import DayRollup, LatestScore, trend

MONDAY = date(2026, 3, 2)


def rollup(day: date, scores: list[float]) -> DayRollup:
    return DayRollup(
        day=day,
        count=len(scores),
        stress_sum=sum(scores),
        stress_square_sum=sum(score**2 for score in scores),
        stress_min=min(scores),
        stress_max=max(scores),
        anxiety_sum=0.0,
        depressive_sum=0.0,
        baseline_sum=0.0,
    )


def test_days_come_in_order_and_gaps_stay_gaps() -> None:
    rollups = [rollup(MONDAY + timedelta(days=n), [0.1 * n]) for n in (4, 0, 2)]

    found = trend(rollups, first_day=MONDAY, last_day=MONDAY + timedelta(days=6), latest=None)

    assert [day.day for day in found.days] == [MONDAY + timedelta(days=n) for n in (0, 2, 4)]
    assert found.count == 3


def test_days_outside_the_period_are_left_out() -> None:
    rollups = [rollup(MONDAY + timedelta(days=n), [0.5]) for n in range(-1, 3)]

    found = trend(rollups, first_day=MONDAY, last_day=MONDAY + timedelta(days=1), latest=None)

    assert [day.day for day in found.days] == [MONDAY, MONDAY + timedelta(days=1)]


def test_a_busy_day_weighs_no_more_than_a_quiet_one() -> None:
    rollups = [rollup(MONDAY, [0.2]), rollup(MONDAY + timedelta(days=1), [0.8] * 9)]

    found = trend(rollups, first_day=MONDAY, last_day=MONDAY + timedelta(days=6), latest=None)

    assert found.stress_mean == pytest.approx(0.5)


def test_no_recordings_mean_no_mean() -> None:
    found = trend([], first_day=MONDAY, last_day=MONDAY, latest=None)

    assert found.stress_mean is None
    assert found.days == ()
    assert found.count == 0


def test_the_latest_score_may_lie_outside_the_period() -> None:
    latest = LatestScore(recorded_at=datetime(2025, 1, 1, tzinfo=UTC), stress_score=0.4)

    assert trend([], first_day=MONDAY, last_day=MONDAY, latest=latest).latest == latest


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        trend([], first_day=MONDAY, last_day=MONDAY - timedelta(days=1), latest=None)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_running_sums_give_mean_and_spread(scores: list[float]) -> None:
    day = rollup(MONDAY, scores)

    assert day.stress_mean == pytest.approx(statistics.fmean(scores), abs=1e-9)
    assert day.stress_sd == pytest.approx(statistics.stdev(scores), abs=1e-6)


def test_a_single_recording_has_no_spread() -> None:
    assert rollup(MONDAY, [0.5]).stress_sd is None


def test_a_mean_with_an_unknown_part_is_unknown() -> None:
    known = rollup(MONDAY, [0.5, 0.5])
    day = replace(known, anxiety_sum=0.4, depressive_sum=None, baseline_sum=1.2)

    assert day.anxiety_mean == pytest.approx(0.2)
    assert day.depressive_mean is None
    assert day.baseline_mean == pytest.approx(0.6)
