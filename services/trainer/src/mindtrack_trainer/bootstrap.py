"""How far a figure may be trusted, when clips of one speaker resemble each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Indices = NDArray[np.intp]  # (clips,)

RESAMPLES = 1_000
CONFIDENCE = 0.95
#: An interval over fewer says more about the draw than about the model.
FEWEST_SPEAKERS = 5

_SEED = 2026
_DECIMALS = 4


class Interval(BaseModel):
    """A figure with its bounds; None where it is undefined, bounds also where speakers are too few."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None
    low: float | None = None
    high: float | None = None


def intervals(
    speakers: Sequence[str], statistic: Callable[[Indices], dict[str, float]], resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Measure, then measure again on speakers drawn with replacement (cluster bootstrap).

    `speakers` names each clip's; `statistic` turns indices of clips into figures. The bounds are percentiles
    (Efron & Tibshirani 1993, chapter 13) and the same at every call. A resample in which a figure is NaN
    does not count for it.
    """
    values = statistic(np.arange(len(speakers)))
    members = _members(speakers)
    if len(members) < FEWEST_SPEAKERS:
        return {name: Interval(value=_rounded(value)) for name, value in values.items()}
    draws = np.random.default_rng(_SEED).integers(len(members), size=(resamples, len(members)))
    repeats = [statistic(np.concatenate([members[drawn] for drawn in draw])) for draw in draws]
    return {name: _interval(value, [figures[name] for figures in repeats]) for name, value in values.items()}


def _members(speakers: Sequence[str]) -> list[Indices]:
    """Each speaker's clips."""
    _, owner, clips = np.unique(np.asarray(speakers), return_inverse=True, return_counts=True)
    return np.split(np.argsort(owner, kind="stable"), np.cumsum(clips)[:-1])


def _interval(value: float, repeats: list[float]) -> Interval:
    defined = [repeat for repeat in repeats if not math.isnan(repeat)]
    if not defined:
        return Interval(value=_rounded(value))
    tail = (1 - CONFIDENCE) / 2
    low, high = (_rounded(float(bound)) for bound in np.quantile(defined, [tail, 1 - tail]))
    return Interval(value=_rounded(value), low=low, high=high)


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, _DECIMALS)
