"""Upload a recording."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from mindtrack_gateway.dependencies import CurrentUser, PartsDep, documented_bearer
from mindtrack_gateway.jobs.schemas import JobView
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    MalformedRequestError,
    OverloadedError,
    RecordingEmptyError,
    RecordingTooLargeError,
    TooManyUploadsError,
    UnsupportedMediaTypeError,
    UploadStalledError,
    documented,
)
from mindtrack_shared.domain.jobs import Priority

router = APIRouter(tags=["recordings"], dependencies=[documented_bearer])

UPLOAD_PROBLEMS = documented(
    MalformedRequestError,
    RecordingTooLargeError,
    UnsupportedMediaTypeError,
    InvalidRequestError,
    RecordingEmptyError,
    UploadStalledError,
    TooManyUploadsError,
    DependencyUnavailableError,
    OverloadedError,
)


#: The streamed multipart body, which FastAPI cannot see, for OpenAPI.
UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "WAV, FLAC, MP3, Ogg, M4A, WebM, AAC or AMR.",
                        },
                        "recorded_at": {
                            "type": "string",
                            "format": "date-time",
                            "description": "When the recording began. Defaults to now.",
                        },
                        "prompt_ended_at": {
                            "type": "string",
                            "format": "date-time",
                            "description": "When the prompt that the person answers had ended, by the clock "
                            "of `recorded_at`, which it needs. Without it, no response latency is measured.",
                        },
                        "time_zone": {
                            "type": "string",
                            "default": "UTC",
                            "description": "IANA zone where the person was; decides the day it counts for.",
                        },
                        "priority": {
                            "type": "string",
                            "enum": list(Priority),
                            "default": Priority.INTERACTIVE,
                            "description": "`bulk` lets interactive jobs go first: for imports, and for "
                            "recordings whose result nobody waits for.",
                        },
                    },
                },
            },
        },
    },
}


@router.post(
    "/v1/jobs",
    operation_id="submitRecording",
    summary="Upload a recording for analysis",
    status_code=HTTPStatus.ACCEPTED,
    responses=UPLOAD_PROBLEMS,
    openapi_extra=UPLOAD_FORM,
)
async def submit(request: Request, response: Response, parts: PartsDep, user_id: CurrentUser) -> JobView:
    """Store the recording and queue its analysis. The answer is a promise: the job will reach an end."""
    job = await parts.intake.accept(request, user_id)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    view = JobView.of(job)
    view.put_retry_after(response)
    return view
