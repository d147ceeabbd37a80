"""A person's days as they are kept: by what they come from, in natural units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from mindtrack_gateway.trends.schemas import NOTICE
from mindtrack_shared.db.models import DayValueRecord
from mindtrack_shared.domain.trends import SCALES, Measure

MEASURES = "By name:\n" + "\n".join(f"- `{measure}` ({SCALES[measure].unit})" for measure in Measure)


class MeasuredView(BaseModel):
    value: Annotated[
        float,
        Field(
            description="Mean, weighted by seconds of speech; of scores and indices on the scale of their "
            "log odds."
        ),
    ]
    unit: Annotated[str, Field(description='"1" for a share.')]
    recordings: Annotated[int, Field(description="Those that have the measure.")]
    speech_seconds: float


class OriginView(BaseModel):
    """A day's recordings by one model and one kind of microphone and codec. Compare values within one."""

    bundle_revision: str
    device_class: str
    values: Annotated[
        dict[str, MeasuredView], Field(description=f"What was not measured is absent. {MEASURES}")
    ]

    @classmethod
    def of(cls, row: DayValueRecord) -> Self:
        return cls(
            bundle_revision=row.bundle_revision, device_class=row.device_class, values=dict(measured(row))
        )


class HistoryDayView(BaseModel):
    day: Annotated[date, Field(description="Where the person was.")]
    origins: list[OriginView]


class HistoryPage(BaseModel):
    user_id: UUID
    items: Annotated[
        list[HistoryDayView], Field(description="Days without recordings that count are absent.")
    ]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None
    notice: str = NOTICE


def measured(row: DayValueRecord) -> Iterator[tuple[str, MeasuredView]]:
    """What a row holds, in the order of `Measure`. What only newer releases measure is passed over."""
    stress = (row.recordings, row.speech_seconds, row.stress_score)
    told: dict[str, Any] = {Measure.STRESS_SCORE: stress, **row.others}
    for measure, scale in SCALES.items():
        if measure in told:
            recordings, seconds, transformed = told[measure]
            yield (
                measure.value,
                MeasuredView(
                    value=scale.inverse(transformed),
                    unit=scale.unit,
                    recordings=recordings,
                    speech_seconds=seconds,
                ),
            )


def by_day(rows: Iterable[DayValueRecord]) -> list[HistoryDayView]:
    """Put rows of one day after the other together."""
    return [
        HistoryDayView(day=day, origins=[OriginView.of(row) for row in of_day])
        for day, of_day in groupby(rows, key=lambda row: row.day)
    ]
