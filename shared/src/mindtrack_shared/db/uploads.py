"""Statements on uploads. Each function builds a query; whoever calls it runs and commits it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Delete, Select, delete, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from mindtrack_shared.db.clock import after
from mindtrack_shared.db.models import Upload

#: A `PUT` that began before the URL expired may go on for a while, and what it brought be submitted.
GRACE = timedelta(hours=1)


def by_id(upload_id: UUID) -> Select[Upload]:
    return select(Upload).where(Upload.id == upload_id)


def owned(upload_id: UUID, user_id: UUID) -> Select[Upload]:
    """One upload, for its owner. A foreign one looks like an unknown one."""
    return by_id(upload_id).where(Upload.user_id == user_id)


def keys(user_id: UUID) -> Select[str]:
    """Of all uploads of a person's."""
    return select(Upload.object_key).where(Upload.user_id == user_id)


def use(upload_id: UUID, job_id: UUID) -> ReturningUpdate[UUID]:
    """Give an upload to a job. No row back means that another job has it, or that it was swept."""
    unused = update(Upload).where(Upload.id == upload_id, Upload.job_id.is_(None))
    return unused.values(job_id=job_id).returning(Upload.id)


def expired(*, since: timedelta, limit: int) -> Select[UUID, str]:
    """Ids and keys of uploads that expired that long ago, used or not, the oldest first.

    Locked, so that sweeps share the work, and nobody uses an upload whose object is being removed.
    """
    return (
        select(Upload.id, Upload.object_key)
        .where(Upload.expires_at < after(-since))
        .order_by(Upload.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def forget(upload_id: UUID) -> Delete:
    return delete(Upload).where(Upload.id == upload_id)
