from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from mindtrack_client import (
    AsyncMindTrack,
    ConfigurationError,
    ConnectionFailedError,
    MindTrack,
    ProblemError,
    Retry,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from unit.client import documents
from unit.client.bridge import Connect
from unit.client.documents import JOB_ID
from unit.client.fake_clock import Pauses
from unit.client.fake_gateway import TOKEN, FakeGateway, Reply, serve

JOB_PATH = f"/v1/jobs/{JOB_ID}"


def test_every_request_carries_the_token_under_the_base_path(connect: Connect, gateway: FakeGateway) -> None:
    gateway.on("GET", f"/mindtrack{JOB_PATH}", Reply(200, documents.job()))
    connect(base_url="http://gateway.test/mindtrack/").job(JOB_ID)
    assert gateway.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_reading_survives_a_short_outage(mindtrack: MindTrack, gateway: FakeGateway, pauses: Pauses) -> None:
    gateway.on(
        "GET",
        JOB_PATH,
        httpx2.ConnectError("refused"),
        Reply(502, b"<html>bad gateway</html>"),
        Reply(503, documents.problem(503), {"Retry-After": "20"}),
        Reply(429, documents.problem(429)),
        Reply(200, documents.job()),
    )
    assert mindtrack.job(JOB_ID).id == UUID(JOB_ID)
    assert pauses == pytest.approx([0.5, 1, 22, 4])


def test_reading_gives_up_after_a_few_attempts(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
) -> None:
    gateway.on("GET", JOB_PATH, httpx2.ReadTimeout("timed out"))
    with pytest.raises(ConnectionFailedError, match=r"gateway\.test.*timed out"):
        mindtrack.job(JOB_ID)
    assert pauses == [0.5, 1, 2, 4]
    assert len(gateway.asked) == 5


def test_waiting_outlasts_a_restart_but_not_everything(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
) -> None:
    gateway.on("GET", JOB_PATH, httpx2.ConnectError("refused"))
    with pytest.raises(ConnectionFailedError) as caught:
        mindtrack.wait(JOB_ID)
    assert caught.value.job_id == UUID(JOB_ID)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32], "the next would have ended after more than two minutes"


def test_who_wants_no_second_attempt_gets_none(
    connect: Connect, gateway: FakeGateway, pauses: Pauses
) -> None:
    gateway.on("GET", JOB_PATH, httpx2.ConnectError("refused"))
    client = connect(retry=Retry(attempts=1))
    for call in (client.job, client.wait):
        with pytest.raises(ConnectionFailedError):
            call(JOB_ID)
    assert pauses == []


@pytest.mark.parametrize(("status", "retry_after"), [(404, None), (500, None), (503, "121")])
def test_no_retry_when_it_is_pointless_or_unwelcome(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
    status: int,
    retry_after: str | None,
) -> None:
    headers = {"Retry-After": retry_after} if retry_after else {}
    gateway.on("GET", JOB_PATH, Reply(status, documents.problem(status), headers))
    with pytest.raises(ProblemError):
        mindtrack.job(JOB_ID)
    assert pauses == []


def test_a_retry_that_would_outlast_the_wait_is_not_made(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    pauses: Pauses,
) -> None:
    gateway.on("GET", JOB_PATH, Reply(503, documents.problem(503), {"Retry-After": "30"}))
    with pytest.raises(ProblemError) as caught:
        mindtrack.wait(JOB_ID, timeout=10)
    assert caught.value.job_id == UUID(JOB_ID)
    assert pauses == []


def test_a_token_that_is_not_accepted_is_replaced_once(connect: Connect, gateway: FakeGateway) -> None:
    refused = Reply(401, documents.problem(401))
    gateway.on("GET", JOB_PATH, Reply(200, documents.job()), refused, Reply(200, documents.job()), refused)
    tokens = iter(["first", "second", "third"])
    client = connect(token=lambda: next(tokens))
    client.job(JOB_ID)
    client.job(JOB_ID)
    with pytest.raises(UnauthorizedError):
        client.job(JOB_ID)
    sent = [asked.headers["authorization"].removeprefix("Bearer ") for asked in gateway.asked]
    assert sent == ["first", "first", "second", "second", "third"]


def test_the_same_token_is_not_tried_again(connect: Connect, gateway: FakeGateway) -> None:
    gateway.on("GET", JOB_PATH, Reply(401, documents.problem(401)))
    for token in (TOKEN, lambda: TOKEN):
        with pytest.raises(UnauthorizedError):
            connect(token=token).job(JOB_ID)
    assert len(gateway.asked) == 2


