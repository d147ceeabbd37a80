"""Analyses and the day rollups that follow from them: written together, read apart."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, bindparam, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import aliased

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

ROLLUP = tuple(getattr(DayRollupRecord, field.name) for field in fields(DayRollup))
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


def history(
    user_id: UUID, *, content_type: str, before: datetime, like: UUID | None
) -> Select[date, Measurements | None]:
    """What a baseline is made of: days and biomarkers of earlier recordings that count.

    In the same format, and by the same kind of microphone as the job that they shall be `like`, as in trends:
    both leave marks on a voice.
    """
    same = true() if like is None else Recording.microphone.is_not_distinct_from(_microphone(like))
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
            same,
        )
        .order_by(AnalysisRecord.recorded_at.desc())
        .limit(HISTORY_LIMIT)
    )


def _microphone(job_id: UUID) -> ScalarSelect[str | None]:
    """Which microphone a job's recording was made with."""
    job, recording = aliased(Job), aliased(Recording)
    made = select(recording.microphone).join(job, job.recording_id == recording.id)
    return made.where(job.id == job_id).scalar_subquery()


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


_PERSON = bindparam("user_id", type_=AnalysisRecord.user_id.type)
_ZONE = (
    select(Recording.time_zone)
    .where(Recording.user_id == _PERSON)
    .order_by(Recording.recorded_at.desc())
    .limit(1)
    .scalar_subquery()
)
#: Of the person `user_id`.
LATEST = (
    select(AnalysisRecord.recorded_at, AnalysisRecord.stress_score, _ZONE.label("time_zone"))
    .where(AnalysisRecord.user_id == _PERSON, counts())
    .order_by(AnalysisRecord.recorded_at.desc())
    .limit(1)
)


def latest(user_id: UUID) -> Select[datetime, float | None, str | None]:
    """The newest analysis that counts: when it was recorded, its stress score, and the zone by now."""
    return LATEST.params(user_id=user_id)


def page(
    user_id: UUID,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None = None,
    recorded_after: datetime | None = None,
    recorded_before: datetime | None = None,
) -> Select[AnalysisRecord, Measurements | None, str]:
    """A person's analyses without windows, newest recording first, each with its quality and zone.

    Older than the recording at a moment and, of several at that one, the analysis: `before`. Recorded at
    `recorded_after` or later, and earlier than `recorded_before`.
    """
    query = (
        select(AnalysisRecord, Job.quality, Recording.time_zone)
        .join(Job, Job.id == AnalysisRecord.job_id)
        .join(Recording, Recording.id == Job.recording_id)
        .where(AnalysisRecord.user_id == user_id)
        .order_by(AnalysisRecord.recorded_at.desc(), AnalysisRecord.id.desc())
        .limit(limit)
    )
    if before is not None:
        moment, last = before
        # The first condition is what the index is searched by.
        query = query.where(
            AnalysisRecord.recorded_at <= moment,
            tuple_(AnalysisRecord.recorded_at, AnalysisRecord.id) < (moment, last),
        )
    if recorded_after is not None:
        query = query.where(AnalysisRecord.recorded_at >= recorded_after)
    if recorded_before is not None:
        query = query.where(AnalysisRecord.recorded_at < recorded_before)
    return query


def to_probabilities(row: AnalysisRecord | AnalysisWindow) -> Probabilities:
    return Probabilities(row.p_neutral, row.p_happy, row.p_sad, row.p_anxious, row.p_stressed)
