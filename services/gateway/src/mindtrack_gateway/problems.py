"""Every way a request can fail, and how each is told: RFC 9457 problem documents.

ProblemError
├── MalformedRequestError        400  the body or a header could not be parsed
├── DigestMismatchError          400  the body is not what Content-Digest says
├── UnauthorizedError            401  no valid bearer token
├── ForbiddenError               403  the caller's roles do not open this
├── CrossSiteError               403  another site made a browser send the page's cookie
├── UploadUrlInvalidError        403  the URL was not signed by us, or it has expired
├── NotFoundError                404  unknown, or somebody else's: both look alike
├── NotCancelableError           409  the job is not queued any more
├── DeletedError                 410  by its owner, who is told so; everybody else gets 404
├── UploadStalledError           408  the client stopped sending
├── IdempotencyKeyInUseError     409  another request with this key is under way
├── UploadMissingError           409  nothing was put at the upload's URL yet
├── UploadUsedError              409  a job has the upload already
├── TooManyWebhooksError         409  each person may have a few
├── WebhookDisabledError         409  nothing is sent to an endpoint that is disabled
├── ErasedError                  409  all of the person's was erased while this was on its way
├── NothingToRateError           409  feedback on a job without an analysis
├── TooManyInvitationsError      409  each person may have a few that are open
├── InvitationRedeemedError      409  it is a grant by now
├── NoAddressesError             409  nowhere to send a test to
├── RecordingTooLargeError       413
├── RequestTooLargeError         413  a body that is no recording
├── UnsupportedMediaTypeError    415  no type that a recording is sent as, or not one we can decode
├── IdempotencyKeyReusedError    422  the key belongs to another request
├── InvalidRequestError          422  well-formed, but a value is not acceptable
├── RecordingEmptyError          422
├── ChannelNotOfferedError       422  this installation does not notify that way
├── UploadMismatchError          422  what was put there is not what was declared
├── UseContextProhibitedError    422  emotions must not be inferred there
├── RecordingRejectedError       422  accepted, but it cannot be analysed
├── TooManyRequestsError         429  faster than the rate limits allow
├── TooManyUploadsError          429  too many of one person's at a time
├── InternalError                500  a bug of ours; the log knows more
├── AnalysisFailedError          500  accepted, and we could not do our part
├── UploadsNotConfiguredError    501  nobody can sign an upload URL here
├── DependencyUnavailableError   503  database or storage is away
└── OverloadedError              503  too many uploads at a time
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Self

from asgi_correlation_id import correlation_id
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route

from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import StorageUnavailableError

MEDIA_TYPE = "application/problem+json"

REQUEST_ID_HEADER = "X-Request-ID"

#: Database, storage or keys did not answer.
DEPENDENCY_ERRORS = (StorageUnavailableError, OperationalError, InterfaceError, PoolTimeoutError)
AWAY = "Please try again in a few seconds."


class FieldError(BaseModel):
    """What is wrong with one part of the request."""

    field: str
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem document. `docs/problems.md` explains each type."""

    type: Annotated[str, Field(examples=["urn:mindtrack:problem:not-found"])]
    title: str
    status: int
    detail: str
    instance: str | None = None
    code: Annotated[str | None, Field(description="Why a job ended without an analysis.")] = None
    measured: Annotated[float | None, Field(description="What the recording measured.")] = None
    needed: Annotated[float | None, Field(description="What it should have measured.")] = None
    unit: Annotated[str | None, Field(description="Unit of `measured` and `needed`.", examples=["dB"])] = None
    errors: list[FieldError] | None = None


