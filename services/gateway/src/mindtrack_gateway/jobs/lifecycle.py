"""Withdraw a job, or delete it with all that followed from it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import CurrentSender, Parts, PartsDep, documented_bearer
from mindtrack_gateway.jobs.announcing import announce
from mindtrack_gateway.jobs.schemas import JobView
from mindtrack_gateway.problems import (
    DeletedError,
    DependencyUnavailableError,
    InvalidRequestError,
    NotCancelableError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import deletion, feedback, jobs, webhooks
from mindtrack_shared.db.deleting import delete_jobs
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import Tombstone
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import StorageUnavailableError

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[documented_bearer])

NO_SUCH_JOB = "No such job."


class Receipt(BaseModel):
    """That a job, its recording, its analysis and its part of the trend are gone."""

    job_id: UUID
    receipt_id: UUID
    deleted_at: datetime
    audio_deleted_at: Annotated[
        datetime | None,
        Field(description="Null while the store is away: nobody reaches the audio, and it is deleted soon."),
    ]

    @classmethod
    def of(cls, row: Tombstone) -> Self:
        return cls(
            job_id=row.job_id,
            receipt_id=row.receipt_id,
            deleted_at=row.deleted_at,
            audio_deleted_at=row.object_deleted_at,
        )


@router.post(
    "/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Withdraw a job before its turn",
    responses=documented(
        NotFoundError, NotCancelableError, DeletedError, InvalidRequestError, DependencyUnavailableError
    ),
)
async def cancel(job_id: UUID, parts: PartsDep, user_id: CurrentSender) -> JobView:
    """Cancel a queued job: it will not be analysed. Its recording stays until the job is deleted."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        canceled = (await session.execute(jobs.cancel(job_id, user_id))).first() is not None
        if canceled:
            access.note_own(session, user_id, action="cancelJob")
        if canceled and (await session.execute(webhooks.tell_ends([job_id]))).first() is not None:
            await session.execute(webhooks.announce())
        job = (await session.scalars(jobs.owned(job_id, user_id))).unique().one_or_none()
    if job is None:
        raise await missing(parts, job_id, user_id, action="cancelJob")
    if canceled:
        get_logger().info(events.JOB_CANCELED, job_id=str(job_id))
        await announce(parts, job_id)
    elif job.status is not JobStatus.CANCELED:
        raise NotCancelableError(f"The job is {job.status}; only a queued one can be canceled.")
    return JobView.of(job)


@router.delete(
    "/{job_id}",
    operation_id="deleteJob",
    summary="Delete a job with its recording, its analysis and its part of the trend",
    responses=documented(NotFoundError, InvalidRequestError, DependencyUnavailableError),
)
async def delete(job_id: UUID, parts: PartsDep, user_id: CurrentSender) -> Receipt:
    """Delete everything about a job, in whatever state it is. Asked again, the receipt is the same."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        row = await _delete(session, job_id, user_id)
        if row is not None:
            access.note_own(session, user_id, action="deleteJob")
        else:
            row = await _tombstone(session, job_id, user_id)
    if row is None:
        raise await missing(parts, job_id, user_id, action="deleteJob")
    if row.object_key is not None and row.bury_after is None:  # else somebody may read it until then
        get_logger().info(events.JOB_DELETED, job_id=str(job_id))
        await announce(parts, job_id)
        row = await _bury(parts, row)
    return Receipt.of(row)


async def missing(parts: Parts, job_id: UUID, user_id: UUID, *, action: str) -> NotFoundError | DeletedError:
    """Say why a person has no such job: they deleted it, or it never was theirs, which may leave a line."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        row = await _tombstone(session, job_id, user_id)
    if row is not None:
        return DeletedError(f"Deleted at {row.deleted_at.isoformat()}; receipt {row.receipt_id}.")
    await note_stranger(parts, job_id, user_id, action=action)
    return NotFoundError(NO_SUCH_JOB)


async def note_stranger(parts: Parts, job_id: UUID, user_id: UUID, *, action: str) -> None:
    """Write down that somebody was refused an `action` if the job that they asked for is a stranger's."""
    owner = await owner_of(parts, job_id)
    if owner is not None and owner != user_id:
        await access.note_refusal(parts, user_id, owner, action=action)


async def owner_of(parts: Parts, job_id: UUID) -> UUID | None:
    """Whose job it is; None if there is none."""
    async with parts.sessions.begin(Fence(job=job_id)) as session:
        return await session.scalar(feedback.owner(job_id))


async def _tombstone(session: AsyncSession, job_id: UUID, user_id: UUID) -> Tombstone | None:
    row = (await session.scalars(deletion.tombstone(job_id))).one_or_none()
    return row if row is not None and row.user_id == user_id else None


async def _delete(session: AsyncSession, job_id: UUID, user_id: UUID) -> Tombstone | None:
    found = (await session.execute(deletion.to_delete(user_id, job_id=job_id))).all()
    if not found:
        return None
    (row,) = await session.run_sync(delete_jobs, user_id, found)
    await session.refresh(row)
    return row


async def _bury(parts: Parts, row: Tombstone) -> Tombstone:
    """Delete the object, too. What cannot be deleted now is by maintenance."""
    try:
        await parts.store.delete(row.object_key or "")
    except StorageUnavailableError:
        return row
    async with parts.sessions.begin(Fence.own(row.user_id)) as session:
        await session.execute(deletion.bury(row.job_id))
        return (await session.scalars(deletion.tombstone(row.job_id))).one()
