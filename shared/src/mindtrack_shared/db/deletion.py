"""Statements that delete jobs with all that followed from them."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Delete, Select, Update, case, delete, func, select, update
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from mindtrack_shared.db.analyses import counts
from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import AnalysisRecord, DayRollupRecord, Job, Recording, Tombstone


def to_delete(job_id: UUID, user_id: UUID) -> Select[UUID, str, date]:
    """Lock a person's job to be deleted: its recording, that one's object, and the day it counts for."""
    return (
        select(Recording.id, Recording.object_key, Recording.recorded_on)
        .join(Job, Job.recording_id == Recording.id)
        .where(Job.id == job_id, Job.user_id == user_id)
        .with_for_update()
    )


def delete_analysis(job_id: UUID) -> ReturningDelete[bool]:
    """Delete a job's analysis, windows included; return whether it counted for its day."""
    return delete(AnalysisRecord).where(AnalysisRecord.job_id == job_id).returning(counts())


def delete_job(job_id: UUID) -> Delete:
    return delete(Job).where(Job.id == job_id)


def delete_recording(recording_id: UUID) -> Delete:
    return delete(Recording).where(Recording.id == recording_id)


def tombstone(job_id: UUID) -> Select[Tombstone]:
    return select(Tombstone).where(Tombstone.job_id == job_id)


def bury(job_id: UUID) -> Update:
    """Note that a deleted job's object is gone."""
    return (
        update(Tombstone)
        .where(Tombstone.job_id == job_id, Tombstone.object_deleted_at.is_(None))
        .values(object_key=None, object_deleted_at=now())
    )


def unburied(*, older_than: timedelta, limit: int) -> Select[UUID, str | None]:
    """Deleted jobs whose object may still be there, locked so that several share the work."""
    return (
        select(Tombstone.job_id, Tombstone.object_key)
        .where(Tombstone.object_deleted_at.is_(None), Tombstone.deleted_at < after(-older_than))
        .order_by(Tombstone.deleted_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


# --- the day that a deleted analysis counted for --------------------------------------------------------


def lock_day(user_id: UUID, day: date) -> Select[int]:
    """Keep others from changing a day; who is at it is waited for.

    There is a row as long as an analysis counts, so whoever deletes one that does finds it.
    """
    return (
        select(DayRollupRecord.count)
        .where(DayRollupRecord.user_id == user_id, DayRollupRecord.day == day)
        .with_for_update()
    )


def sum_up_day(user_id: UUID, day: date) -> ReturningUpdate[date]:
    """Write a locked day's running sums anew. No row back: no analysis counts any more."""
    stress = AnalysisRecord.stress_score
    parts = {
        "anxiety_sum": AnalysisRecord.anxiety_index,
        "depressive_sum": AnalysisRecord.depressive_index,
        "baseline_sum": AnalysisRecord.baseline_index,
    }
    sums = (
        select(
            AnalysisRecord.user_id,
            Recording.recorded_on,
            func.count().label("count"),
            func.sum(stress).label("stress_sum"),
            func.sum(stress * stress).label("stress_square_sum"),
            func.min(stress).label("stress_min"),
            func.max(stress).label("stress_max"),
            # A sum with an unknown part is unknown.
            *(
                case((func.bool_or(part.is_(None)), None), else_=func.sum(part)).label(name)
                for name, part in parts.items()
            ),
        )
        .join(Job, Job.id == AnalysisRecord.job_id)
        .join(Recording, Recording.id == Job.recording_id)
        .where(
            AnalysisRecord.user_id == user_id,
            Recording.recorded_on == day,
            counts(),
        )
        .group_by(AnalysisRecord.user_id, Recording.recorded_on)
        .subquery()
    )
    return (
        update(DayRollupRecord)
        .where(DayRollupRecord.user_id == sums.c.user_id, DayRollupRecord.day == sums.c.recorded_on)
        .values({name: column for name, column in sums.c.items() if name not in {"user_id", "recorded_on"}})
        .returning(DayRollupRecord.day)
    )


def drop_day(user_id: UUID, day: date) -> Delete:
    return delete(DayRollupRecord).where(DayRollupRecord.user_id == user_id, DayRollupRecord.day == day)