class ProblemError(Exception):
    """Base of every expected failure. A subclass's docstring is its title."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    slug: ClassVar[str] = "internal-error"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(
        self, detail: str, *, code: str | None = None, errors: list[FieldError] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.errors = errors

    def answer_headers(self) -> dict[str, str]:
        return dict(self.headers)

    def document(self, instance: str | None = None) -> Problem:
        return Problem(
            type=problem_type(self.slug),
            title=(type(self).__doc__ or "").strip(),
            status=self.status,
            detail=self.detail,
            instance=instance,
            code=self.code,
            errors=self.errors,
        )


class InternalError(ProblemError):
    """Something went wrong on our side"""


class MalformedRequestError(ProblemError):
    """The request could not be parsed"""

    status = HTTPStatus.BAD_REQUEST
    slug = "malformed-request"


class DigestMismatchError(ProblemError):
    """The content is not what its digest says"""

    status = HTTPStatus.BAD_REQUEST
    slug = "digest-mismatch"


class UnauthorizedError(ProblemError):
    """A valid access token is needed"""

    status = HTTPStatus.UNAUTHORIZED
    slug = "unauthorized"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="mindtrack"'}


class ForbiddenError(ProblemError):
    """Your role does not allow this"""

    status = HTTPStatus.FORBIDDEN
    slug = "forbidden"


class CrossSiteError(ProblemError):
    """The request did not come from our own page"""

    status = HTTPStatus.FORBIDDEN
    slug = "cross-site"


class UploadUrlInvalidError(ProblemError):
    """The upload URL is not valid, or not any more"""

    status = HTTPStatus.FORBIDDEN
    slug = "upload-url-invalid"
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}  # the body is not wanted


class NotFoundError(ProblemError):
    """There is no such resource, or it is not yours"""

    status = HTTPStatus.NOT_FOUND
    slug = "not-found"


class NotCancelableError(ProblemError):
    """The job can no longer be canceled"""

    status = HTTPStatus.CONFLICT
    slug = "not-cancelable"


class DeletedError(ProblemError):
    """The job was deleted"""

    status = HTTPStatus.GONE
    slug = "deleted"


class TooManyWebhooksError(ProblemError):
    """There are as many webhooks as one person may have"""

    status = HTTPStatus.CONFLICT
    slug = "too-many-webhooks"


class WebhookDisabledError(ProblemError):
    """The webhook is disabled"""

    status = HTTPStatus.CONFLICT
    slug = "webhook-disabled"


class UploadStalledError(ProblemError):
    """The upload stalled"""

    status = HTTPStatus.REQUEST_TIMEOUT
    slug = "upload-stalled"
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}


class IdempotencyKeyInUseError(ProblemError):
    """A request with this idempotency key is under way"""

    status = HTTPStatus.CONFLICT
    slug = "idempotency-key-in-use"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__("Wait for its answer, or send the same again after `Retry-After`.")


class IdempotencyKeyReusedError(ProblemError):
    """The idempotency key belongs to another request"""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "idempotency-key-reused"

    def __init__(
        self, detail: str = "The recording or its metadata differ. Use a new key for each recording."
    ) -> None:
        super().__init__(detail)


class UploadMissingError(ProblemError):
    """Nothing has been uploaded yet"""

    status = HTTPStatus.CONFLICT
    slug = "upload-missing"


class UploadUsedError(ProblemError):
    """The upload has been used already"""

    status = HTTPStatus.CONFLICT
    slug = "upload-used"
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}  # the body is not wanted


class ErasedError(ProblemError):
    """Everything was erased meanwhile"""

    status = HTTPStatus.CONFLICT
    slug = "erased-meanwhile"

    def __init__(self) -> None:
        super().__init__("It was not kept. Send it again if you want it to be.")


class NothingToRateError(ProblemError):
    """The job has no analysis that feedback could be about"""

    status = HTTPStatus.CONFLICT
    slug = "nothing-to-rate"


class TooManyInvitationsError(ProblemError):
    """There are as many open invitations as one person may have"""

    status = HTTPStatus.CONFLICT
    slug = "too-many-invitations"


class InvitationRedeemedError(ProblemError):
    """The invitation was redeemed"""

    status = HTTPStatus.CONFLICT
    slug = "invitation-redeemed"


class NoAddressesError(ProblemError):
    """There is no address to notify"""

    status = HTTPStatus.CONFLICT
    slug = "no-addresses"


class RecordingTooLargeError(ProblemError):
    """The recording is too large"""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    slug = "recording-too-large"
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}  # the rest of the body is not wanted


class RequestTooLargeError(ProblemError):
    """The request is too large"""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    slug = "request-too-large"
    headers: ClassVar[dict[str, str]] = {"Connection": "close"}  # the rest of the body is not wanted


class UnsupportedMediaTypeError(ProblemError):
    """The content is of a type this service cannot analyse"""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    slug = "unsupported-media-type"


class InvalidRequestError(ProblemError):
    """The request holds values that are not acceptable"""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "invalid-request"

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("See `errors` for each value.", errors=errors)

    @classmethod
    def about(cls, field: str, detail: str) -> Self:
        return cls([FieldError(field=field, detail=detail)])


class ChannelNotOfferedError(ProblemError):
    """This installation does not notify by this channel"""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "channel-not-offered"


class RecordingEmptyError(ProblemError):
    """The recording is empty"""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "recording-empty"


class UploadMismatchError(ProblemError):
    """The upload is not what it was declared to be"""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "upload-mismatch"


class UseContextProhibitedError(ProblemError):
    """Emotions must not be inferred in this context"""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "use-context-prohibited"


class RecordingRejectedError(ProblemError):
    """The recording cannot be analysed"""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "recording-rejected"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None,
        measured: float | None = None,
        needed: float | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.measured = measured
        self.needed = needed
        self.unit = unit

    def document(self, instance: str | None = None) -> Problem:
        figures = {"measured": self.measured, "needed": self.needed, "unit": self.unit}
        return super().document(instance).model_copy(update=figures)


class TooManyRequestsError(ProblemError):
    """Too many requests"""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "too-many-requests"

    def __init__(self, detail: str, *, seconds: int) -> None:
        super().__init__(detail)
        self.seconds = seconds

    def answer_headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.seconds)}


class TooManyUploadsError(ProblemError):
    """Too many uploads at a time"""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "too-many-uploads"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class AnalysisFailedError(ProblemError):
    """The analysis failed"""

    slug = "analysis-failed"


class UploadsNotConfiguredError(ProblemError):
    """This installation gives no upload URLs"""

    status = HTTPStatus.NOT_IMPLEMENTED
    slug = "uploads-not-configured"


class DependencyUnavailableError(ProblemError):
    """The service is temporarily unavailable"""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "unavailable"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class OverloadedError(ProblemError):
    """The service is busy"""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "overloaded"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


def problem_type(slug: str) -> str:
    return f"urn:mindtrack:problem:{slug}"


def documented(*problems: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Describe the problems a route may answer with, besides one without a token, for OpenAPI."""
    return documented_open(UnauthorizedError, ForbiddenError, TooManyRequestsError, *problems)


