from __future__ import annotations

import time
import tracemalloc
import warnings

import numpy as np
import pymannkendall
import pytest
from scipy.stats import theilslopes

from mindtrack_shared.domain.trends import hamed_rao, theil_sen
from mindtrack_shared.domain.trends.measures import FloatArray
from mindtrack_shared.domain.trends.slopes import MOST_POINTS


def random_series(seed: int) -> tuple[FloatArray, FloatArray]:
    """Walks, noise and heavily tied steps; every other one with ties in x."""
    drawn = np.random.default_rng(seed)
    size = int(drawn.integers(8, 80))
    x = np.sort(drawn.choice(200, size, replace=bool(seed % 2))).astype(np.float64)
    y = [
        drawn.normal(size=size).cumsum(),
        drawn.normal(size=size),
        drawn.integers(0, 5, size).astype(np.float64),
    ][seed % 3]
    return x, y


@pytest.mark.parametrize("seed", range(200))
def test_slope_and_interval_are_those_of_scipy(seed: int) -> None:
    x, y = random_series(seed)
    expected = theilslopes(y, x)

    found = theil_sen(x, y)

    assert found is not None
    assert (found.per_unit, found.low, found.high) == pytest.approx(
        (expected.slope, expected.low_slope, expected.high_slope), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(200))
def test_the_test_for_trends_is_that_of_pymannkendall(seed: int) -> None:
    _, y = random_series(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = pymannkendall.hamed_rao_modification_test(y)

    found = hamed_rao(y)

    if found is None:
        assert not expected.var_s > 0
    else:
        assert (found.s, found.z, found.p) == pytest.approx((expected.s, expected.z, expected.p), abs=1e-12)
        assert found.weeks == len(y)


def test_one_point_has_no_slope() -> None:
    assert theil_sen(np.array([3.0]), np.array([1.0])) is None
    assert theil_sen(np.array([]), np.array([])) is None


def test_points_at_one_place_have_no_slope() -> None:
    assert theil_sen(np.array([3.0, 3.0]), np.array([1.0, 2.0])) is None


@pytest.mark.parametrize("points", [2, 3, 4])
def test_a_few_points_have_a_slope_without_an_interval(points: int) -> None:
    """No order of four points is rare enough: 2 / 4! is more than 0.05."""
    x = np.arange(points, dtype=np.float64)

    found = theil_sen(x, 2.0 * x)

    assert found is not None
    assert (found.per_unit, found.low, found.high) == (2.0, None, None)


def test_a_constant_series_has_no_slope_for_certain_and_no_test() -> None:
    found = theil_sen(np.arange(10.0), np.full(10, 0.3))

    assert found is not None
    assert (found.per_unit, found.low, found.high) == (0.0, 0.0, 0.0)
    assert hamed_rao(np.full(10, 0.3)) is None


def test_one_wild_day_does_not_tilt_the_slope() -> None:
    y = 0.1 * np.arange(30.0)
    y[-1] = 1000.0

    found = theil_sen(np.arange(30.0), y)

    assert found is not None
    assert found.per_unit == pytest.approx(0.1)


def test_ten_thousand_points_take_bounded_memory_and_time() -> None:
    drawn = np.random.default_rng(1)
    x = np.arange(10_000.0)
    y = 0.01 * x + drawn.normal(size=x.size)
    tracemalloc.start()
    began = time.perf_counter()
    found = theil_sen(x, y)
    took, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found is not None
    assert found.points == MOST_POINTS
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.01 < found.high
    assert found.per_unit == pytest.approx(0.01, abs=1e-4)
    assert peak < 64 * 2**20  # 400 MB of slopes otherwise
    assert took < 5


def test_a_few_more_than_the_most_points_are_put_together_in_pairs() -> None:
    x = np.arange(MOST_POINTS + 1.0)

    found = theil_sen(x, 3.0 * x)

    assert found is not None
    assert found.points == MOST_POINTS // 2 + 1
    assert found.per_unit == pytest.approx(3.0)