def test_a_callables_token_is_checked_like_any(connect: Connect, gateway: FakeGateway) -> None:
    with pytest.raises(ConfigurationError):
        connect(token=lambda: "two words").job(JOB_ID)
    assert gateway.asked == []


async def test_a_token_may_be_promised(gateway: FakeGateway) -> None:
    async def token() -> str:
        return TOKEN

    gateway.on("GET", JOB_PATH, Reply(200, documents.job()))
    async with AsyncMindTrack("http://gateway.test", token, transport=gateway.transport()) as client:
        await client.job(JOB_ID)
    assert gateway.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_problem_document_is_typed(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    errors = [{"pointer": "#/time_zone", "detail": "unknown"}, {"field": "file", "detail": "missing"}]
    gateway.on("GET", JOB_PATH, Reply(422, documents.problem(422, "Invalid", errors=errors, extra=1)))
    with pytest.raises(ProblemError, match=r"Invalid \(422\): Because\.") as caught:
        mindtrack.job(JOB_ID)
    assert [str(part) for part in caught.value.problem.errors] == ["#/time_zone: unknown", "file: missing"]


def test_a_problem_document_may_spell_out_what_is_absent(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    absent = {"type": None, "instance": None, "errors": None}
    gateway.on("GET", JOB_PATH, Reply(404, documents.problem(404, "Gone") | absent))
    with pytest.raises(ProblemError, match=r"Gone \(404\): Because\.") as caught:
        mindtrack.job(JOB_ID)
    assert caught.value.problem.errors == ()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"title": 7}', b"\xff"])
def test_an_error_without_a_problem_document_still_is_one(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    body: bytes,
) -> None:
    gateway.on("GET", JOB_PATH, Reply(403, body))
    with pytest.raises(ProblemError, match=r"Forbidden \(403\)"):
        mindtrack.job(JOB_ID)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, b"<html>a login page</html>"), "does not answer as MindTrack"),
        (Reply(200, {"id": "1"}), "does not answer as MindTrack"),
        (Reply(301, b"", {"Location": "https://elsewhere.test/"}), r"redirects to https://elsewhere\.test/"),
    ],
)
def test_another_server_is_told_apart(
    mindtrack: MindTrack,
    gateway: FakeGateway,
    reply: Reply,
    words: str,
) -> None:
    gateway.on("GET", JOB_PATH, reply)
    with pytest.raises(UnexpectedAnswerError, match=words):
        mindtrack.job(JOB_ID)


@pytest.mark.parametrize(
    "url", ["gateway.test", "ftp://gateway.test", "http://", "http://gateway.test:port", ""]
)
def test_a_base_url_that_cannot_work(url: str) -> None:
    with pytest.raises(ConfigurationError):
        MindTrack(url, TOKEN)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "tökén"])
def test_a_bad_token_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MindTrack("http://gateway.test", token)
    assert not token or token not in str(caught.value)


class SlowHandler(BaseHTTPRequestHandler):
    """Takes most of a second, as a server does that was asked to hold its answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(0.8)
        content = Reply(200, documents.job("succeeded")).content
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def test_a_held_answer_may_take_longer_than_any_other() -> None:
    with (
        serve(SlowHandler) as url,
        MindTrack(url, TOKEN, request_timeout=0.2, retry=Retry(attempts=1)) as mindtrack,
    ):
        assert mindtrack.wait(JOB_ID, timeout=2).is_finished
        with pytest.raises(ConnectionFailedError, match="timed out"):
            mindtrack.job(JOB_ID)


async def test_a_call_that_is_cancelled_leaves_no_file_open(gateway: FakeGateway, recording: Path) -> None:
    def open_files() -> int:
        return sum(path.resolve() == recording for path in Path("/proc/self/fd").iterdir())

    during = asyncio.get_running_loop().create_future()

    async def sleep(_: float) -> None:
        during.set_result(open_files())
        await asyncio.sleep(60)

    gateway.on("POST", "/v1/jobs", Reply(503, documents.problem(503)))
    transport = gateway.transport()
    async with AsyncMindTrack("http://gateway.test", TOKEN, transport=transport, sleep=sleep) as client:
        call = asyncio.create_task(client.submit(recording))
        assert await during == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert open_files() == 0
