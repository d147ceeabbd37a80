"""Ask for jobs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from mindtrack_gateway.dependencies import CurrentFollower, PartsDep, documented_bearer
from mindtrack_gateway.jobs.polling import Wishes, reply
from mindtrack_gateway.jobs.schemas import JobView
from mindtrack_gateway.problems import (
    DeletedError,
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    documented,
)

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[documented_bearer])

POLL_PARAMETERS = [
    {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "examples": ["wait=20"]},
        "description": "`wait=N` holds the answer until the job has ended, or for N seconds, at most 30 "
        "(RFC 7240). `Preference-Applied` says for how long.",
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "`ETag` of an earlier answer: if nothing has changed, the answer is 304.",
    },
]
POLL_HEADERS: dict[str, Any] = {
    "ETag": {"schema": {"type": "string"}, "description": "Changes with whatever the document says."},
    "Retry-After": {
        "schema": {"type": "integer"},
        "description": "Seconds after which to ask again, by the queue's pace; absent once it has ended.",
    },
    "Preference-Applied": {"schema": {"type": "string"}, "description": "The wait that was granted."},
    "Cache-Control": {"schema": {"type": "string"}, "description": "For nobody's cache."},
}


@router.get(
    "/{job_id}",
    operation_id="getJob",
    summary="Ask how a job stands",
    response_model=JobView,
    responses={
        **documented(NotFoundError, DeletedError, InvalidRequestError, DependencyUnavailableError),
        HTTPStatus.OK: {"headers": POLL_HEADERS},
        HTTPStatus.NOT_MODIFIED: {"description": "It is as the `ETag` in `If-None-Match` says."},
    },
    openapi_extra={"parameters": POLL_PARAMETERS},
)
async def get(job_id: UUID, request: Request, parts: PartsDep, user_id: CurrentFollower) -> Response:
    """Return the job, with its analysis once it has succeeded. `Retry-After` says when to ask again."""
    wishes = Wishes.of(dict(request.scope["headers"]))
    status, headers, body = await reply(parts, job_id, user_id, wishes)
    response = Response(body, status_code=status)
    response.raw_headers = headers
    return response


#: The route that most requests are for; they take a shorter way to the same answer.
POLLED = next(route for route in router.routes if isinstance(route, APIRoute) and route.endpoint is get)
