"""`POST /analyze-stress`: the synchronous endpoint, over the same queued job."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from mindtrack_gateway.dependencies import CurrentSender, Parts, PartsDep, admission, documented_bearer
from mindtrack_gateway.jobs.lifecycle import missing
from mindtrack_gateway.jobs.schemas import JobView, ending
from mindtrack_gateway.problems import (
    DEPENDENCY_ERRORS,
    AnalysisFailedError,
    DeletedError,
    RecordingRejectedError,
    answer,
    documented,
)
from mindtrack_gateway.recordings.openapi import SUBMISSION, SUBMISSION_PROBLEMS
from mindtrack_shared.db import jobs
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import AnalysisRecord, Job
from mindtrack_shared.domain.emotions import Emotion

router = APIRouter(tags=["recordings"], dependencies=[documented_bearer])


class StressAnswer(BaseModel):
    """What the voice sounded like; nothing but nulls where the model cannot tell."""

    emotion: Annotated[Emotion | None, Field(description="Null when indeterminate.")]
    confidence: Annotated[float | None, Field(description="Probability of `emotion`.")]
    stress_score: Annotated[
        float | None,
        Field(
            description="P(Anxious) + P(Stressed); null when indeterminate, or unless the model can express "
            "both."
        ),
    ]
    indeterminate: Annotated[
        bool, Field(description="Whether the model cannot tell; `GET /v1/jobs` lists its numbers.")
    ]

    @classmethod
    def of(cls, row: AnalysisRecord) -> Self:
        if row.indeterminate_reason is not None:
            return cls(emotion=None, confidence=None, stress_score=None, indeterminate=True)
        return cls(
            emotion=row.emotion,
            confidence=row.confidence,
            stress_score=row.stress_score,
            indeterminate=False,
        )


@router.post(
    "/analyze-stress",
    operation_id="analyzeStress",
    summary="Upload a recording and wait for its scores",
    response_model=StressAnswer,
    responses={
        **SUBMISSION_PROBLEMS,
        **documented(RecordingRejectedError, AnalysisFailedError, DeletedError),
        HTTPStatus.ACCEPTED: {"model": JobView, "description": "It takes longer: ask for the job."},
    },
    openapi_extra=SUBMISSION,
)
async def analyze_stress(
    request: Request,
    response: Response,
    parts: PartsDep,
    user_id: CurrentSender,
) -> StressAnswer | Response:
    """Queue the recording like `POST /v1/jobs` and wait for its job; answer 202 if that takes too long."""
    accepted = await parts.intake.accept(request, user_id)
    accepted.put_headers(response)
    admission(request).release()  # waiting is no upload
    job = accepted.job
    # The promise is given: from here on, a dependency that is away must not read as a refusal.
    with suppress(*DEPENDENCY_ERRORS):
        job = await _ended(parts, job.id, user_id)
    problem = ending(job)
    if problem is not None:
        return answer(problem.document(request.url.path), {**problem.headers, **accepted.headers})
    if job.analysis is not None:
        return StressAnswer.of(job.analysis)
    view = JobView.of(job)
    later = Response(view.model_dump_json(), status_code=HTTPStatus.ACCEPTED, media_type="application/json")
    accepted.put_headers(later)
    view.put_retry_after(later)
    return later


async def _ended(parts: Parts, job_id: UUID, user_id: UUID) -> Job:
    """Return the job once it has ended, or as it stands when waiting takes too long.

    Raises:
        DeletedError: it was deleted meanwhile.

    """
    known = await parts.snapshots.get(job_id, user_id)
    if known is not None:
        await parts.watch.ended(job_id, known, within=parts.settings.analyze_wait.total_seconds())
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        job = (await session.scalars(jobs.owned(job_id, user_id))).unique().one_or_none()
    if job is None:
        raise await missing(parts, job_id, user_id, action="analyzeStress")
    return job
