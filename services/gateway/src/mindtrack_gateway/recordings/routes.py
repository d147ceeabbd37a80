"""Submit a recording."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from mindtrack_gateway.dependencies import CurrentSender, PartsDep, documented_bearer
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
        HTTPStatus.OK: {"model": JobView, "description": "You sent this recording before: its job."},
    },
    openapi_extra=SUBMISSION,
)
async def submit(request: Request, response: Response, parts: PartsDep, user_id: CurrentSender) -> JobView:
    """Store the recording and queue its analysis. The answer is a promise: the job will reach an end.

    Send the recording in a form, as the body itself with its fields in the query, or name an upload.
    Sending a recording again is harmless: one that you sent before keeps its job, unless that failed or was
    canceled, and adds nothing to your history.
    """
    accepted = await parts.intake.accept(request, user_id)
    response.status_code = accepted.status
    accepted.put_headers(response)
    view = JobView.of(accepted.job)
    view.put_retry_after(response)
    return view
