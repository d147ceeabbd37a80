"""Submit a recording."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from mindtrack_gateway.dependencies import CurrentUser, PartsDep, documented_bearer
from mindtrack_gateway.jobs.schemas import JobView
from mindtrack_gateway.recordings.openapi import SUBMISSION, SUBMISSION_PROBLEMS

router = APIRouter(tags=["recordings"], dependencies=[documented_bearer])


@router.post(
    "/v1/jobs",
    operation_id="submitRecording",
    summary="Submit a recording for analysis",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        **SUBMISSION_PROBLEMS,
        HTTPStatus.OK: {"model": JobView, "description": "The upload was submitted before: its job."},
    },
    openapi_extra=SUBMISSION,
)
async def submit(request: Request, response: Response, parts: PartsDep, user_id: CurrentUser) -> JobView:
    """Store the recording and queue its analysis. The answer is a promise: the job will reach an end.

    Send the recording in a form, as the body itself with its fields in the query, or name an upload.
    """
    accepted = await parts.intake.accept(request, user_id)
    if not accepted.is_new:
        response.status_code = HTTPStatus.OK
    view = JobView.of(accepted.job)
    response.headers["Location"] = f"/v1/jobs/{view.id}"
    view.put_retry_after(response)
    return view
