from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindtrack_shared.domain.trends import METHOD, Chart, DayValue, Measure, Origin, charts
from mindtrack_shared.domain.trends.chart import limits, moving_average
from trend_days import HEADSET, NEXT_MODEL, PHONE, day, run, usual, value

STRESS = Measure.STRESS_SCORE


def chart(days: list[DayValue], last: int) -> Chart:
    return list(charts(days, measure=STRESS, last_day=day(last)).values())[-1]


def numbers_of(text: str) -> list[float]:
    return [float(each) for each in text.split()]


# Montgomery, Introduction to Statistical Quality Control, ch. 9: mean 10, sigma 1, weight 0.1, width 2.7.
MONTGOMERY = numbers_of("""
    9.45 7.99 9.29 11.66 12.16 10.18 8.04 11.46 9.20 10.34 9.03 11.47 10.51 9.40 10.08
    9.37 10.62 10.31 8.52 10.84 10.90 9.33 12.29 11.50 10.60 11.08 10.38 11.62 11.31 10.52
""")
MONTGOMERY_EWMA = numbers_of("""
    9.945 9.7495 9.70355 9.8992 10.1253 10.1307 9.92167 10.0755 9.98796 10.0232 9.92384 10.0785 10.1216
    10.0495 10.0525 9.98426 10.0478 10.074 9.91864 10.0108 10.0997 10.0227 10.2495 10.3745 10.3971 10.4654
    10.4568 10.5731 10.6468 10.6341
""")
# NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.4: mean 50, sigma 2.0539, weight 0.3, width 3.
NIST = numbers_of("""
    52.0 47.0 53.0 49.3 50.1 47.0 51.0 50.1 51.2 50.5 49.6 47.6 49.9 51.3 47.8 51.2 52.6 52.4 53.6 52.1
""")
NIST_EWMA = numbers_of("""
    50.60 49.52 50.56 50.18 50.16 49.21 49.75 49.85 50.26 50.33 50.11 49.36 49.52 50.05 49.38 49.92 50.73
    51.23 51.94 51.99
""")


def test_the_chart_is_that_of_montgomerys_example() -> None:
    z = np.array(MONTGOMERY) - 10.0

    average, variance = moving_average(z, [False] * len(z), 0.1)
    limit = limits(variance, np.zeros(len(z)), 2.7)

    assert (10.0 + average).tolist() == pytest.approx(MONTGOMERY_EWMA, abs=1e-4)
    assert [10.0 + limit[0], 10.0 + limit[1], 10.0 + limit[-1]] == pytest.approx(
        [10.27, 10.36, 10.62], abs=5e-3
    )
    # The book's chart signals in the last two samples.
    assert np.flatnonzero(average > limit).tolist() == [28, 29]


def test_the_chart_is_that_of_the_engineering_statistics_handbook() -> None:
    z = (np.array(NIST) - 50.0) / 2.0539

    average, variance = moving_average(z, [False] * len(z), 0.3)
    limit = limits(variance, np.zeros(len(z)), 3.0)

    assert (50.0 + 2.0539 * average).tolist() == pytest.approx(NIST_EWMA, abs=6e-3)
    assert 50.0 + 2.0539 * limit[-1] == pytest.approx(52.5884, abs=2e-3)
    assert 50.0 - 2.0539 * limit[-1] == pytest.approx(47.4115, abs=2e-3)


@given(st.floats(0.05, 1.0), st.integers(1, 60))
def test_the_variance_is_lucas_and_saccuccis(weight: float, days: int) -> None:
    _, variance = moving_average(np.zeros(days), [False] * days, weight)

    expected = weight / (2 - weight) * (1 - (1 - weight) ** (2 * days))
    assert variance[-1] == pytest.approx(expected)


def test_the_baselines_own_uncertainty_widens_the_limits() -> None:
    limit = limits(np.array([0.1]), np.array([1.6 / 20]), 2.2)

    assert limit[0] == pytest.approx(2.2 * math.sqrt(0.1 + 0.08))


def test_z_moving_average_and_limits_follow_from_the_baseline() -> None:
    days = run(usual(60))
    found = chart(days, 59)
    usual_ = found.current.usual
    variance = 0.0
    average = 0.0

    assert np.flatnonzero(found.judged).tolist() == list(range(14, 60))
    for place in range(14, 60):
        z = (days[place].value - usual_.centre[place]) / usual_.spread[place]
        average = 0.8 * average + 0.2 * z
        variance = 0.64 * variance + 0.04
        n = usual_.stop[place] - usual_.start[place]
        assert found.z[place] == pytest.approx(z)
        assert found.ewma[place] == pytest.approx(average)
        assert found.limit[place] == pytest.approx(2.2 * math.sqrt(variance + 1.6 / n))
        assert found.recent_z[place] == pytest.approx(np.nanmean(found.z[place - 6 : place + 1]))
        assert found.recent_count[place] == min(7, place - 13)


numbers = st.lists(st.integers(0, 120), min_size=1, max_size=60, unique=True).map(sorted)
origins = st.sampled_from([PHONE, HEADSET, NEXT_MODEL, Origin("model-2", "headset")])


@st.composite
def histories(draw: st.DrawFn) -> list[DayValue]:
    """Days with gaps, on two device classes and two models in any order, some days on several."""
    found = []
    for number in draw(numbers):
        for origin in draw(st.lists(origins, min_size=1, max_size=3, unique=True)):
            seconds = draw(st.sampled_from([5.0, 30.0, 90.0]))
            recorded = draw(st.integers(1, 3))
            found.append(
                value(number, draw(st.floats(-3, 3)), origin=origin, recordings=recorded, seconds=seconds)
            )
    return found


