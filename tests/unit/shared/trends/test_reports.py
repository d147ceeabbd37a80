from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import theilslopes

from mindtrack_shared.domain.trends import (
    HISTORY,
    METHOD,
    SCALES,
    CaveatCode,
    DayValue,
    Direction,
    Measure,
    NoTest,
    Status,
    TrendReport,
    report,
)
from mindtrack_shared.domain.trends.caveats import SENTENCES
from mindtrack_shared.domain.trends.reports import position
from trend_days import HEADSET, NEXT_MODEL, day, run, usual, value

STRESS = Measure.STRESS_SCORE


def told(
    days: list[DayValue], last: int, *, first: int = 0, measure: Measure = STRESS, indeterminate: int = 0
) -> TrendReport:
    return report(
        days, measure=measure, first_day=day(first), last_day=day(last), indeterminate=indeterminate
    )


def codes(found: TrendReport) -> set[CaveatCode]:
    return {each.code for each in found.caveats}


def test_nothing_at_all() -> None:
    found = told([], 29)

    assert (found.recordings, found.recording_days, found.coverage, found.points) == (0, 0, 0.0, ())
    assert (found.status, found.direction) == (Status.CALIBRATING, Direction.UNCLEAR)
    assert (found.baseline, found.slope, found.seven_day_z) == (None, None, None)
    assert (found.mann_kendall, found.no_test) == (None, NoTest.CALIBRATING)
    assert found.calibration.recordings.missing == METHOD.first_recordings
    assert codes(found) == {CaveatCode.NO_RECORDINGS, CaveatCode.CALIBRATING}
    assert [week.coverage for week in found.weeks] == [0.0] * 5


def test_one_recording() -> None:
    found = told([value(3, 0.0)], 3)

    assert found.recording_days == 1
    assert found.status is Status.CALIBRATING
    assert found.points[0].value == pytest.approx(0.5)
    assert found.points[0].z is None
    assert found.points[0].lower_limit is None
    assert found.direction is Direction.UNCLEAR
    assert codes(found) == {CaveatCode.CALIBRATING}


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        told([], 0, first=1)


def test_what_is_counted_belongs_to_the_period() -> None:
    days = [value(n, 0.0, recordings=2) for n in range(0, 40, 2)]

    found = told(days, 39, first=20)

    assert (found.recordings, found.recording_days, found.days) == (20, 10, 20)
    assert found.coverage == 0.5
    assert found.bundle_revisions == ("model-1",)
    assert found.device_classes == ("phone",)
    assert (
        sum(week.recordings for week in found.weeks) == sum(month.recordings for month in found.months) == 20
    )


def test_values_are_told_in_the_measures_own_unit() -> None:
    found = told(run(usual(60)), 59)
    scale = SCALES[STRESS]

    assert found.baseline is not None
    centre = scale.transform(found.baseline.centre)
    assert scale.transform(found.baseline.low) == pytest.approx(centre - found.baseline.spread)
    assert scale.transform(found.baseline.high) == pytest.approx(centre + found.baseline.spread)
    assert (found.baseline.recordings, found.baseline.recording_days) == (28, 28)
    assert (found.baseline.first_day, found.baseline.last_day) == (day(0), day(27))
    judged = [point for point in found.points if point.z is not None]
    assert len(judged) == 46
    for point in judged:
        assert None not in point
        assert point.centre is not None
        assert point.usual_low is not None
        assert point.usual_high is not None
        assert point.ewma is not None
        assert point.lower_limit is not None
        assert point.upper_limit is not None
        assert point.z is not None
        assert point.ewma_z is not None
        assert point.limit_z is not None
        own = scale.transform(point.centre)
        spread = (scale.transform(point.value) - own) / point.z
        assert scale.transform(point.usual_low) == pytest.approx(own - spread)
        assert scale.transform(point.usual_high) == pytest.approx(own + spread)
        assert scale.transform(point.ewma) == pytest.approx(own + point.ewma_z * spread)
        assert scale.transform(point.lower_limit) == pytest.approx(own - point.limit_z * spread)
        assert scale.transform(point.upper_limit) == pytest.approx(own + point.limit_z * spread)


