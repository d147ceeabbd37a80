"""Asks an HTTP server as fast as it answers, over connections that stay open.

A generator that costs more than the server would measure itself. This one sends prepared bytes, and reads of
an answer no more than where it ends; it drives several times what a bare ASGI application answers.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

CONNECTIONS = 64
_HEAD_ENDS = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Request:
    """Prepared, and the status that its answer must have."""

    data: bytes
    status: int


def prepare(path: str, headers: dict[str, str], status: int = 200) -> Request:
    lines = [
        f"GET {path} HTTP/1.1",
        "host: 127.0.0.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return Request("\r\n".join([*lines, "", ""]).encode(), status)


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[Request], tally: _Tally) -> None:
        self._requests = requests
        self._tally = tally
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._request = next(self._requests)
        self._transport.write(self._request.data)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        head = self._received.find(_HEAD_ENDS)
        if head < 0 or len(self._received) < head + len(_HEAD_ENDS) + _body_length(self._received, head):
            return
        self._tally.count(int(self._received[9:12]) == self._request.status)
        self._received = b""
        if self._tally.over:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        self._tally.close()


def _body_length(received: bytes, head: int) -> int:
    at = (
        received.lower().find(_LENGTH, 0, head)
        if _LENGTH not in received
        else received.find(_LENGTH, 0, head)
    )
    if at < 0:
        return 0
    return int(received[at + len(_LENGTH) : received.index(b"\r\n", at)])


class _Tally:
    def __init__(self, seconds: float, connections: int) -> None:
        self.answers = self.wrong = 0
        self._until = time.perf_counter() + seconds
        self._open = connections
        self.closed = asyncio.Event()

    @property
    def over(self) -> bool:
        return time.perf_counter() >= self._until

    def count(self, right: bool) -> None:  # noqa: FBT001 - it is the only thing told
        self.answers += 1
        self.wrong += not right

    def close(self) -> None:
        self._open -= 1
        if not self._open:
            self.closed.set()


def answers_per_second(port: int, requests: Sequence[Request], *, seconds: float) -> float:
    """Send the requests round and round for so long.

    Raises:
        RuntimeError: an answer has another status than it must have, or the server hung up.

    """

    async def ask() -> float:
        tally, started = _Tally(seconds, CONNECTIONS), time.perf_counter()
        endless = itertools.cycle(requests)
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: _Connection(endless, tally), "127.0.0.1", port)
        await tally.closed.wait()
        if tally.wrong or not tally.over:
            raise RuntimeError(f"{tally.wrong} of {tally.answers} answers are wrong, or the server hung up")
        return tally.answers / (time.perf_counter() - started)

    return uvloop.run(ask())
