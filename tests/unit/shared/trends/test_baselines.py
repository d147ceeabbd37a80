from __future__ import annotations

from dataclasses import replace
from statistics import fmean, median, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.trends import METHOD, DayValue
from mindtrack_shared.domain.trends.baselines import Baselines, baselines, calibration, series
from trend_days import MONDAY, day, run, usual, value

FLOOR = 0.25
FIRST = MONDAY.toordinal()


def judged(days: list[DayValue], last: int) -> Baselines:
    return baselines(series(days), day(last), least_spread=FLOOR, method=METHOD)


def known(days: list[DayValue], last: int) -> bool:
    """Whether there is a baseline at the end of the day of that number."""
    return int(judged(days, last).recording_days[-1]) > 0


def on(*numbers: int, recordings: int = 1) -> list[DayValue]:
    return [value(number, 0.0, recordings=recordings) for number in numbers]


@pytest.mark.parametrize(
    ("days", "last", "complete"),
    [
        (on(0, 1, 2, 3, 4, 5, 6, 7), 13, True),
        (on(0, 1, 2, 3, 4, 5, 6, 7), 12, False),
        (on(0, 1, 2, 3, 4, 5, 6), 13, False),
        (on(0, 1, 2, 3, 13, recordings=2), 13, True),
        (on(0, 1, 2, 13, recordings=9), 13, False),
        (on(0, 10, 20, 30, 40, 50, 60, 70), 70, True),
        (on(0, 10, 20, 30, 40, 50, 60), 70, False),
        (on(13), 13, False),
    ],
    ids=[
        "enough",
        "13 days",
        "7 recordings",
        "5 days, 10 recordings",
        "4 days",
        "every tenth day",
        "every tenth day, 7 recordings",
        "one",
    ],
)
def test_a_first_baseline_needs_days_recording_days_and_recordings(
    days: list[DayValue],
    last: int,
    complete: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert known(days, last) is complete
    assert calibration(series(days), day(last), METHOD).complete is complete


def test_what_is_missing_is_counted() -> None:
    found = calibration(series(on(0, 2, 3)), day(4), METHOD)

    assert (found.span_days.have, found.span_days.need, found.span_days.missing) == (5, 14, 9)
    assert (found.recording_days.have, found.recording_days.need, found.recording_days.missing) == (3, 5, 2)
    assert (found.recordings.have, found.recordings.need, found.recordings.missing) == (3, 8, 5)
    assert calibration(series(on(0, 30)), day(30), METHOD).span_days.missing == 0


def test_after_a_long_silence_a_baseline_begins_anew() -> None:
    before = on(*range(28))
    silent = METHOD.silence_days

    assert known([*before, *on(27 + silent)], 27 + silent)
    assert not known([*before, *on(27 + silent + 1)], 27 + silent + 1)
    assert (
        calibration(series([*before, *on(27 + silent + 1)]), day(27 + silent + 1), METHOD).span_days.have == 1
    )


def window(days: list[DayValue], number: int) -> list[int]:
    """Numbers of the days that the day of this number is judged by, from the rule as it is written down.

    For days without a long silence.
    """
    numbers = [(each.day - MONDAY).days for each in days]
    counts = np.cumsum([each.recordings for each in days])
    enough = [n for n, count in zip(numbers, counts, strict=True) if count >= 8]
    if len(numbers) < 5 or not enough:
        return []
    complete = max(numbers[4], enough[0], numbers[0] + 13)
    if number <= complete:
        return []
    grown = max(numbers[0] + 27, complete)
    newest = number - 14
    if newest < max(grown, numbers[0] + 59):
        return [n for n in numbers if n <= min(number - 1, grown)]
    recent = [n for n in numbers if newest - 60 < n <= newest]
    return recent if len(recent) >= 14 else [n for n in numbers if n <= newest][-14:]


gaps = st.lists(st.integers(1, 12), min_size=1, max_size=70)


@given(gaps, st.data())
def test_windows_are_those_of_the_rule(steps: list[int], data: st.DataObject) -> None:
    numbers = np.cumsum([0, *steps]).tolist()
    counts = data.draw(st.lists(st.integers(1, 3), min_size=len(numbers), max_size=len(numbers)))
    days = [value(n, 0.1 * n, recordings=count) for n, count in zip(numbers, counts, strict=True)]

    found = judged(days, numbers[-1])

    for place, number in enumerate([*numbers, numbers[-1] + 1]):
        expected = window(days, number)
        assert numbers[found.start[place] : found.stop[place]] == expected


@given(st.lists(st.floats(-5, 5), min_size=30, max_size=90))
def test_centre_and_spread_are_mean_and_deviation_of_clipped_days(values: list[float]) -> None:
    found = judged(run(values), len(values) - 1)

    for place in range(14, len(values)):
        behind = values[found.start[place] : found.stop[place]]
        middle = median(behind)
        mad = 1.4826 * median([abs(each - middle) for each in behind])
        reach = 2.5 * max(mad, FLOOR)
        clipped = [min(max(each, middle - reach), middle + reach) for each in behind]
        n = len(behind)
        assert found.centre[place] == pytest.approx(fmean(clipped), abs=1e-9)
        assert found.spread[place] == pytest.approx(max(stdev(clipped) * n / (n - 0.8), FLOOR), abs=1e-6)


def test_a_day_is_not_judged_by_itself() -> None:
    steady = usual(40)
    wild = [*steady[:-1], 100.0]

    first, second = judged(run(steady), 39), judged(run(wild), 39)

    assert first.centre[39] == second.centre[39]
    assert first.spread[39] == second.spread[39]


def test_one_wild_day_hardly_moves_the_baseline() -> None:
    """A mean would move by 5 and a standard deviation by 22."""
    steady = usual(20)
    wild = [*steady[:10], 100.0, *steady[11:]]

    first, second = judged(run(steady), 19), judged(run(wild), 19)

    assert second.centre[-1] == pytest.approx(first.centre[-1], abs=0.25)
    assert second.spread[-1] == pytest.approx(first.spread[-1], rel=0.25)


def test_very_even_days_are_not_taken_for_very_precise_ones() -> None:
    found = judged(run([0.7] * 30), 29)

    assert found.centre[-1] == pytest.approx(0.7)
    assert found.spread[-1] == FLOOR


@pytest.mark.parametrize("days", [8, 14, 20, 43])
def test_the_spread_is_right_on_average(days: int) -> None:
    """Of normal days, whatever their number; without the correction it is 10 % too small for 8 of them."""
    drawn = np.random.default_rng(3).normal(size=(2000, days))
    method = replace(METHOD, first_span_days=1, first_days=days)

    spreads = [
        baselines(series(run(row)), day(days - 1), least_spread=0.0, method=method).spread[-1]
        for row in drawn.tolist()
    ]

    assert np.mean(spreads) == pytest.approx(1.0, abs=0.02)


def test_a_slow_rise_does_not_become_usual_at_once() -> None:
    rising = run([0.0] * 80 + [0.05 * n for n in range(60)])

    found = judged(rising, 139)

    # Half a window and two weeks behind.
    assert found.centre[-1] == pytest.approx(0.05 * (60 - 30 - 14), abs=0.2)
