"""Slopes and tests that assume no distribution.

Theil-Sen: the median of the slopes between all pairs of days, and an interval by Sen 1968 (J Am Stat Assoc
63, 1379-1389). Mann-Kendall's test with the variance corrected for autocorrelation by Hamed & Rao 1998 (J
Hydrology 204, 182-196). Both agree with scipy and pymannkendall; the tests hold them to it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from mindtrack_shared.domain.trends.measures import FloatArray

#: Of a normal distribution, 0.975.
_QUANTILE = 1.959963984540054
#: More points are put together by medians first: pairs take memory by the square, 30 MiB for these.
MOST_POINTS = 1000


@dataclass(frozen=True, slots=True)
class Slope:
    """Change of y per unit of x."""

    per_unit: float
    #: 95 % interval; None where so few points allow none.
    low: float | None
    high: float | None
    #: Points; those that were put together count as one.
    points: int


@dataclass(frozen=True, slots=True)
class MannKendall:
    """Whether later weeks tend to be higher (s > 0) or lower than earlier ones."""

    s: float
    #: Standard normal if there is no trend.
    z: float
    #: Two-sided.
    p: float
    weeks: int


def theil_sen(x: FloatArray, y: FloatArray) -> Slope | None:
    """Fit a slope to points in the order of x; None unless two of them differ in x.

    With more than `MOST_POINTS`, runs of equal length are replaced by their medians: time and memory stay
    bounded, and the interval gets wider rather than narrower.
    """
    x, y = _thinned(x, y)
    slopes = _slopes(x, y)
    if not slopes.size:
        return None
    low, high = _interval(slopes, _variance(len(x), x, y))
    return Slope(_middle(slopes), low, high, len(x))


def hamed_rao(y: FloatArray) -> MannKendall | None:
    """Test values that are equally far apart; more than `MOST_POINTS` are put together as for a slope.

    None where there is nothing to test: all are equal, or the autocorrelation leaves no variance.
    """
    _, y = _thinned(y, y)
    n = len(y)
    slopes = _slopes(np.arange(n, dtype=np.float64), y)
    s = float(np.sign(slopes).sum())
    if not slopes.any():
        return None
    ranks = _ranks(y - np.arange(1, n + 1) * _middle(slopes))
    variance = _variance(n, y) * _correction(ranks)
    if not variance > 0:
        return None
    z = (s - math.copysign(1.0, s)) / math.sqrt(variance) if s else 0.0
    return MannKendall(s, z, math.erfc(abs(z) / math.sqrt(2.0)), n)


def _slopes(x: FloatArray, y: FloatArray) -> FloatArray:
    """Slopes between all pairs of points that differ in x, in order."""
    run = x[None, :] - x[:, None]  # (n, n)
    apart = run > 0
    slopes: FloatArray = (y[None, :] - y[:, None])[apart] / run[apart]
    slopes.sort()
    return slopes


def _middle(slopes: FloatArray) -> float:
    return float(0.5 * (slopes[(slopes.size - 1) // 2] + slopes[slopes.size // 2]))


def _thinned(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    length = -(-len(x) // MOST_POINTS)
    if length <= 1:
        return x, y
    runs = range(0, len(x), length)
    return (
        np.array([np.median(x[run : run + length]) for run in runs]),
        np.array([np.median(y[run : run + length]) for run in runs]),
    )


def _variance(n: int, *tied: FloatArray) -> float:
    """Variance of Kendall's score of n points, less what ties take from it (Sen 1968, eq. 2.6)."""
    ties = 0
    for values in tied:
        counts = Counter(values.tolist()).values()
        ties += sum(count * (count - 1) * (2 * count + 5) for count in counts)
    return (n * (n - 1) * (2 * n + 5) - ties) / 18.0


def _interval(slopes: FloatArray, variance: float) -> tuple[float | None, float | None]:
    """Slopes at the ranks that bound the interval; (None, None) if those lie outside of all slopes."""
    half = _QUANTILE * math.sqrt(max(0.0, variance))
    low = round((slopes.size - half) / 2.0) - 1
    high = round((slopes.size + half) / 2.0)
    if low < 0 or high >= slopes.size:
        return None, None
    return float(slopes[low]), float(slopes[high])


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1 on; equal values share their mean."""
    ordered = np.sort(values)
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    found: FloatArray = ((below + up_to + 1) / 2.0).astype(np.float64)
    return found


def _correction(ranks: FloatArray) -> float:
    """How much autocorrelation of the ranks widens the score's variance (Hamed & Rao 1998, eq. 16)."""
    n = len(ranks)
    deviations = ranks - ranks.mean()
    covariance = np.correlate(deviations, deviations, "full")[n - 1 :] / n
    if not covariance[0] > 0:
        return 1.0
    correlation = covariance / covariance[0]
    lags = np.arange(n)
    counted = np.abs(correlation) > _QUANTILE / math.sqrt(n)
    counted[0] = False
    weighted = ((n - lags) * (n - lags - 1) * (n - lags - 2) * correlation)[counted].sum()
    return float(1.0 + 2.0 / (n * (n - 1) * (n - 2)) * weighted)
