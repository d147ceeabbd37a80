from __future__ import annotations

import re
from pathlib import Path

import pytest

import mindtrack_client
from mindtrack_client import MindTrack, MindTrackError, ProblemError, errors
from mindtrack_client.models import Problem
from unit.client import documents
from unit.client.documents import JOB_ID
from unit.client.fake_gateway import FakeGateway, Reply

DOCUMENTED = re.findall(
    r"^\| `urn:mindtrack:problem:([a-z-]+)` \| (\d{3}) \|",
    (Path(__file__).parents[3] / "docs" / "problems.md").read_text(),
    re.MULTILINE,
)


def every(kind: type[MindTrackError] = MindTrackError) -> list[type[MindTrackError]]:
    return [kind, *(one for child in kind.__subclasses__() for one in every(child))]


def chosen(kind: str, status: int) -> type[ProblemError]:
    return errors.problem_class(Problem(type=errors.TYPE_PREFIX + kind, title="Nope", status=status))


@pytest.mark.parametrize(("kind", "status"), DOCUMENTED)
def test_every_documented_problem_gets_a_class_of_its_status(kind: str, status: str) -> None:
    by_type = chosen(kind, int(status))
    by_status = chosen("of-the-future", int(status))
    assert issubclass(by_type, by_status)
    assert by_type is not ProblemError


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        ("unauthorized", 401, "UnauthorizedError"),
        ("digest-mismatch", 400, "DigestMismatchError"),
        ("upload-url-invalid", 403, "UploadUrlInvalidError"),
        ("of-the-future", 403, "ForbiddenError"),
        ("not-found", 404, "NotFoundError"),
        ("upload-stalled", 408, "UploadStalledError"),
        ("of-the-future", 409, "ConflictError"),
        ("upload-missing", 409, "UploadMissingError"),
        ("upload-used", 409, "UploadUsedError"),
        ("idempotency-key-in-use", 409, "IdempotencyKeyInUseError"),
        ("invitation-redeemed", 409, "InvitationRedeemedError"),
        ("of-the-future", 410, "GoneError"),
        ("of-the-future", 413, "TooLargeError"),
        ("recording-too-large", 413, "RecordingTooLargeError"),
        ("unsupported-media-type", 415, "UnsupportedMediaTypeError"),
        ("recording-empty", 422, "RecordingEmptyError"),
        ("upload-mismatch", 422, "UploadMismatchError"),
        ("idempotency-key-reused", 422, "IdempotencyKeyReusedError"),
        ("use-context-prohibited", 422, "UseContextProhibitedError"),
        ("of-the-future", 422, "InvalidRequestError"),
        ("too-many-requests", 429, "RateLimitedError"),
        ("internal-error", 500, "ServerError"),
        ("uploads-not-configured", 501, "UploadsNotConfiguredError"),
        ("of-the-future", 502, "ServerError"),
        ("overloaded", 503, "UnavailableError"),
        ("of-the-future", 418, "ProblemError"),
    ],
)
def test_types_come_before_statuses_and_statuses_before_hundreds(kind: str, status: int, name: str) -> None:
    assert chosen(kind, status).__name__ == name


def test_the_docstring_draws_the_whole_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted(kind.__name__ for kind in every()[1:])
    for kind in every():
        assert getattr(mindtrack_client, kind.__name__) is kind, "exported"


def test_an_error_has_what_the_server_said(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    document = documents.problem(
        422, "Invalid", type="urn:mindtrack:problem:invalid-request", errors=[{"field": "f", "detail": "d"}]
    )
    gateway.on("GET", f"/v1/jobs/{JOB_ID}", Reply(422, document, {"X-Request-ID": "r-1"}))
    with pytest.raises(mindtrack_client.InvalidRequestError) as caught:
        mindtrack.job(JOB_ID)
    error = caught.value
    assert (error.status, error.title, error.detail) == (422, "Invalid", "Because.")
    assert error.type == "urn:mindtrack:problem:invalid-request"
    assert error.request_id == "r-1"
    assert [(part.field, part.detail) for part in error.errors] == [("f", "d")]
