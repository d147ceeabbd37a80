"""List jobs, page by page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from mindtrack_gateway.dependencies import CurrentFollower, PartsDep, documented_bearer
from mindtrack_gateway.jobs.schemas import JobPage, JobView
from mindtrack_gateway.moments import Moment
from mindtrack_gateway.pages import LINK, PageQuery, lead_on
from mindtrack_gateway.problems import DependencyUnavailableError, InvalidRequestError, documented
from mindtrack_shared.db import jobs
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.domain.jobs import JobStatus, RejectionCode

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[documented_bearer])

EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "id": "019cab12-0f3e-7c54-9d1e-5f0a4b7c9e21",
            "user_id": "019c0000-5b1a-7d20-8e4f-0a1b2c3d4e5f",
            "status": "rejected",
            "priority": "interactive",
            "attempt": 1,
            "created_at": "2026-03-01T17:00:31.204000Z",
            "started_at": "2026-03-01T17:00:31.391000Z",
            "finished_at": "2026-03-01T17:00:31.652000Z",
            "recording": {
                "id": "019cab12-0f3d-7a11-b0c2-6d5e4f3a2b1c",
                "recorded_at": "2026-03-01T17:00:00Z",
                "prompt_ended_at": None,
                "time_zone": "Europe/Berlin",
                "content_type": "audio/mp4",
                "size_bytes": 241664,
                "device": "Pixel 9",
                "microphone": "built_in",
                "app_version": "3.2.0",
            },
            "quality": None,
            "analysis": None,
            "problem": {
                "type": "urn:mindtrack:problem:recording-rejected",
                "title": "The recording cannot be analysed",
                "status": 422,
                "detail": RejectionCode.TOO_SHORT.advice,
                "instance": "/v1/jobs/019cab12-0f3e-7c54-9d1e-5f0a4b7c9e21",
                "code": "too_short",
                "measured": 2.1,
                "needed": 4.0,
                "unit": "s",
                "errors": None,
            },
            "queue": None,
        }
    ],
    "next_cursor": "AZyrEg8-fFSdHl8KS3yeIQ",
}


class Asked(PageQuery):
    """Which jobs, and how many."""

    status: Annotated[list[JobStatus], Field(description="Any of these; may be repeated.")] = []  # noqa: RUF012 - Pydantic copies it
    created_after: Annotated[
        Moment | None, Field(description="Accepted then or later; RFC 3339 with an offset from UTC.")
    ] = None
    created_before: Annotated[Moment | None, Field(description="Accepted earlier than that.")] = None


@router.get(
    "",
    operation_id="listJobs",
    summary="List your jobs, newest first",
    responses={
        **documented(InvalidRequestError, DependencyUnavailableError),
        200: {"headers": LINK, "content": {"application/json": {"example": EXAMPLE}}},
    },
)
async def page(
    request: Request,
    response: Response,
    parts: PartsDep,
    user_id: CurrentFollower,
    asked: Annotated[Asked, Query()],
) -> JobPage:
    """Return a page. Jobs that arrive meanwhile come before it, and shift nothing."""
    _check_order(asked)
    query = jobs.page(
        user_id,
        limit=asked.enough,
        before=asked.before,
        statuses=set(asked.status),
        created_after=asked.created_after,
        created_before=asked.created_before,
    )
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        rows, last = asked.cut((await session.scalars(query)).unique().all())
        items = [JobView.of(row) for row in rows]
    return JobPage(items=items, next_cursor=lead_on(request, response, last.id if last else None))


def _check_order(asked: Asked) -> None:
    if asked.created_after and asked.created_before and asked.created_before <= asked.created_after:
        raise InvalidRequestError.about("query.created_before", "must lie after `created_after`")
