"""Upload a recording past the API's own servers, or at least past its tokens."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from mindtrack_gateway.dependencies import CurrentSender, Parts, PartsDep, admission, documented_bearer
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    DigestMismatchError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    OverloadedError,
    RecordingTooLargeError,
    TooManyUploadsError,
    UploadsNotConfiguredError,
    UploadStalledError,
    UploadUrlInvalidError,
    UploadUsedError,
    documented,
    documented_open,
)
from mindtrack_gateway.recordings import body
from mindtrack_gateway.recordings.openapi import UPLOAD_CONTENT, UPLOAD_REQUEST
from mindtrack_gateway.recordings.upload_schemas import UploadRequest, UploadView

router = APIRouter(prefix="/v1/uploads", tags=["recordings"])

MAX_DECLARATION_BYTES = 4096


@router.post(
    "",
    operation_id="createUpload",
    summary="Ask for a URL to upload a recording to",
    status_code=HTTPStatus.CREATED,
    dependencies=[documented_bearer],
    responses=documented(
        MalformedRequestError,
        DigestMismatchError,
        UploadStalledError,
        RecordingTooLargeError,
        InvalidRequestError,
        UploadsNotConfiguredError,
        DependencyUnavailableError,
    ),
    openapi_extra=UPLOAD_REQUEST,
)
async def create(request: Request, parts: PartsDep, user_id: CurrentSender) -> UploadView:
    """Return a URL that takes one recording, without a token, until it expires.

    What is declared here is checked when the upload is submitted.
    """
    declared = await _declared(request, parts)
    upload, url = await parts.uploads.declare(user_id, declared, parts.browser.base_url(request))
    return UploadView.of(upload, url, max_bytes=parts.uploads.max_bytes)


async def _declared(request: Request, parts: Parts) -> UploadRequest:
    chunks = body.chunks(request, idle=parts.settings.upload_idle)
    content = await body.short(chunks, most=MAX_DECLARATION_BYTES)
    try:
        return UploadRequest.model_validate_json(content or b"{}")
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors()):
            raise MalformedRequestError("The body is no JSON document.") from error
        raise RequestValidationError(error.errors()) from error


@router.put(
    "/{upload_id}",
    operation_id="putUpload",
    summary="Upload a recording to a URL of POST /v1/uploads",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented_open(
        MalformedRequestError,
        DigestMismatchError,
        UploadUrlInvalidError,
        NotFoundError,
        UploadStalledError,
        UploadUsedError,
        TooManyUploadsError,
        OverloadedError,
        RecordingTooLargeError,
        InvalidRequestError,
        DependencyUnavailableError,
    ),
    openapi_extra=UPLOAD_CONTENT,
)
async def put(
    request: Request,
    parts: PartsDep,
    upload_id: UUID,
    expires: Annotated[int, Query(description="Part of the URL.")],
    signature: Annotated[str, Query(max_length=128, description="Part of the URL.")],
) -> None:
    """Store the body. The URL is the permission: no token is needed, and none is looked at."""
    upload = await parts.uploads.signed(upload_id, expires=expires, signature=signature)
    admission(request).enter(str(upload.user_id))
    await parts.uploads.receive(request, upload)
