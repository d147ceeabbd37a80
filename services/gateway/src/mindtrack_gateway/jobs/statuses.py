"""Ask how many jobs stand at once."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mindtrack_gateway.dependencies import CurrentFollower, PartsDep, documented_bearer
from mindtrack_gateway.jobs.schemas import QueueView
from mindtrack_gateway.jobs.snapshots import Snapshot
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    MalformedRequestError,
    documented,
)
from mindtrack_shared.domain.jobs import JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[documented_bearer])

MAX_IDS = 100

EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "id": "019cab12-0f3e-7c54-9d1e-5f0a4b7c9e21",
            "status": "queued",
            "etag": '"5d0c1b2f8e6a4d7790ab12cd"',
            "retry_after": 3,
            "queue": {"position": 4, "eta_seconds": 2.6},
        },
        {
            "id": "019cab0f-7a60-7e9b-8c2d-1b3e5a7d9f10",
            "status": "succeeded",
            "etag": '"0f9e8d7c6b5a493827160504"',
            "retry_after": None,
            "queue": None,
        },
    ],
    "unknown": ["019cab00-0000-7000-8000-000000000000"],
}


class StatusQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_IDS)]


class StatusItem(BaseModel):
    """What somebody who polls needs to know; all else is the job's own document."""

    id: UUID
    status: JobStatus
    etag: Annotated[
        str, Field(description="As `GET /v1/jobs/{job_id}` gives it: unchanged, so is that document.")
    ]
    retry_after: Annotated[
        int | None, Field(description="Seconds after which to ask again; null once it has ended.")
    ]
    queue: Annotated[QueueView | None, Field(description="While it is queued.")]

    @classmethod
    def of(cls, job_id: UUID, snapshot: Snapshot) -> Self:
        return cls(
            id=job_id,
            status=snapshot.version.status,
            etag=snapshot.etag.decode(),
            retry_after=snapshot.retry_after,
            queue=snapshot.queue,
        )


class StatusReport(BaseModel):
    items: Annotated[list[StatusItem], Field(description="In the order asked for, each job once.")]
    unknown: Annotated[list[UUID], Field(description="Those that are not, or not yours.")]


@router.post(
    "/status",
    operation_id="getJobStatuses",
    summary="Ask how up to 100 jobs stand",
    responses={
        **documented(MalformedRequestError, InvalidRequestError, DependencyUnavailableError),
        200: {"content": {"application/json": {"example": EXAMPLE}}},
    },
)
async def statuses(query: StatusQuery, parts: PartsDep, user_id: CurrentFollower) -> StatusReport:
    """Return where each job stands: one look, whatever their number."""
    asked = list(dict.fromkeys(query.ids))
    found = await parts.snapshots.get_all(asked, user_id)
    own = {job_id: snapshot for job_id, snapshot in found.items() if snapshot.user_id == user_id}
    return StatusReport(
        items=[StatusItem.of(job_id, own[job_id]) for job_id in asked if job_id in own],
        unknown=[job_id for job_id in asked if job_id not in own],
    )
