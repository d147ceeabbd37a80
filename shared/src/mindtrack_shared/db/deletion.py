"""Statements that delete jobs with all that followed from them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Delete, Select, Update, case, delete, func, or_, select, update
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from mindtrack_shared.db.analyses import counts
from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import AnalysisRecord, DayRollupRecord, Job, Recording, Tombstone


def to_delete(
    user_id: UUID, *, job_id: UUID | None = None, limit: int = 1, wait: bool = True
) -> Select[UUID, UUID, str, date]:
    """Lock a person's jobs to be deleted, one that is named or so many of them.

    Of each, its id, its recording, that one's object, and the day it counts for. Without `wait`, those that
    somebody has just locked are left out.
    """
    found = (
        select(Job.id, Recording.id, Recording.object_key, Recording.recorded_on)
        .join(Recording, Recording.id == Job.recording_id)
        .where(Job.user_id == user_id)
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(skip_locked=not wait)
    )
    return found if job_id is None else found.where(Job.id == job_id)


def delete_analyses(job_ids: Collection[UUID]) -> ReturningDelete[UUID, bool]:
    """Delete jobs' analyses, windows included; return of each whether it counted for its day."""
    return (
        delete(AnalysisRecord)
        .where(AnalysisRecord.job_id.in_(job_ids))
        .returning(AnalysisRecord.job_id, counts())
    )


def delete_jobs(job_ids: Collection[UUID]) -> Delete:
    return delete(Job).where(Job.id.in_(job_ids))


def delete_recordings(recording_ids: Collection[UUID]) -> Delete:
    return delete(Recording).where(Recording.id.in_(recording_ids))


def are_left(user_id: UUID) -> Select[bool]:
    """Whether a person has jobs."""
    return select(select(Job.id).where(Job.user_id == user_id).exists())


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
        .where(
            Tombstone.object_deleted_at.is_(None),
            Tombstone.deleted_at < after(-older_than),
            or_(Tombstone.bury_after.is_(None), Tombstone.bury_after < now()),
        )
        .order_by(Tombstone.deleted_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def count_unburied(user_id: UUID) -> Select[int]:
    """Of how many of a person's deleted jobs the object may still be there."""
    return select(func.count()).where(Tombstone.object_deleted_at.is_(None), Tombstone.user_id == user_id)


# --- the days that deleted analyses counted for ---------------------------------------------------------


def lock_days(user_id: UUID, days: Collection[date]) -> Select[date]:
    """Keep others from changing days; who is at one is waited for.

    There is a row as long as an analysis counts, so whoever deletes one that does finds it.
    """
    return (
        select(DayRollupRecord.day)
        .where(DayRollupRecord.user_id == user_id, DayRollupRecord.day.in_(days))
        .order_by(DayRollupRecord.day)
        .with_for_update()
    )


def sum_up_days(user_id: UUID, days: Collection[date]) -> ReturningUpdate[date]:
    """Write locked days' running sums anew; return those for which an analysis counts still."""
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
            Recording.recorded_on.in_(days),
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


def drop_days(user_id: UUID, days: Collection[date]) -> Delete:
    return delete(DayRollupRecord).where(DayRollupRecord.user_id == user_id, DayRollupRecord.day.in_(days))
