"""Whatever is wrong with a request, the answer is a fitting problem document, and nothing is kept."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db.models import Job
from patience import eventually

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(1024)
BOUNDARY = "limit"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
UNKNOWN = "00000000-0000-7000-8000-000000000000"


def file_part(content: bytes, content_type: str = "audio/wav") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
    return f"{head}Content-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"


def field_part(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


END = f"--{BOUNDARY}--\r\n".encode()


def endless() -> Iterator[bytes]:
    """200 MB, sent in chunks: no Content-Length gives it away."""
    yield file_part(WAV).removesuffix(b"\r\n")
    for _ in range(200):
        yield bytes(1_000_000)
    yield b"\r\n" + END


@dataclass(frozen=True)
class Case:
    status: int
    slug: str
    method: str = "POST"
    path: str = "/v1/jobs"
    headers: dict[str, str] = field(default_factory=lambda: FORM)
    content: bytes | Callable[[], Iterator[bytes]] = b""
    #: Names in `errors`.
    fields: tuple[str, ...] = ()


CASES = {
    "text file": Case(415, "unsupported-media-type", content=file_part(b"Dear diary, today was fine.") + END),
    "empty file": Case(422, "recording-empty", content=file_part(b"") + END),
    "declared as a document": Case(
        415, "unsupported-media-type", content=file_part(WAV, "application/pdf") + END
    ),
    "text": Case(415, "unsupported-media-type", headers={"Content-Type": "text/plain"}, content=WAV),
    "no content type": Case(415, "unsupported-media-type", headers={}, content=WAV),
    "no boundary": Case(415, "unsupported-media-type", headers={"Content-Type": "multipart/form-data"}),
    "no body": Case(400, "malformed-request"),
    "cut off": Case(400, "malformed-request", content=file_part(WAV)),
    "no file": Case(422, "invalid-request", content=field_part("time_zone", "UTC") + END, fields=("file",)),
    "two files": Case(
        422,
        "invalid-request",
        content=file_part(WAV) + file_part(WAV) + END,
        fields=("file",),
    ),
    "unknown field": Case(
        422,
        "invalid-request",
        content=field_part("mood", "fine") + file_part(WAV) + END,
        fields=("mood",),
    ),
    "field that never ends": Case(
        422,
        "invalid-request",
        content=field_part("time_zone", "x" * 5000) + END,
        fields=("time_zone",),
    ),
    "impossible moment and place": Case(
        422,
        "invalid-request",
        content=file_part(WAV)
        + field_part("recorded_at", "2999-01-01T00:00:00Z")
        + field_part("time_zone", "x")
        + END,
        fields=("recorded_at", "time_zone"),
    ),
    "no such priority": Case(
        422,
        "invalid-request",
        content=file_part(WAV) + field_part("priority", "urgent") + END,
        fields=("priority",),
    ),
    "prompt without a start": Case(
        422,
        "invalid-request",
        content=file_part(WAV) + field_part("prompt_ended_at", "2026-03-01T18:00:00Z") + END,
        fields=("prompt_ended_at",),
    ),
    "200 MB in chunks": Case(413, "recording-too-large", content=endless),
    "unknown job": Case(404, "not-found", "GET", f"/v1/jobs/{UNKNOWN}", {}),
    "no such id": Case(422, "invalid-request", "GET", "/v1/jobs/42", {}, fields=("path.job_id",)),
    "somebody's trend": Case(404, "not-found", "GET", f"/v1/users/{UNKNOWN}/trends", {}),
    "endless page": Case(422, "invalid-request", "GET", "/v1/jobs?limit=1000", {}, fields=("query.limit",)),
    "made-up cursor": Case(422, "invalid-request", "GET", "/v1/jobs?cursor=abc", {}, fields=("cursor",)),
    "unknown path": Case(404, "not-found", "GET", "/v1/nothing", {}),
    "wrong method": Case(405, "method-not-allowed", "PUT", "/v1/jobs", {}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_fault_has_its_problem(ada: httpx.Client, engine: Engine, case: Case) -> None:
    content = case.content() if callable(case.content) else case.content

    response = ada.request(case.method, case.path, headers=case.headers, content=content)

    problem = response.json()
    assert response.status_code == case.status, problem
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"urn:mindtrack:problem:{case.slug}"
    assert problem["status"] == case.status
    assert {"title", "detail", "instance"} <= problem.keys()
    assert tuple(error["field"] for error in problem.get("errors", ())) == case.fields
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs"),
        ("POST", "/analyze-stress"),
        ("GET", "/v1/jobs"),
        ("GET", f"/v1/jobs/{UNKNOWN}"),
        ("POST", "/v1/uploads"),
        ("GET", "/v1/users/me/trends"),
    ],
)
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YWRhOmFkYQ==", "Bearer"])
def test_nothing_is_answered_without_a_token(
    gateway: str, method: str, path: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    response = httpx.request(method, f"{gateway}{path}", headers=headers)

    assert response.status_code == 401
    assert response.json()["type"] == "urn:mindtrack:problem:unauthorized"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/jobs", 500)])
def test_every_answer_carries_a_request_id(
    ada: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: int,
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("mindtrack_gateway.jobs.listing.jobs.page", bug)

    response = ada.get(path)

    assert response.status_code == status
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])
    assert "a bug" not in response.text


def test_a_client_that_falls_silent_is_not_waited_for(gateway: str, ada: httpx.Client) -> None:
    with begun_upload(gateway, ada, length=100_000) as connection:
        connection.sendall(file_part(WAV))
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload-stalled" in answer


def begun_upload(gateway: str, client: httpx.Client, *, length: int) -> socket.socket:
    """Open a connection and send an upload's head; the body is the test's to send, or not."""
    host, port = gateway.removeprefix("http://").split(":")
    head = (
        "POST /v1/jobs HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
        f"Content-Type: {FORM['Content-Type']}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(head.encode())
    return connection


def test_a_body_that_announces_its_size_is_refused_before_it_is_sent(gateway: str, ada: httpx.Client) -> None:
    with begun_upload(gateway, ada, length=200_000_000) as connection:
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"recording-too-large" in answer


def test_an_upload_whose_client_vanishes_leaves_nothing(
    gateway: str,
    ada: httpx.Client,
    engine: Engine,
    infrastructure: Infrastructure,
) -> None:
    def stored() -> set[Path]:
        return {path for path in infrastructure.recordings.rglob("*") if path.is_file()}

    before = stored()
    with begun_upload(gateway, ada, length=1_000_000) as connection:
        connection.sendall(file_part(WAV + bytes(500_000)))
        time.sleep(0.2)  # let it arrive
    time.sleep(0.5)  # and let the gateway notice

    eventually(lambda: stored() == before, what="nothing is left of it")
    assert ada.get("/v1/jobs").json()["items"] == []
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0
