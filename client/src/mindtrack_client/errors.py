"""Everything this package raises on purpose.

MindTrackError                        catch this to catch them all; `job_id` is set once a job was accepted
├── ConfigurationError                the base URL or the token cannot be used as given
├── ConnectionFailedError             no answer: name not found, refused, cut off, timed out
├── UnexpectedAnswerError             an answer, but not MindTrack's: usually a wrong base URL
├── WaitTimeoutError                  the job is still going; `wait(error.job_id)` resumes
├── WebhookVerificationError          not signed with this secret, or too old
├── MicrophoneError                   nothing to record with; the message says what is missing
└── ProblemError                      the server said no; `status`, `type`, `detail`, `request_id`, `errors`
    ├── MalformedRequestError         400
    │   └── DigestMismatchError       400  the content changed on its way
    ├── UnauthorizedError             401
    ├── ForbiddenError                403
    │   └── UploadUrlInvalidError     403  changed, or expired
    ├── NotFoundError                 404  unknown, or somebody else's
    ├── UploadStalledError            408
    ├── ConflictError                 409  not in the state that this needs
    │   ├── IdempotencyKeyInUseError  409  the same request is under way
    │   ├── UploadMissingError        409  nothing was put at the upload's URL
    │   ├── UploadUsedError           409  it has a job already
    │   └── InvitationRedeemedError   409  it is a grant by now
    ├── GoneError                     410  deleted
    ├── TooLargeError                 413
    │   └── RecordingTooLargeError    413
    ├── UnsupportedMediaTypeError     415
    ├── InvalidRequestError           422  `errors` lists each value
    │   ├── RecordingEmptyError       422
    │   ├── UploadMismatchError       422  other bytes than were announced
    │   ├── IdempotencyKeyReusedError 422  for another recording
    │   └── UseContextProhibitedError 422  emotions must not be inferred there
    ├── RateLimitedError              429  `retry_after` says when
    └── ServerError                   5xx
        ├── UploadsNotConfiguredError 501  this server takes no direct uploads
        └── UnavailableError          503  for now

A problem whose type is unknown gets its status's class. A recording that cannot be opened raises the usual
`OSError` (such as `FileNotFoundError`), and an argument that makes no sense `ValueError`. A rejected or
failed job is an answer, not an error: look at `Job.problem`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar
from uuid import UUID

from pydantic import ValidationError

from mindtrack_client.models import InvalidPart, Job, Problem

TYPE_PREFIX = "urn:mindtrack:problem:"


class MindTrackError(Exception):
    #: The accepted job that the failed call was about: nothing is lost, `wait` resumes.
    job_id: UUID | None = None


class ConfigurationError(MindTrackError):
    pass


class ConnectionFailedError(MindTrackError):
    pass


class UnexpectedAnswerError(MindTrackError):
    pass


class WaitTimeoutError(MindTrackError):
    """The time allowed (seconds) is over. `job` is what the server said last."""

    job_id: UUID

    def __init__(self, job: Job, timeout: float) -> None:
        super().__init__(
            f"job {job.id} is still {job.status} after {timeout:g} s; it keeps processing, wait(job_id) later"
        )
        self.job = job
        self.job_id = job.id


class WebhookVerificationError(MindTrackError):
    pass


class MicrophoneError(MindTrackError):
    pass


class ProblemError(MindTrackError):
    """The server answered with an error: an RFC 9457 problem document, or a bare status."""

    #: What a subclass stands for: any error of this status, or of this type below `TYPE_PREFIX`.
    for_status: ClassVar[int | None] = None
    for_type: ClassVar[str | None] = None

    def __init__(
        self, problem: Problem, retry_after: float | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(str(problem))
        self.problem = problem
        #: Seconds, if the server named a pause.
        self.retry_after = retry_after
        #: What the server's log calls this request.
        self.request_id = request_id

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def type(self) -> str:
        return self.problem.type

    @property
    def title(self) -> str:
        return self.problem.title

    @property
    def detail(self) -> str | None:
        return self.problem.detail

    @property
    def errors(self) -> tuple[InvalidPart, ...]:
        """What was wrong with which part of the request."""
        return self.problem.errors


class MalformedRequestError(ProblemError):
    for_status = 400


class DigestMismatchError(MalformedRequestError):
    for_type = "digest-mismatch"


class UnauthorizedError(ProblemError):
    for_status = 401


class ForbiddenError(ProblemError):
    for_status = 403


class UploadUrlInvalidError(ForbiddenError):
    for_type = "upload-url-invalid"


class NotFoundError(ProblemError):
    for_status = 404


class UploadStalledError(ProblemError):
    for_status = 408


class ConflictError(ProblemError):
    for_status = 409


class IdempotencyKeyInUseError(ConflictError):
    for_type = "idempotency-key-in-use"


class UploadMissingError(ConflictError):
    for_type = "upload-missing"


class UploadUsedError(ConflictError):
    for_type = "upload-used"


class InvitationRedeemedError(ConflictError):
    for_type = "invitation-redeemed"


class GoneError(ProblemError):
    for_status = 410


class TooLargeError(ProblemError):
    for_status = 413


class RecordingTooLargeError(TooLargeError):
    for_type = "recording-too-large"


class UnsupportedMediaTypeError(ProblemError):
    for_status = 415


class InvalidRequestError(ProblemError):
    for_status = 422


class RecordingEmptyError(InvalidRequestError):
    for_type = "recording-empty"


class UploadMismatchError(InvalidRequestError):
    for_type = "upload-mismatch"


class IdempotencyKeyReusedError(InvalidRequestError):
    for_type = "idempotency-key-reused"


class UseContextProhibitedError(InvalidRequestError):
    for_type = "use-context-prohibited"


class RateLimitedError(ProblemError):
    for_status = 429


class ServerError(ProblemError):
    pass


class UploadsNotConfiguredError(ServerError):
    for_type = "uploads-not-configured"


class UnavailableError(ServerError):
    for_status = 503


def problem_class(problem: Problem) -> type[ProblemError]:
    """Return the class for a problem: its type's, else its status's, else its hundred's."""
    kind = problem.type.removeprefix(TYPE_PREFIX)
    classes = list(_descendants(ProblemError))
    for one in classes:
        if one.__dict__.get("for_type") == kind:
            return one
    for one in classes:
        if one.__dict__.get("for_status") == problem.status:
            return one
    return ServerError if problem.status >= 500 else ProblemError  # noqa: PLR2004 - HTTP's


def _descendants(kind: type[ProblemError]) -> Iterator[type[ProblemError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def problem_document(status: int, reason: str, body: bytes) -> Problem:
    """Read a problem document, or make one of the status line when something else answered."""
    bare = Problem(title=reason, status=status)
    try:
        document: object = json.loads(body)
    except ValueError:
        return bare
    if not isinstance(document, dict):
        return bare
    given = {name: value for name, value in document.items() if value is not None}
    try:
        return Problem.model_validate(bare.model_dump() | given)
    except ValidationError:
        return bare
