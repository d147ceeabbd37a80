"""A person's trend as the API tells it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel

from mindtrack_gateway.trends.measures import MeasureTrendView, Rounded, Told
from mindtrack_shared.domain.trends import Trend, TrendReport

NOTICE = (
    "Wellness decision support, not a diagnosis. Scores describe how a voice sounded to a model; "
    "they do not say how somebody is."
)


class DayView(Told):
    """One calendar day where the person was, with the recordings that count. Days without are absent."""

    day: date
    count: int
    stress_mean: Rounded
    #: Sample standard deviation; null for a single recording.
    stress_sd: Rounded | None
    stress_min: Rounded
    stress_max: Rounded
    anxiety_mean: Rounded
    #: Null once a recording of the day could not tell.
    depressive_mean: Rounded | None
    baseline_mean: Rounded | None


class LatestView(Told):
    recorded_at: datetime
    stress_score: float


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
            latest=LatestView.model_validate(trend.latest) if trend.latest else None,
            days=[DayView.model_validate(day) for day in trend.days],
            measures=[MeasureTrendView.model_validate(report) for report in reports],
        )
