"""A person's analyses, as they themselves and who they granted it read them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from mindtrack_gateway.jobs.schemas import AnalysisView, QualityView
from mindtrack_gateway.trends.schemas import NOTICE
from mindtrack_shared.db.models import AnalysisRecord, Measurements


class RecordedAnalysisView(BaseModel):
    """One analysis, and the recording it is of; the recording itself is its owner's alone."""

    job_id: UUID
    recorded_at: datetime
    time_zone: Annotated[str, Field(description="IANA name of the zone the person was in.")]
    quality: QualityView | None
    analysis: AnalysisView

    @classmethod
    def of(cls, row: AnalysisRecord, quality: Measurements | None, time_zone: str) -> Self:
        return cls(
            job_id=row.job_id,
            recorded_at=row.recorded_at,
            time_zone=time_zone,
            quality=QualityView.model_validate(quality) if quality else None,
            analysis=AnalysisView.of(row, windows=False),
        )


class AnalysisPage(BaseModel):
    user_id: UUID
    items: list[RecordedAnalysisView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None
    notice: str = NOTICE
