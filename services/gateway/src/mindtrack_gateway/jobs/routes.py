"""Ask for jobs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.dependencies import CurrentUser, PartsDep, documented_bearer
from mindtrack_gateway.jobs.cursor import decode, encode
from mindtrack_gateway.jobs.schemas import JobPage, JobView
from mindtrack_gateway.problems import InvalidRequestError, NotFoundError, documented
from mindtrack_shared.db import jobs
from mindtrack_shared.db.models import Job
from mindtrack_shared.domain.jobs import JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[documented_bearer])

MAX_PAGE = 100


async def owned_job(session: AsyncSession, job_id: UUID, user_id: UUID) -> Job:
    """Load a job for its owner.

    Raises:
        NotFoundError: it is somebody else's, or nobody's; the answer does not tell which.

    """
    job = (await session.scalars(jobs.owned(job_id, user_id))).unique().one_or_none()
    if job is None:
        raise NotFoundError("No such job.")
    return job


@router.get(
    "/{job_id}",
    operation_id="getJob",
    summary="Ask how a job stands",
    responses=documented(NotFoundError, InvalidRequestError),
)
async def get(job_id: UUID, response: Response, parts: PartsDep, user_id: CurrentUser) -> JobView:
    """Return the job, with its analysis once it has succeeded. `Retry-After` says when to ask again."""
    async with parts.sessions() as session:
        view = JobView.of(await owned_job(session, job_id, user_id), windows=True)
    view.put_retry_after(response)
    return view


@router.get(
    "",
    operation_id="listJobs",
    summary="List your jobs, newest first",
    responses=documented(InvalidRequestError),
)
async def page(
    parts: PartsDep,
    user_id: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[
        str | None, Query(max_length=64, description="`next_cursor` of the page before.")
    ] = None,
    status: JobStatus | None = None,
) -> JobPage:
    before = decode(cursor) if cursor else None
    async with parts.sessions() as session:
        # One row more than asked for tells whether another page follows.
        query = jobs.page(user_id, before=before, limit=limit + 1, status=status)
        rows = list((await session.scalars(query)).unique())
        items = [JobView.of(row) for row in rows[:limit]]
    more = len(rows) > limit
    return JobPage(items=items, next_cursor=encode(items[-1].id) if more else None)
