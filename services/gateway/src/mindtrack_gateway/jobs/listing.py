"""List jobs, page by page."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from mindtrack_gateway.dependencies import CurrentUser, PartsDep, documented_bearer
from mindtrack_gateway.jobs.cursor import decode, encode
from mindtrack_gateway.jobs.schemas import JobPage, JobView
from mindtrack_gateway.moments import Moment
from mindtrack_gateway.problems import DependencyUnavailableError, InvalidRequestError, documented
from mindtrack_shared.db import jobs
from mindtrack_shared.domain.jobs import JobStatus, RejectionCode

PATH = "/v1/jobs"
router = APIRouter(prefix=PATH, tags=["jobs"], dependencies=[documented_bearer])

MAX_PAGE = 100
LINK: dict[str, Any] = {
    "Link": {
        "schema": {"type": "string", "examples": [f'<{PATH}?limit=20&cursor=AZ...>; rel="next"']},
        "description": "The next page (RFC 8288), relative, with the same filters; absent on the last.",
    }
}

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


class Asked(BaseModel):
    """Which jobs, and how many. What is not known is refused: a misspelt filter would let everything pass."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 20
    cursor: Annotated[
        str | None,
        Field(
            max_length=64,
            description="`next_cursor` of the page before. It is a place in your list, and holds with other "
            "filters, too.",
        ),
    ] = None
    status: Annotated[list[JobStatus], Field(description="Any of these; may be repeated.")] = []
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
    user_id: CurrentUser,
    asked: Annotated[Asked, Query()],
) -> JobPage:
    """Return a page. Jobs that arrive meanwhile come before it, and shift nothing."""
    _check_order(asked)
    query = jobs.page(
        user_id,
        limit=asked.limit + 1,  # one row more than asked for tells whether another page follows
        before=decode(asked.cursor) if asked.cursor else None,
        statuses=set(asked.status),
        created_after=asked.created_after,
        created_before=asked.created_before,
    )
    async with parts.sessions() as session:
        rows = list((await session.scalars(query)).unique())
        items = [JobView.of(row) for row in rows[: asked.limit]]
    if len(rows) <= asked.limit:
        return JobPage(items=items, next_cursor=None)
    cursor = encode(items[-1].id)
    response.headers["Link"] = _next(request, cursor)
    return JobPage(items=items, next_cursor=cursor)


def _check_order(asked: Asked) -> None:
    if asked.created_after and asked.created_before and asked.created_before <= asked.created_after:
        raise InvalidRequestError.about("query.created_before", "must lie after `created_after`")


def _next(request: Request, cursor: str) -> str:
    """Write the link to the page that begins at a cursor."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f'<{PATH}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
