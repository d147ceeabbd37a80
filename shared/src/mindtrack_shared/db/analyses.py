"""Analyses and the day rollups that follow from them: written together, read apart."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from mindtrack_shared.db.models import (
    AnalysisRecord,
    AnalysisWindow,
    DayRollupRecord,
    Job,
    Measurements,
    Recording,
)
from mindtrack_shared.domain.analysis import Analysis, WindowScore
from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.indices import HISTORY, Indices, PastRecording
from mindtrack_shared.domain.trends import DayRollup

#: The newest ones count: 60 days with sixteen recordings each. Who makes more than 70 a day has no baseline,
#: since these do not reach back far enough, rather than a slow commit.
HISTORY_LIMIT = 1_000

BIOMARKERS = tuple(field.name for field in fields(Biomarkers))


def _scores(scored: Analysis | WindowScore) -> dict[str, Any]:
    probabilities = scored.probabilities.as_dict()
    return {f"p_{emotion.name.lower()}": value for emotion, value in probabilities.items()} | {
        "unmapped_mass": scored.unmapped_mass,
        "uncertainty": scored.uncertainty,
        "indeterminate_reason": scored.indeterminate_reason,
    }


def record(  # noqa: PLR0913 - what a row is made of
    analysis: Analysis,
    indices: Indices,
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
        **_scores(analysis),
        emotion=pooled.emotion,
        confidence=pooled.confidence,
        stress_score=pooled.stress_score,
        anxiety_index=indices.anxiety,
        depressive_index=indices.depressive,
        baseline_index=indices.baseline,
        biomarkers=analysis.biomarkers.as_dict(),
        deviations={name: asdict(deviation) for name, deviation in indices.deviations.items()},
        audio_seconds=analysis.audio_seconds,
        processing_seconds=analysis.processing_seconds,
        **asdict(analysis.provenance),
        recorded_at=recorded_at,
        windows=[
            AnalysisWindow(
                position=position,
                start_seconds=window.start_seconds,
                end_seconds=window.end_seconds,
                **_scores(window),
            )
            for position, window in enumerate(analysis.windows)
        ],
    )


def history(user_id: UUID, *, content_type: str, before: datetime) -> Select[date, Measurements | None]:
    """What a baseline is made of: days and biomarkers of earlier recordings that count.

    In the same format only: a codec leaves its own marks on a voice.
    """
    return (
        select(Recording.recorded_on, AnalysisRecord.biomarkers)
        .join(Job, Job.id == AnalysisRecord.job_id)
        .join(Recording, Recording.id == Job.recording_id)
        .where(
            AnalysisRecord.user_id == user_id,
            AnalysisRecord.recorded_at < before,
            AnalysisRecord.recorded_at >= before - HISTORY,
            AnalysisRecord.indeterminate_reason.is_(None),
            Recording.content_type == content_type,
        )
        .order_by(AnalysisRecord.recorded_at.desc())
        .limit(HISTORY_LIMIT)
    )


def to_past(day: date, biomarkers: Measurements | None) -> PastRecording:
    """Read a row of `history`, also one of a release that measured other biomarkers or none."""
    known = biomarkers or {}
    return PastRecording(day, Biomarkers(**{name: known.get(name) for name in BIOMARKERS}))


def counts() -> ColumnElement[bool]:
    """Whether an analysis counts for its day: as `Analysis.countable_stress` has it."""
    return and_(AnalysisRecord.indeterminate_reason.is_(None), AnalysisRecord.stress_score.is_not(None))


def add_to_day(user_id: UUID, day: date, stress: float, indices: Indices) -> Insert:
    """Add one analysis that counts to its day's running sums. A sum with an unknown part is unknown."""
    table = DayRollupRecord
    row = insert(table).values(
        user_id=user_id,
        day=day,
        count=1,
        stress_sum=stress,
        stress_square_sum=stress**2,
        stress_min=stress,
        stress_max=stress,
        anxiety_sum=indices.anxiety,
        depressive_sum=indices.depressive,
        baseline_sum=indices.baseline,
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


def latest(user_id: UUID) -> Select[datetime, float | None, str]:
    """The newest analysis that counts: when it was recorded, its stress score, and the person's zone then."""
    return (
        select(AnalysisRecord.recorded_at, AnalysisRecord.stress_score, Recording.time_zone)
        .join(Job, Job.id == AnalysisRecord.job_id)
        .join(Recording, Recording.id == Job.recording_id)
        .where(
            AnalysisRecord.user_id == user_id,
            counts(),
        )
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
