"""Analyses and the day rollups that follow from them: written together, read apart."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from mindtrack_shared.db.models import AnalysisRecord, AnalysisWindow, DayRollupRecord, Job, Recording
from mindtrack_shared.domain.analysis import Analysis
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.trends import DayRollup


def _columns(probabilities: Probabilities) -> dict[str, float]:
    return {f"p_{emotion.name.lower()}": value for emotion, value in probabilities.as_dict().items()}


def record(
    analysis: Analysis,
    *,
    job_id: UUID,
    user_id: UUID,
    attempt: int,
    recorded_at: datetime,
) -> AnalysisRecord:
    """Make the rows of one analysis, windows included."""
    pooled = analysis.probabilities
    return AnalysisRecord(
        job_id=job_id,
        user_id=user_id,
        attempt=attempt,
        **_columns(pooled),
        emotion=pooled.emotion,
        confidence=pooled.confidence,
        stress_score=pooled.stress_score,
        anxiety_index=pooled.anxiety_index,
        depressive_index=pooled.depressive_index,
        baseline_index=pooled.baseline_index,
        audio_seconds=analysis.audio_seconds,
        processing_seconds=analysis.processing_seconds,
        bundle_id=analysis.provenance.bundle_id,
        bundle_revision=analysis.provenance.bundle_revision,
        engine=analysis.provenance.engine,
        precision=analysis.provenance.precision,
        recorded_at=recorded_at,
        windows=[
            AnalysisWindow(
                position=position,
                start_seconds=window.start_seconds,
                end_seconds=window.end_seconds,
                **_columns(window.probabilities),
            )
            for position, window in enumerate(analysis.windows)
        ],
    )


def add_to_day(user_id: UUID, day: date, probabilities: Probabilities) -> Insert:
    """Add one analysis to its day's running sums."""
    stress = probabilities.stress_score
    table = DayRollupRecord
    row = insert(table).values(
        user_id=user_id,
        day=day,
        count=1,
        stress_sum=stress,
        stress_square_sum=stress**2,
        stress_min=stress,
        stress_max=stress,
        anxiety_sum=probabilities.anxiety_index,
        depressive_sum=probabilities.depressive_index,
        baseline_sum=probabilities.baseline_index,
    )
    sums = ("count", "stress_sum", "stress_square_sum", "anxiety_sum", "depressive_sum", "baseline_sum")
    return row.on_conflict_do_update(
        index_elements=["user_id", "day"],
        set_={
            **{name: getattr(table, name) + row.excluded[name] for name in sums},
            "stress_min": func.least(table.stress_min, row.excluded.stress_min),
            "stress_max": func.greatest(table.stress_max, row.excluded.stress_max),
        },
    )


def days(user_id: UUID, *, first_day: date, last_day: date) -> Select[DayRollupRecord]:
    return (
        select(DayRollupRecord)
        .where(DayRollupRecord.user_id == user_id, DayRollupRecord.day.between(first_day, last_day))
        .order_by(DayRollupRecord.day)
    )


def latest(user_id: UUID) -> Select[datetime, float, str]:
    """The newest analysis: when it was recorded, its stress score, and the zone the person was in."""
    return (
        select(AnalysisRecord.recorded_at, AnalysisRecord.stress_score, Recording.time_zone)
        .join(Job, Job.id == AnalysisRecord.job_id)
        .join(Recording, Recording.id == Job.recording_id)
        .where(AnalysisRecord.user_id == user_id)
        .order_by(AnalysisRecord.recorded_at.desc())
        .limit(1)
    )


def to_rollup(row: DayRollupRecord) -> DayRollup:
    return DayRollup(
        day=row.day,
        count=row.count,
        stress_sum=row.stress_sum,
        stress_square_sum=row.stress_square_sum,
        stress_min=row.stress_min,
        stress_max=row.stress_max,
        anxiety_sum=row.anxiety_sum,
        depressive_sum=row.depressive_sum,
        baseline_sum=row.baseline_sum,
    )


def to_probabilities(row: AnalysisRecord | AnalysisWindow) -> Probabilities:
    return Probabilities(row.p_neutral, row.p_happy, row.p_sad, row.p_anxious, row.p_stressed)
