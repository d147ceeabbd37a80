from __future__ import annotations

import base64
import email.policy
import hashlib
import json
import tracemalloc
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import cast

import pytest

from mindtrack_client import (
    AsyncMindTrack,
    ForbiddenError,
    MindTrack,
    Priority,
    ProblemError,
    UnexpectedAnswerError,
)
from mindtrack_client.upload import RecordingFile, content_type
from unit.client import documents
from unit.client.bridge import Bridge, Connect
from unit.client.fake_gateway import TOKEN, Asked, FakeGateway, Reply, serve

MEBIBYTE = 1024 * 1024


def parts_of(asked: Asked) -> dict[str, EmailMessage]:
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + asked.body)
    parts = {}
    for part in message.iter_parts():
        assert isinstance(part, EmailMessage)
        parts[str(part.get_param("name", header="content-disposition"))] = part
    return parts


def test_the_form_has_the_recording_and_when_it_was_made(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    recording: Path,
) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job()))
    moment = datetime(2026, 11, 22, 8, 30, tzinfo=timezone(timedelta(hours=9)))
    ended = moment + timedelta(seconds=1.5)
    mindtrack.submit(recording, recorded_at=moment, prompt_ended_at=ended, time_zone="Asia/Tokyo")
    parts = parts_of(gateway.asked[0])
    assert parts.keys() == {"file", "recorded_at", "prompt_ended_at", "time_zone"}
    assert parts["prompt_ended_at"].get_content().strip() == "2026-11-22T08:30:01.500000+09:00"
    assert parts["file"].get_filename() == "today.m4a"
    assert parts["file"].get_content_type() == "audio/mp4"
    assert parts["file"].get_payload(decode=True) == b"not really audio"
    assert parts["recorded_at"].get_content().strip() == "2026-11-22T08:30:00+09:00"
    assert parts["time_zone"].get_content().strip() == "Asia/Tokyo"


def test_the_priority_goes_along(mindtrack: MindTrack, gateway: FakeGateway, recording: Path) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job(priority="bulk")))
    job = mindtrack.submit(recording, priority="bulk")
    assert job.priority is Priority.BULK
    assert parts_of(gateway.asked[0])["priority"].get_content().strip() == "bulk"


def test_a_priority_that_does_not_exist_is_refused_before_anything_is_sent(
    mindtrack: MindTrack, gateway: FakeGateway, recording: Path
) -> None:
    with pytest.raises(ValueError, match="urgent"):
        mindtrack.submit(recording, priority="urgent")
    assert gateway.asked == []


def test_what_is_not_given_is_not_sent(mindtrack: MindTrack, gateway: FakeGateway, recording: Path) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job()))
    assert mindtrack.submit(recording).priority is None, "this server knows none"
    assert parts_of(gateway.asked[0]).keys() == {"file"}


def test_a_time_without_offset_is_refused_before_anything_is_sent(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    recording: Path,
) -> None:
    with pytest.raises(ValueError, match="UTC offset"):
        mindtrack.submit(recording, recorded_at=datetime(2026, 11, 22))  # noqa: DTZ001 - the point
    assert gateway.asked == []


def test_the_end_of_a_prompt_needs_something_to_be_counted_from(
    mindtrack: MindTrack, gateway: FakeGateway, recording: Path
) -> None:
    with pytest.raises(ValueError, match="needs recorded_at"):
        mindtrack.submit(recording, prompt_ended_at=datetime.now(UTC))
    assert gateway.asked == []


def test_a_missing_recording_is_an_os_error(mindtrack: MindTrack, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        mindtrack.submit(tmp_path / "gone.wav")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.M4A", "audio/mp4"),
        ("a.webm", "audio/webm"),
        ("a.opus", "audio/ogg"),
        ("a.wav", "audio/wav"),
        ("a.xyz", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_content_type_from_the_name(name: str, expected: str) -> None:
    assert content_type(name) == expected


def test_a_growing_recording_keeps_its_announced_size(recording: Path) -> None:
    with RecordingFile(recording) as file:
        with recording.open("ab") as more:
            more.write(b" and then some")
        assert file.read(1024) + file.read(1024) == b"not really audio"


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def test_the_content_is_sent_with_its_digest(
    mindtrack: MindTrack, gateway: FakeGateway, recording: Path
) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job()))
    mindtrack.submit(recording)
    asked = gateway.asked[0]
    assert asked.headers["content-digest"] == digest_of(asked.body)
    assert asked.headers["content-length"] == str(len(asked.body))
    assert "transfer-encoding" not in asked.headers


def test_any_name_of_a_file_fits_into_the_form(
    mindtrack: MindTrack, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job()))
    path = tmp_path / 'a "quoted"\r\nname: é.wav'
    path.write_bytes(b"x")
    mindtrack.submit(path)
    parts = parts_of(gateway.asked[0])
    assert parts["file"].get_filename() == "a %22quoted%22%0D%0Aname: é.wav"
    assert parts["file"].get_payload(decode=True) == b"x"


UPLOAD_ID = "01890a5d-0000-7000-8000-00000000000a"


def upload(url: str) -> Reply:
    return Reply(
        201,
        {
            "id": UPLOAD_ID,
            "url": url,
            "method": "PUT",
            "headers": {"Content-Type": "audio/mp4", "x-store": "yes"},
            "expires_at": "2026-11-22T08:15:00Z",
            "max_bytes": 1 << 27,
        },
    )


