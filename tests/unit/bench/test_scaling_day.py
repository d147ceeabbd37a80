from __future__ import annotations

import numpy as np
import pytest
from bench.scaling.day import BULK_SHARE, DAY, HOUR, draw

RECORDINGS = 200_000


def test_a_day_has_as_many_recordings_as_it_should_in_the_order_of_arrival() -> None:
    day = draw(RECORDINGS, seed=1)
    assert day.interactive.arrivals.size + day.bulk.arrivals.size == RECORDINGS
    assert day.bulk.lengths.size == RECORDINGS * BULK_SHARE
    for lane in (day.interactive, day.bulk):
        assert (np.diff(lane.arrivals) >= 0).all()
        assert lane.arrivals[0] >= 0
        assert lane.arrivals[-1] < DAY


def test_lengths_are_those_of_short_logs_and_of_long_recordings() -> None:
    day = draw(RECORDINGS, seed=1)
    assert np.median(day.interactive.lengths) == 10, "the windows of 8 s"
    assert day.interactive.lengths.min() == 5
    assert day.interactive.lengths.max() == 60
    assert 120 <= day.bulk.lengths.min() <= day.bulk.lengths.max() <= 3600


def test_sizes_tell_lengths_on_average_and_not_one_by_one() -> None:
    day = draw(RECORDINGS, seed=1)
    ratios = day.interactive.estimates / day.interactive.lengths
    assert day.interactive.estimates.mean() == pytest.approx(10.2, rel=0.01), "of audio, not of windows"
    assert day.bulk.estimates.sum() == pytest.approx(day.bulk.lengths.sum(), rel=0.05)
    assert ratios.std() > 0.2


def test_more_is_recorded_in_the_morning_and_the_evening() -> None:
    arrivals = np.concatenate([draw(RECORDINGS, seed).interactive.arrivals for seed in range(10)])
    by_hour = np.bincount((arrivals // HOUR).astype(int))
    assert by_hour[8] > 2 * by_hour[3]
    assert by_hour[20] > by_hour[8] > by_hour[13]


def test_a_seed_tells_all() -> None:
    one, same, other = draw(1000, seed=1), draw(1000, seed=1), draw(1000, seed=2)
    np.testing.assert_array_equal(one.interactive.arrivals, same.interactive.arrivals)
    np.testing.assert_array_equal(one.bulk.losses, same.bulk.losses)
    assert not np.array_equal(one.interactive.arrivals, other.interactive.arrivals)