@pytest.mark.parametrize(
    ("rise", "expected"),
    [
        (0.0, Status.WITHIN_RANGE),
        (1.1, Status.ABOVE),
        (4.0, Status.WELL_ABOVE),
        (-1.4, Status.BELOW),
        (-4.0, Status.BELOW),
    ],
)
def test_the_status_is_where_the_last_days_lie(rise: float, expected: Status) -> None:
    days = run([*usual(50), *(rise + 0.3 * each for each in usual(10, seed=1))])

    assert told(days, 59).status is expected


@pytest.mark.parametrize("measure", list(Measure))
def test_the_same_ladder_for_every_measure(measure: Measure) -> None:
    """Position, not judgement: a raised baseline index is above the usual range, too."""
    scale = 10 * SCALES[measure].least_spread
    days = run([*usual(50, scale=scale), *(4 * scale + each for each in usual(10, scale=scale))])

    assert told(days, 59, measure=measure).status is Status.WELL_ABOVE


def test_the_status_takes_the_limit_and_the_last_week() -> None:
    assert position(1.01, 1.0, 0.8, METHOD) is Status.ABOVE
    assert position(1.0, 1.0, 0.8, METHOD) is Status.WITHIN_RANGE
    assert position(1.01, 1.0, 0.79, METHOD) is Status.WITHIN_RANGE
    assert position(1.01, 1.0, 1.6, METHOD) is Status.WELL_ABOVE
    assert position(1.0, 1.0, 5.0, METHOD) is Status.WITHIN_RANGE
    assert position(-1.01, 1.0, -0.8, METHOD) is Status.BELOW
    assert position(-1.0, 1.0, -0.8, METHOD) is Status.WITHIN_RANGE
    assert position(-1.01, 1.0, -0.79, METHOD) is Status.WITHIN_RANGE


def test_a_status_needs_three_judged_days_in_a_week() -> None:
    before = run(usual(40))

    three = told([*before, *(value(n, 0.0) for n in (51, 54, 57))], 57)
    two = told([*before, *(value(n, 0.0) for n in (50, 54, 57))], 57)

    assert (three.status, three.seven_day_count) == (Status.WITHIN_RANGE, 3)
    assert (two.status, two.seven_day_count) == (Status.NO_STATUS, 2)
    assert two.seven_day_z is not None
    assert CaveatCode.FEW_RECENT_DAYS in codes(two)
    assert CaveatCode.FEW_RECENT_DAYS not in codes(three)


def test_after_a_week_of_silence_there_is_no_status_whatever_was_before() -> None:
    days = run([*usual(40), *[4.0] * 10])

    assert told(days, 49).status is Status.WELL_ABOVE
    assert (told(days, 57).status, told(days, 57).seven_day_z) == (Status.NO_STATUS, None)


def test_calibration_ends_with_the_day_that_completes_it() -> None:
    days = run(usual(20))

    assert told(days, 12).status is Status.CALIBRATING
    assert told(days, 13).status is Status.NO_STATUS  # known, and nothing judged yet
    assert told(days, 16).status is Status.WITHIN_RANGE
    assert not told(days, 12).calibration.complete
    assert told(days, 13).calibration.complete


def test_a_new_device_is_calibrated_again() -> None:
    days = run(usual(40)) + run(usual(6, seed=1), first=40, origin=HEADSET)

    found = told(days, 45)

    assert found.status is Status.CALIBRATING
    assert found.calibration.recording_days.have == 6
    assert codes(found) == {
        CaveatCode.CALIBRATING,
        CaveatCode.DEVICE_CHANGE,
        CaveatCode.DEVICE_NOT_JUDGED,
    }


def test_a_new_model_starts_the_chart_anew() -> None:
    days = run(usual(40)) + run([5.0] * 6, first=40, origin=NEXT_MODEL)

    found = told(days, 45)

    assert found.status is Status.CALIBRATING
    assert found.bundle_revisions == ("model-1", "model-2")
    assert [point.bundle_revision for point in found.points] == ["model-1"] * 40 + ["model-2"] * 6
    assert found.points[39].z is not None
    assert {CaveatCode.MODEL_CHANGE, CaveatCode.CALIBRATING} <= codes(found)