def documented_open(*problems: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Describe the problems of a route that wants no token."""
    titles: dict[int | str, list[str]] = {}
    examples: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        titles.setdefault(int(problem.status), []).append((problem.__doc__ or "").strip())
        examples.setdefault(int(problem.status), {})[problem.slug] = {"value": _example(problem)}
    return {
        status: {
            "model": Problem,
            "description": "; ".join(texts),
            "content": {MEDIA_TYPE: {"examples": examples[status]}},
        }
        for status, texts in titles.items()
    }


def _example(problem: type[ProblemError]) -> dict[str, Any]:
    """Show a problem document; `detail` tells more where the problem occurs."""
    title = (problem.__doc__ or "").strip()
    return {
        "type": problem_type(problem.slug),
        "title": title,
        "status": int(problem.status),
        "detail": f"{title}.",
    }


def answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=problem.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Answer every error, expected or not, with a problem document."""
    app.add_exception_handler(ProblemError, _expected)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    for away in DEPENDENCY_ERRORS:
        app.add_exception_handler(away, _dependency)
    app.add_exception_handler(ClientDisconnect, _vanished)
    app.add_exception_handler(Exception, _unexpected)


def _expected(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for nothing else
    return answer(error.document(request.url.path), error.answer_headers())


def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    # The rejected input itself is left out: it may be a person's data.
    fields = [
        FieldError(field=".".join(str(part) for part in item["loc"]), detail=item["msg"])
        for item in error.errors()
    ]
    return _expected(request, InvalidRequestError(fields))


def _http(request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework raises itself: unknown paths, wrong methods, bodies that are no JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.BAD_REQUEST:
        return _expected(request, MalformedRequestError("The body could not be read."))
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    problem = Problem(
        type=problem_type(status.name.lower().replace("_", "-")),
        title=status.phrase,
        status=status,
        detail=status.description or status.phrase,
        instance=request.url.path,
    )
    return answer(problem, headers)


def _methods(request: Request) -> list[str]:
    """List what a path can be asked with. The framework names the first of its routes only."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def _dependency(request: Request, error: Exception) -> JSONResponse:
    get_logger().error(events.REQUEST_FAILED, route=_route(request), exc_info=error)
    return _expected(request, DependencyUnavailableError(AWAY))


def _route(request: Request) -> str:
    """Name what was asked for without what the client put into the path."""
    return getattr(request.scope.get("route"), "path", "unmatched")


def _vanished(request: Request, _error: Exception) -> JSONResponse:
    """Nobody is left to read the answer."""
    get_logger().info(events.UPLOAD_ABANDONED, route=_route(request))
    return _expected(request, MalformedRequestError("The request ended before its body did."))


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    get_logger().error(events.REQUEST_FAILED, route=_route(request), exc_info=error)
    response = _expected(request, InternalError("The error was logged. Please try again."))
    # This handler runs outside the middleware that names requests.
    response.headers[REQUEST_ID_HEADER] = correlation_id.get() or ""
    return response
