"""The network between phones and gateway: a TCP proxy on loopback that resets connections as it is told."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

PIECE = 16 * 1024
#: Names the send that a connection carries, so that what happens to it does not depend on who comes first.
SEND_HEADER = "X-Send"
_SEND = re.compile(rb"\r\nx-send: *([^\r]*)\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Fault(StrEnum):
    """When the connection is reset, on both sides."""

    BEFORE_BODY = "before the body"
    DURING_BODY = "during the body"
    AFTER_BODY = "after the body"
    #: The gateway has answered, and nobody hears it.
    BEFORE_ANSWER = "before the answer's first byte"


#: What becomes of a send (None lets it through), and how much of its body arrives if not all of it does.
Fate = Callable[[str], tuple[Fault | None, float]]


class Proxy:
    """Carries one request per connection to `port`; counts what it did to them."""

    def __init__(self, port: int, fate: Fate) -> None:
        self._port = port
        self._fate = fate
        self.done: Counter[Fault | None] = Counter()
        self._open: set[asyncio.Task[None]] = set()  # the event loop holds on to none of them

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Yield the port that it listens on."""
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for left in self._open:
                left.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def _begin(self, phone: asyncio.StreamReader, to_phone: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(phone, to_phone))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(self, phone: asyncio.StreamReader, to_phone: asyncio.StreamWriter) -> None:
        gateway, to_gateway = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            fault = await self._relay(phone, gateway, to_gateway, to_phone)
            self.done[fault] += 1
            if fault is not None:
                _reset(to_gateway)
                _reset(to_phone)
        except (OSError, asyncio.IncompleteReadError):
            _reset(to_phone)
        finally:
            to_gateway.close()
            to_phone.close()

    async def _relay(
        self,
        phone: asyncio.StreamReader,
        gateway: asyncio.StreamReader,
        to_gateway: asyncio.StreamWriter,
        to_phone: asyncio.StreamWriter,
    ) -> Fault | None:
        """Carry request and answer, as far as fate allows."""
        head = await phone.readuntil(b"\r\n\r\n")
        send, length = _SEND.search(head), _LENGTH.search(head)
        if send is None or length is None:
            raise ConnectionError("the proxy carries uploads that name their send and length")
        (fault, share), size = self._fate(send[1].decode()), int(length[1])
        to_gateway.write(head)
        await to_gateway.drain()
        if fault is Fault.BEFORE_BODY:
            return fault
        await _copy(phone, to_gateway, int(size * share) if fault is Fault.DURING_BODY else size)
        if fault in {Fault.DURING_BODY, Fault.AFTER_BODY}:
            return fault
        answer = await gateway.read(PIECE)
        if fault is Fault.BEFORE_ANSWER:
            return fault
        while answer:
            to_phone.write(answer)
            await to_phone.drain()
            answer = await gateway.read(PIECE)
        return None


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, size: int) -> None:
    while size:
        piece = await source.readexactly(min(size, PIECE))
        target.write(piece)
        await target.drain()
        size -= len(piece)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, as whatever lies between two ends may do."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