def test_the_slope_is_that_of_days_by_the_model_in_use() -> None:
    days = run([9.0] * 30) + run(usual(60, seed=2), first=30, origin=NEXT_MODEL)

    found = told(days, 89)

    assert found.slope is not None
    assert found.slope.recording_days == 60
    assert found.direction is not Direction.FALLING


def test_the_slope_is_that_of_scipy_per_week() -> None:
    values = [0.02 * n + each for n, each in enumerate(usual(90))]
    found = told(run(values), 89, first=30)
    expected = theilslopes(values[30:], np.arange(60) / 7)

    assert found.slope is not None
    assert (found.slope.per_week, found.slope.low, found.slope.high) == pytest.approx(
        (expected.slope, expected.low_slope, expected.high_slope)
    )
    assert found.baseline is not None
    scale = SCALES[STRESS]
    centre = scale.transform(found.baseline.centre)
    assert found.slope.change == pytest.approx(scale.inverse(centre + expected.slope) - found.baseline.centre)
    assert found.slope.change_low is not None
    assert found.slope.change_high is not None
    assert found.slope.change_low < found.slope.change < found.slope.change_high


@pytest.mark.parametrize(
    ("per_day", "scale", "expected"),
    [
        (0.1, 1.0, Direction.RISING),
        (-0.1, 1.0, Direction.FALLING),
        (0.0, 0.0, Direction.STEADY),
    ],
)
def test_the_direction_of_the_slope(per_day: float, scale: float, expected: Direction) -> None:
    values = [per_day * n + each for n, each in enumerate(usual(60, scale=scale))]

    assert told(run(values), 59).direction is expected


def test_a_direction_is_unclear_where_a_slope_might_be_anything() -> None:
    """Two weeks of a steady person: nobody can say."""
    assert told(run(usual(60, seed=1)), 59, first=46).direction is Direction.UNCLEAR


def test_steady_means_that_the_slope_is_known_to_be_small() -> None:
    days = run(usual(150))
    found = told(days, 149)

    assert found.slope is not None
    assert found.slope.low is not None
    assert found.slope.high is not None
    assert found.baseline is not None
    assert found.slope.low <= 0 <= found.slope.high
    widest = max(-found.slope.low, found.slope.high) / found.baseline.spread
    assert found.direction is Direction.STEADY
    narrow = replace(METHOD, steady_per_week=0.99 * widest)
    assert (
        report(days, measure=STRESS, first_day=day(0), last_day=day(149), method=narrow).direction
        is Direction.UNCLEAR
    )


def test_a_few_days_have_no_direction_however_steep() -> None:
    days = run(usual(40)) + [value(n, float(n)) for n in (60, 62, 64, 66)]

    found = told(days, 66, first=60)

    assert found.slope is not None
    assert found.slope.low is None
    assert found.direction is Direction.UNCLEAR
    assert CaveatCode.FEW_DAYS in codes(found)
    assert CaveatCode.FEW_DAYS not in codes(told(days, 66, first=30))


def test_the_test_for_trends_needs_eight_weeks() -> None:
    days = run(usual(70))

    seven = told(days, 69, first=21)
    eight = told(days, 69, first=14)

    assert (seven.mann_kendall, seven.no_test) == (None, NoTest.FEW_WEEKS)
    assert eight.mann_kendall is not None
    assert (eight.mann_kendall.weeks, eight.no_test) == (8, None)


def test_equal_weeks_cannot_be_tested() -> None:
    found = told(run([0.3] * 90), 89)

    assert (found.mann_kendall, found.no_test) == (None, NoTest.NO_VARIANCE)
    assert found.direction is Direction.STEADY
    assert found.status is Status.WITHIN_RANGE
    assert found.seven_day_z == pytest.approx(0.0)


def test_another_device_is_no_slope() -> None:
    """A headset that sounds two standard deviations higher, from the middle of the period on."""
    days = run(usual(60)) + run([2.0 + each for each in usual(60, seed=1)], first=60, origin=HEADSET)

    found = told(days, 119, first=30)

    assert found.slope is not None
    assert abs(found.slope.per_week) < 0.1
    assert found.direction is not Direction.RISING
    assert found.device_classes == ("phone", "headset")


