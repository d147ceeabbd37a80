"""Statements on idempotency keys, and on recordings that were sent before.

A key is claimed before its request's body is read, renewed while that goes on, and bound in the commit that
makes the job. The moment of the claim is its fence: whoever lost the key to another changes nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, Select, Update, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import IdempotencyKey, Job, Recording
from mindtrack_shared.domain.jobs import JobStatus

#: Ends that leave a recording without an answer: whoever sends it again wants another job.
UNANSWERED = (JobStatus.FAILED, JobStatus.CANCELED)


# --- keys -----------------------------------------------------------------------------------------------


def claim(user_id: UUID, key: str, *, lease: timedelta) -> ReturningInsert[datetime]:
    """Take a key that is new or has expired; return the moment, or no row if it is held or bound."""
    fresh = {
        "fingerprint": None,
        "job_id": None,
        "status": None,
        "created_at": now(),
        "expires_at": after(lease),
    }
    return (
        insert(IdempotencyKey)
        .values(user_id=user_id, key=key, **fresh)
        .on_conflict_do_update(
            index_elements=["user_id", "key"], set_=fresh, where=IdempotencyKey.expires_at <= now()
        )
        .returning(IdempotencyKey.created_at)
    )


def found(user_id: UUID, key: str) -> Select[IdempotencyKey]:
    return select(IdempotencyKey).where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == key)


def renew(user_id: UUID, key: str, since: datetime, *, lease: timedelta) -> Update:
    """Hold on to a claim for another lease."""
    return update(IdempotencyKey).where(*_held(user_id, key, since)).values(expires_at=after(lease))


def bind(  # noqa: PLR0913, PLR0917 - one argument per column
    user_id: UUID,
    key: str,
    since: datetime,
    job_id: UUID,
    fingerprint: bytes,
    status: HTTPStatus,
    *,
    keep: timedelta,
) -> ReturningUpdate[str]:
    """Tie a claim to what it brought. No row back means that somebody else has the key."""
    return (
        update(IdempotencyKey)
        .where(*_held(user_id, key, since))
        .values(job_id=job_id, fingerprint=fingerprint, status=int(status), expires_at=after(keep))
        .returning(IdempotencyKey.key)
    )


def free(user_id: UUID, key: str, since: datetime) -> Delete:
    """Let go of a claim that brought nothing; what is bound stays."""
    return delete(IdempotencyKey).where(*_held(user_id, key, since))


def forget(*, limit: int) -> ReturningDelete[UUID]:
    """Delete expired keys; whoever is just claiming one is not waited for."""
    expired = (
        select(IdempotencyKey.user_id, IdempotencyKey.key)
        .where(IdempotencyKey.expires_at <= now())
        .order_by(IdempotencyKey.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("expired")
    )
    return (
        delete(IdempotencyKey)
        .where(IdempotencyKey.user_id == expired.c.user_id, IdempotencyKey.key == expired.c.key)
        .returning(IdempotencyKey.user_id)
    )


def _held(user_id: UUID, key: str, since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.user_id == user_id,
        IdempotencyKey.key == key,
        IdempotencyKey.created_at == since,
        IdempotencyKey.job_id.is_(None),
    )


# --- recordings sent again ------------------------------------------------------------------------------


def one_at_a_time(user_id: UUID, sha256: bytes) -> Select[None]:
    """Wait until no other transaction commits these bytes of this person; others may share the number."""
    digest = hashlib.sha256(user_id.bytes + sha256).digest()
    return select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], signed=True)))


def same_recording(user_id: UUID, sha256: bytes) -> Select[Job]:
    """The latest job on the same bytes of the same person that has an answer or will have one."""
    return (
        select(Job)
        .join(Job.recording)
        .where(Recording.user_id == user_id, Recording.sha256 == sha256, Job.status.not_in(UNANSWERED))
        .order_by(Job.id.desc())
        .limit(1)
        .options(joinedload(Job.recording), joinedload(Job.analysis))
    )
