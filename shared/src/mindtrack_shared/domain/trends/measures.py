"""What a trend can be made of, and the scale it is worked on.

Scores and indices lie in [0, 1], where a step means more near an end than in the middle: they are worked on
as log odds. They are clipped first, to where a score is about as fine as its calibration can be: a recording
with a score of exactly 0 or 1 would otherwise own its day's mean. Biomarkers keep their own unit.

`docs/trends.md` argues the smallest spreads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mindtrack_shared.domain.biomarkers import DEFINITIONS
from mindtrack_shared.domain.indices import ANXIETY, DEPRESSIVE

FloatArray: TypeAlias = npt.NDArray[np.float64]

#: Scores beyond these count as these.
LOWEST_SCORE, HIGHEST_SCORE = 0.01, 0.99
#: Log odds: 0.06 of a score in the middle, 0.02 at 0.1. As much may lie between two precisions of one model.
_LEAST_SPREAD_OF_SCORES = 0.25


class Measure(StrEnum):
    """Scores and indices, and the biomarkers with evidence of grade A or B that phones do not spoil."""

    STRESS_SCORE = "stress_score"
    ANXIETY_INDEX = "anxiety_index"
    DEPRESSIVE_INDEX = "depressive_index"
    BASELINE_INDEX = "baseline_index"
    F0_MEDIAN_HZ = "f0_median_hz"
    PAUSE_MEAN_SECONDS = "pause_mean_seconds"
    PAUSE_RATIO = "pause_ratio"
    SPEECH_RATE = "speech_rate_per_second"
    ARTICULATION_RATE = "articulation_rate_per_second"
    RESPONSE_LATENCY = "response_latency_seconds"


@dataclass(frozen=True, slots=True)
class Scale:
    """How a measure is worked on. What is worked on is called transformed, what is shown natural."""

    #: Of the natural value; "1" for a share, as in SI.
    unit: str
    #: Smallest standard deviation between a person's days that we believe, transformed.
    least_spread: float
    #: In [0, 1], worked on as log odds.
    is_score: bool
    #: Whether more of it is what the product warns of. Of the rest neither way is better.
    higher_is_worse: bool = False

    def transform(self, value: float) -> float:
        """Natural to transformed, clipped."""
        if not self.is_score:
            return value
        clipped = min(HIGHEST_SCORE, max(LOWEST_SCORE, value))
        return math.log(clipped / (1.0 - clipped))

    def inverse(self, value: float) -> float:
        """Transformed to natural."""
        # The sigmoid through tanh: exp(-x) would overflow far below zero.
        return 0.5 * (1.0 + math.tanh(0.5 * value)) if self.is_score else value

    def inverse_all(self, values: FloatArray) -> FloatArray:
        """As `inverse`, for arrays of any shape."""
        if not self.is_score:
            return values
        found: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * values))
        return found


def _score(*, higher_is_worse: bool) -> Scale:
    return Scale("1", _LEAST_SPREAD_OF_SCORES, is_score=True, higher_is_worse=higher_is_worse)


def _marker(measure: Measure, least_spread: float | None = None) -> Scale:
    """Take the unit from the marker's definition and the spread, unless given, from the indices' weights."""
    weight = {**ANXIETY, **DEPRESSIVE}.get(measure)
    if least_spread is None:
        if weight is None:
            raise ValueError(f"{measure} has no weight to take a spread from")
        least_spread = weight.floor
    return Scale(DEFINITIONS[measure].unit, least_spread, is_score=False)


SCALES: Mapping[Measure, Scale] = MappingProxyType(
    {
        Measure.STRESS_SCORE: _score(higher_is_worse=True),
        Measure.ANXIETY_INDEX: _score(higher_is_worse=True),
        Measure.DEPRESSIVE_INDEX: _score(higher_is_worse=True),
        Measure.BASELINE_INDEX: _score(higher_is_worse=False),
        Measure.F0_MEDIAN_HZ: _marker(Measure.F0_MEDIAN_HZ),
        Measure.PAUSE_MEAN_SECONDS: _marker(Measure.PAUSE_MEAN_SECONDS, 0.05),
        Measure.PAUSE_RATIO: _marker(Measure.PAUSE_RATIO),
        Measure.SPEECH_RATE: _marker(Measure.SPEECH_RATE),
        Measure.ARTICULATION_RATE: _marker(Measure.ARTICULATION_RATE, 0.2),
        Measure.RESPONSE_LATENCY: _marker(Measure.RESPONSE_LATENCY),
    }
)