def test_weeks_without_recordings_are_a_gap() -> None:
    before, after = run(usual(40)), run(usual(20, seed=1), first=55)

    assert CaveatCode.GAP in codes(told(before + after, 74))
    assert CaveatCode.GAP not in codes(told(before + after[1:], 74, first=55))
    assert CaveatCode.GAP not in codes(told(before + run(usual(20), first=54), 73))
    assert CaveatCode.GAP in codes(told(before, 54))
    assert CaveatCode.GAP in codes(told(before + after, 74, first=40))
    # Days before the very first recording are no gap.
    assert CaveatCode.GAP not in codes(told(after, 74))


def test_a_gap_of_weeks_leaves_buckets_empty_and_the_rest_as_it_is() -> None:
    found = told(run(usual(40)) + run(usual(20, seed=1), first=75), 94)

    assert [week.value for week in found.weeks].count(None) == 4
    assert found.status is Status.WITHIN_RANGE


def test_what_was_left_out_is_told() -> None:
    assert CaveatCode.INDETERMINATE_EXCLUDED in codes(told(run(usual(30)), 29, indeterminate=1))
    assert CaveatCode.INDETERMINATE_EXCLUDED not in codes(told(run(usual(30)), 29))


def test_a_baseline_of_months_ago_is_told() -> None:
    days = run(usual(30))

    assert CaveatCode.OLD_BASELINE in codes(told(days, 29 + 91))
    assert CaveatCode.OLD_BASELINE not in codes(told(days, 29 + 90))


def test_every_caveat_has_a_sentence() -> None:
    assert set(SENTENCES) == set(CaveatCode)
    for sentence in SENTENCES.values():
        assert sentence.endswith(".")
        assert sentence[0].isupper()


@given(st.lists(st.booleans(), min_size=60, max_size=250), st.integers(0, 10), st.data())
@settings(max_examples=25, deadline=None)
def test_periods_of_different_lengths_tell_the_same_story(
    recorded: list[bool], seed: int, data: st.DataObject
) -> None:
    values = usual(len(recorded), seed=seed)
    days = [value(n, each) for n, each in enumerate(values) if recorded[n]]
    last = len(recorded) - 1
    first = data.draw(st.integers(0, last))

    long, short = told(days, last), told(days, last, first=first)

    assert (long.status, long.baseline, long.seven_day_z) == (short.status, short.baseline, short.seven_day_z)
    assert short.points == tuple(point for point in long.points if point.day >= day(first))


def test_so_much_history_says_what_all_of_it_says() -> None:
    days = [value(n, each) for n, each in enumerate(usual(400)) if n % 7 < 5]
    first = day(310)

    known = told(days, 399, first=310)
    [*recent] = (each for each in days if each.day >= first - HISTORY)
    found = told(recent, 399, first=310)

    assert found.status is known.status
    assert found.baseline == known.baseline
    for ours, theirs in zip(found.points, known.points, strict=True):
        assert ours.z == theirs.z
        assert ours.ewma_z == pytest.approx(theirs.ewma_z, abs=1e-5)


def test_ten_thousand_days_take_a_moment() -> None:
    days = run(usual(10_000))

    began = time.process_time()
    found = told(days, 9_999)

    assert time.process_time() - began < 10
    assert len(found.points) == 10_000
    assert found.slope is not None
    assert found.mann_kendall is not None


def test_a_report_is_quick() -> None:
    """Of 90 days with 250 of history. It takes 1.6 ms; the bound forgives a busy machine."""
    days = run(usual(250))

    def once() -> float:
        began = time.process_time()
        told(days, 249, first=160)
        return time.process_time() - began

    assert min(once() for _ in range(30)) < 6e-3


def test_the_last_day_counts_and_the_day_after_does_not() -> None:
    days = run(usual(40))

    assert told(days, 29).points[-1].day == day(29)
    assert told(days, 29) == told(days[:30], 29)
    assert told(days, 29, first=29).recording_days == 1
    assert told(days, 29).last_day - told(days, 29).first_day == timedelta(days=29)
