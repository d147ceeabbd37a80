"""Targets are asked briefly, and none is taken at its word. Over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import pytest
from pydantic import ValidationError

from mindtrack_gateway.operations.scraping import Page, Reason, Scraper
from mindtrack_gateway.settings import OperationsSettings

METRICS = b'# TYPE mindtrack_audio_seconds counter\nmindtrack_audio_seconds_total{priority="bulk"} 12\n'
#: Starts a server that answers with this, after so long; returns its port.
Serve = Callable[..., Awaitable[int]]


def response(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    told = {"Content-Type": "text/plain; version=0.0.4", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n".encode() + body


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    serving: set[asyncio.Task[None]] = set()
    async with AsyncExitStack() as running:

        async def start(answer: bytes, *, after: float = 0, asked: list[bytes] | None = None) -> int:
            async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                serving.add(task)
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                    if asked is not None:
                        asked.append(head)
                    await asyncio.sleep(after)
                    writer.write(answer)
                finally:
                    writer.close()
                    with suppress(ConnectionError):  # nobody reads what is too large to its end
                        await writer.wait_closed()

            server = await running.enter_async_context(await asyncio.start_server(one, "127.0.0.1", 0))
            port: int = server.sockets[0].getsockname()[1]
            return port

        yield start
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def ask(*targets: str, **settings: object) -> list[Page]:
    scraper = Scraper(OperationsSettings.model_validate({"targets": targets, **settings}))
    try:
        return await scraper.ask()
    finally:
        await scraper.aclose()


async def test_a_target_that_tells_is_read(serve: Serve) -> None:
    asked: list[bytes] = []
    port = await serve(response(METRICS), asked=asked)

    (page,) = await ask(f"inference=http://localhost:{port}/metrics")

    assert page.reason is None
    assert page.samples is not None
    assert page.samples.value("mindtrack_audio_seconds_total", priority="bulk") == 12
    assert (page.place.service, page.place.address) == ("inference", f"127.0.0.1:{port}")
    assert f"Host: localhost:{port}".lower().encode() in asked[0].lower(), "though its address was asked"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response(METRICS, status="503 Service Unavailable"), Reason.REFUSED),
        (response(b"", status="302 Found", Location="http://127.0.0.1:9/"), Reason.REFUSED),
        (response(b"<html>Sign in</html>", Content_Type="text/html"), Reason.UNREADABLE),
        (response(b"# TYPE\n"), Reason.UNREADABLE),
        (response(gzip.compress(METRICS), Content_Encoding="gzip"), Reason.UNREADABLE),
        (response(METRICS * 1000), Reason.LARGE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.UNREACHABLE),
        (b"", Reason.UNREACHABLE),
    ],
    ids=["status", "redirect", "page", "garbage", "packed", "large", "not HTTP", "nothing"],
)
async def test_what_a_target_may_do_wrong(serve: Serve, answer: bytes, reason: Reason) -> None:
    port = await serve(answer)

    (page,) = await ask(f"relay=http://127.0.0.1:{port}/metrics", max_bytes=10_000)

    assert (page.samples, page.reason) == (None, reason)


async def test_slow_ones_hold_up_no_other(serve: Serve) -> None:
    slow = [await serve(response(METRICS), after=30) for _ in range(10)]
    quick = await serve(response(METRICS))
    started = time.monotonic()

    pages = await ask(
        *(f"inference=http://127.0.0.1:{port}/metrics" for port in (*slow, quick)),
        timeout=timedelta(seconds=0.5),
    )

    assert [page.reason for page in pages] == [Reason.SLOW] * 10 + [None]
    assert time.monotonic() - started < 3


async def test_nobody_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]

        pages = await ask(
            f"relay=http://127.0.0.1:{port}/metrics", "inference-bulk=http://nobody.invalid:9464/metrics"
        )

    assert [(page.place.address, page.reason) for page in pages] == [
        (f"127.0.0.1:{port}", Reason.UNREACHABLE),
        ("nobody.invalid:9464", Reason.ABSENT),
    ]


async def test_a_name_is_asked_at_each_of_its_addresses(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a Kubernetes headless service. Its other kind of addresses leads to the same processes."""
    port = await serve(response(METRICS))
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
    ]
    loop = asyncio.get_running_loop()
    looked_up = loop.getaddrinfo

    async def getaddrinfo(host: str, *args: object, **options: object) -> object:
        return found if host == "workers" else await looked_up(host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)

    pages = await ask(f"inference=http://workers:{port}/metrics")

    assert [(page.place.address, page.reason) for page in pages] == [
        (f"127.0.0.1:{port}", None),
        (f"127.0.0.2:{port}", Reason.UNREACHABLE),
    ]


@pytest.mark.parametrize("target", ["relay", "=http://relay/", "Relay=http://relay/", "relay=ftp://relay/"])
def test_a_target_is_a_service_and_an_address(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDTRACK_OPERATIONS_TARGETS", json.dumps([target]))

    with pytest.raises(ValidationError):
        OperationsSettings()