@given(histories(), st.data())
@settings(max_examples=60, deadline=None)
def test_what_comes_later_changes_nothing(days: list[DayValue], data: st.DataObject) -> None:
    last = data.draw(st.integers(0, 120))
    then = charts(days, measure=STRESS, last_day=day(last))
    now = charts(days, measure=STRESS, last_day=day(120))

    for revision, found in then.items():
        kept = len(found.day)
        for name in ("day", "recordings", "value", "z", "ewma", "limit", "recent_z", "recent_count"):
            before, after = getattr(found, name), getattr(now[revision], name)[:kept]
            assert np.allclose(before, after, equal_nan=True)


@given(histories())
@settings(max_examples=30, deadline=None)
def test_the_order_in_which_days_are_given_does_not_matter(days: list[DayValue]) -> None:
    first = charts(days, measure=STRESS, last_day=day(120))
    second = charts(days[::-1], measure=STRESS, last_day=day(120))

    assert list(first) == list(second)
    for revision, found in first.items():
        assert np.allclose(found.ewma, second[revision].ewma, equal_nan=True)


def test_after_two_weeks_without_recordings_the_average_starts_anew() -> None:
    before = run([*usual(30), 3.0, 3.0, 3.0])

    same = chart([*before, value(46, 0.0)], 46)
    anew = chart([*before, value(47, 0.0)], 47)

    assert same.ewma[-1] == pytest.approx(0.8 * same.ewma[-2] + 0.2 * same.z[-1])
    assert anew.ewma[-1] == pytest.approx(0.2 * anew.z[-1])
    assert anew.limit[-1] < same.limit[-1]


def test_a_new_model_has_a_chart_of_its_own() -> None:
    days = run(usual(40)) + run([4.0, 5.0], first=40, origin=NEXT_MODEL)

    found = charts(days, measure=STRESS, last_day=day(41))

    assert list(found) == ["model-1", "model-2"]
    assert found["model-1"].day[-1] == day(39).toordinal()
    assert not found["model-2"].judged.any()


def test_of_a_day_with_two_models_the_one_with_more_speech_counts() -> None:
    days = [
        *run(usual(40)),
        value(40, 0.5, seconds=20.0),
        value(40, 4.0, origin=NEXT_MODEL, seconds=10.0),
        value(41, 0.5, seconds=10.0),
        value(41, 4.0, origin=NEXT_MODEL, seconds=20.0),
    ]

    found = charts(days, measure=STRESS, last_day=day(41))

    assert found["model-1"].day[-1] == day(40).toordinal()
    assert found["model-2"].day.tolist() == [day(41).toordinal()]


def test_a_model_that_is_taken_back_goes_on_where_it_was() -> None:
    days = run(usual(40)) + run([4.0], first=40, origin=NEXT_MODEL) + run([0.1], first=41)

    found = charts(days, measure=STRESS, last_day=day(41))

    assert list(found) == ["model-2", "model-1"]
    assert found["model-1"].judged[-1]


def test_a_new_kind_of_device_counts_once_it_has_a_baseline_of_its_own() -> None:
    phone, headset = usual(40), usual(20, seed=1)
    days = run(phone) + run([3.0 + each for each in headset], first=40, origin=HEADSET)

    found = chart(days, 59)

    assert np.flatnonzero(found.judged).tolist() == [*range(14, 40), *range(54, 60)]
    assert abs(found.z[54:]).max() < 3  # 3 is what a headset adds
    assert found.current_class == "headset"


def test_a_day_on_two_devices_is_weighted_by_seconds_of_speech() -> None:
    days = run(usual(30)) + run([3.0 + each for each in usual(30, seed=1)], origin=HEADSET)
    both = [value(30, 1.0, seconds=30.0), value(30, 3.0, origin=HEADSET, seconds=10.0)]

    found = chart(days + both, 30)
    alone = [chart([*days, each], 30).z[-1] for each in both]
    baselines = [each.usual.recording_days[-2] for each in found.classes.values()]

    assert found.z[-1] == pytest.approx(0.75 * alone[0] + 0.25 * alone[1])
    assert found.value[-1] == pytest.approx(1.5)
    assert found.recordings[-1] == 2
    ours = (found.limit[-1] / 2.2) ** 2
    variance = 0.2 / 1.8 * (1 - 0.8 ** (2 * 17))
    assert ours == pytest.approx(
        variance + 0.75**2 * 1.6 / baselines[0] + 0.25**2 * 1.6 / baselines[1], rel=1e-6
    )


def test_a_day_partly_on_an_unknown_device_is_judged_by_the_rest() -> None:
    days = [*run(usual(30)), value(30, 1.0), value(30, 9.0, origin=HEADSET)]

    assert chart(days, 30).z[-1] == pytest.approx(chart(days[:-1], 30).z[-1])


def test_two_values_of_one_origin_on_a_day_are_refused() -> None:
    with pytest.raises(ValueError, match="two values"):
        chart([value(0, 0.0), value(0, 1.0)], 0)


def test_days_after_the_last_are_not_looked_at() -> None:
    days = run(usual(40))

    assert charts(days, measure=STRESS, last_day=day(0) - timedelta(days=1)) == {}
    assert len(chart(days, 20).day) == 21


def test_numbers_of_the_method_can_be_changed() -> None:
    days = run(usual(40))

    [found] = charts(days, measure=STRESS, last_day=day(39), method=replace(METHOD, weight=1.0)).values()

    assert np.allclose(found.ewma, found.z, equal_nan=True)