def test_a_direct_upload_tells_storage_nothing_but_the_recording(
    connect: Connect, gateway: FakeGateway, recording: Path
) -> None:
    gateway.on("POST", "/v1/uploads", upload("http://store.test/bucket/key?signature=s"))
    gateway.on("PUT", "/bucket/key", Reply(503, b"<Error>SlowDown</Error>"), Reply(200, b""))
    gateway.on("POST", "/v1/jobs", Reply(503, documents.problem(503)), Reply(202, documents.job()))
    seen: list[tuple[int, int]] = []
    connect().submit(
        recording, time_zone="Asia/Tokyo", direct=True, on_upload_progress=lambda *step: seen.append(step)
    )
    declared, refused, put, first, second = gateway.asked
    content = recording.read_bytes()
    assert json.loads(declared.body) == {
        "size_bytes": len(content),
        "content_type": "audio/mp4",
        "content_digest": digest_of(content),
    }
    assert refused.body == put.body == content
    assert put.query == {"signature": "s"}
    assert put.headers["content-type"] == "audio/mp4"
    assert put.headers["x-store"] == "yes"
    assert put.headers["content-length"] == str(len(content))
    for asked in (refused, put):
        assert not {"authorization", "cookie", "idempotency-key"} & set(asked.headers)
        assert TOKEN not in str(dict(asked.headers))
    assert json.loads(first.body) == {"upload_id": UPLOAD_ID, "time_zone": "Asia/Tokyo"}
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert seen == [(len(content), len(content))] * 2, "told again in the second attempt"


def test_the_size_decides_unless_somebody_does(
    connect: Connect, gateway: FakeGateway, recording: Path
) -> None:
    gateway.on("POST", "/v1/uploads", upload("http://store.test/key"))
    gateway.on("PUT", "/key", Reply(200, b""))
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job()))
    size = recording.stat().st_size
    for threshold, direct, methods in (
        (size + 1, None, ["POST"]),
        (size, None, ["POST", "PUT", "POST"]),
        (size + 1, True, ["POST", "PUT", "POST"]),
        (size, False, ["POST"]),
    ):
        gateway.asked.clear()
        connect(direct_from=threshold).submit(recording, direct=direct)
        assert [asked.method for asked in gateway.asked] == methods


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_direct_uploads_gets_the_form(
    connect: Connect, gateway: FakeGateway, recording: Path, status: int
) -> None:
    kind = "urn:mindtrack:problem:uploads-not-configured" if status == 501 else "about:blank"
    gateway.on("POST", "/v1/uploads", Reply(status, documents.problem(status, type=kind)))
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job()))
    connect(direct_from=1).submit(recording)
    assert parts_of(gateway.asked[1]).keys() == {"file"}
    with pytest.raises(ProblemError):
        connect().submit(recording, direct=True)


def test_storage_that_refuses_is_an_error_like_any(
    connect: Connect, gateway: FakeGateway, recording: Path
) -> None:
    gateway.on("POST", "/v1/uploads", upload("http://store.test/key"))
    gateway.on("PUT", "/key", Reply(403, b"<Error>Expired</Error>"))
    with pytest.raises(ForbiddenError):
        connect().submit(recording, direct=True)
    gateway.on("PUT", "/key", Reply(307, b"", {"Location": "http://elsewhere.test/"}))
    with pytest.raises(UnexpectedAnswerError, match=r"redirects to http://elsewhere\.test"):
        connect().submit(recording, direct=True)


class CountingHandler(BaseHTTPRequestHandler):
    """Swallows an upload piece by piece and answers with its size as the recording's."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        taken = 0
        while taken < length:
            taken += len(self.rfile.read(min(65536, length - taken)))
        document = documents.job()
        document["recording"]["size_bytes"] = taken
        content = Reply(202, document).content
        self.send_response(202)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("kind", [MindTrack, AsyncMindTrack])
def test_a_large_recording_is_streamed_with_progress(
    tmp_path: Path, kind: type[MindTrack | AsyncMindTrack]
) -> None:
    path = tmp_path / "long.wav"
    size = 32 * MEBIBYTE
    with path.open("wb") as file:
        file.truncate(size)
    seen: list[tuple[int, int]] = []
    with serve(CountingHandler) as url, ExitStack() as open_clients:
        client = kind(url, TOKEN)
        opened = client if isinstance(client, MindTrack) else Bridge(client)
        mindtrack = cast("MindTrack", open_clients.enter_context(opened))
        tracemalloc.start()
        job = mindtrack.submit(path, direct=False, on_upload_progress=lambda *step: seen.append(step))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * MEBIBYTE
    assert size < job.recording.size_bytes < size + 1024  # the form's own headers come on top
    assert seen[-1] == (size, size)
    assert len(seen) > 100
    assert seen == sorted(seen)


class RefusingHandler(BaseHTTPRequestHandler):
    """Says no on the strength of the headers alone, then lets the rest of the body run past."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = Reply(413, documents.problem(413, "Recording too large")).content
        self.send_response(413)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.rfile.read(int(self.headers["Content-Length"]))

    def log_message(self, *_: object) -> None:
        pass


def test_an_early_refusal_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(bytes(MEBIBYTE))
    with (
        serve(RefusingHandler) as url,
        MindTrack(url, TOKEN) as mindtrack,
        pytest.raises(ProblemError) as caught,
    ):
        mindtrack.submit(path)
    assert caught.value.problem.title == "Recording too large"
