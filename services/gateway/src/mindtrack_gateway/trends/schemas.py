"""A person's trend as the API tells it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel

from mindtrack_gateway.trends.measures import MeasureTrendView
from mindtrack_shared.domain.trends import DayRollup, LatestScore, Trend, TrendReport

NOTICE = (
    "Wellness decision support, not a diagnosis. Scores describe how a voice sounded to a model; "
    "they do not say how somebody is."
)


class DayView(BaseModel):
    """One calendar day where the person was, with the recordings that count. Days without are absent."""

    day: date
    count: int
    stress_mean: float
    #: Sample standard deviation; null for a single recording.
    stress_sd: float | None
    stress_min: float
    stress_max: float
    anxiety_mean: float
    #: Null once a recording of the day could not tell.
    depressive_mean: float | None
    baseline_mean: float | None

    @classmethod
    def of(cls, day: DayRollup) -> Self:
        return cls(
            day=day.day,
            count=day.count,
            stress_mean=day.stress_mean,
            stress_sd=day.stress_sd,
            stress_min=day.stress_min,
            stress_max=day.stress_max,
            anxiety_mean=day.anxiety_mean,
            depressive_mean=day.depressive_mean,
            baseline_mean=day.baseline_mean,
        )


class LatestView(BaseModel):
    recorded_at: datetime
    stress_score: float

    @classmethod
    def of(cls, latest: LatestScore) -> Self:
        return cls(recorded_at=latest.recorded_at, stress_score=latest.stress_score)


class TrendView(BaseModel):
    user_id: UUID
    first_day: date
    last_day: date
    #: Recordings in the period; indeterminate ones do not count.
    count: int
    #: Mean of the daily means; null without recordings.
    stress_mean: float | None
    latest: LatestView | None
    days: list[DayView]
    #: What was asked for, each compared with what is usual for the person.
    measures: list[MeasureTrendView]
    notice: str = NOTICE

    @classmethod
    def of(cls, trend: Trend, reports: Iterable[TrendReport], user_id: UUID) -> Self:
        return cls(
            user_id=user_id,
            first_day=trend.first_day,
            last_day=trend.last_day,
            count=trend.count,
            stress_mean=trend.stress_mean,
            latest=LatestView.of(trend.latest) if trend.latest else None,
            days=[DayView.of(day) for day in trend.days],
            measures=[MeasureTrendView.model_validate(report) for report in reports],
        )
