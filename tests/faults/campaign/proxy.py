"""A TCP proxy that stands between a process and its server, and behaves like a bad network.

It serves from an event loop in a thread of its own, so that whoever uses it can stay plain code. What it does
is changed while connections are open, as networks do.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import NamedTuple, TypeVar

HOST = "127.0.0.1"
CHUNK = 64 * 1024  # bytes
#: `SO_LINGER` with which closing sends RST instead of FIN.
ABORTIVE = struct.pack("ii", 1, 0)

#: Where a server listens: a host with a port, or the path of a Unix socket.
Address = tuple[str, int] | str


Result = TypeVar("Result")


class Way(Enum):
    TO_SERVER = auto()
    TO_CLIENT = auto()


class Cut(NamedTuple):
    """A connection is reset as soon as these bytes pass; they do not arrive."""

    mark: bytes
    way: Way


class Link:
    """The network between one process and one server."""

    def __init__(self, upstream: Address, host: str = HOST) -> None:
        self._upstream = upstream
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._open: set[Connection] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        #: Seconds that each piece of data takes longer, each way.
        self.latency = 0.0
        #: Whether new connections are reset at once.
        self.refuses = False
        #: What every connection is answered, instead of being forwarded.
        self.answers: bytes | None = None
        #: Bytes after which a connection is reset, counted both ways; None for any number.
        self.most_bytes: int | None = None
        self._cuts: list[Cut] = []
        #: How many connections were reset by a `Cut`.
        self.cut = 0
        self.port = 0

    @contextmanager
    def serving(self) -> Iterator[Link]:
        started = threading.Event()
        thread = threading.Thread(target=self._run, args=(started,), name="link")
        thread.start()
        started.wait()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()

    def blackhole(self) -> None:
        """Swallow everything: nobody is told, and connections stay open."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def half_open(self) -> None:
        """Make every open connection one whose other end is gone without a word; new ones work."""
        self._call(self._forget)

    def reset(self) -> int:
        """Send RST to both ends of every open connection; return how many there were."""
        return self._call(self._reset)

    def cut_at(self, mark: bytes, way: Way = Way.TO_CLIENT, times: int = 1) -> None:
        """Reset the next connections over which these bytes pass, instead of passing them on."""
        self._cuts += [Cut(mark, way)] * times

    def heal(self) -> None:
        """Be a network again. What a blackhole swallowed arrives late, as after a partition."""
        self.latency, self.refuses, self.answers, self.most_bytes = 0.0, False, None, None
        self._cuts.clear()
        self._loop.call_soon_threadsafe(self._flows.set)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, self._host, 0))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        self._reset()
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.close()

    def _call(self, what: Callable[[], Result]) -> Result:
        async def call() -> Result:
            return what()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _reset(self) -> int:
        count = len(self._open)
        for connection in tuple(self._open):
            connection.abort()
        return count

    def _forget(self) -> None:
        for connection in self._open:
            connection.deaf = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            _abort(writer)
            return
        if self.answers is not None:
            await _answer(reader, writer, self.answers)
            return
        try:
            server = await _connect(self._upstream)
        except OSError:
            _abort(writer)
            return
        connection = Connection(writer, server[1])
        self._open.add(connection)
        try:
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(self._pipe(reader, server[1], Way.TO_SERVER, connection))
                pipes.create_task(self._pipe(server[0], writer, Way.TO_CLIENT, connection))
        except* OSError:
            connection.abort()
        finally:
            self._open.discard(connection)
            connection.close()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, connection: Connection
    ) -> None:
        while data := await reader.read(CHUNK):
            if self.latency:
                await asyncio.sleep(self.latency)
            await self._flows.wait()
            if connection.deaf:
                continue
            if self._is_cut(data, way, connection):
                connection.abort()
                return
            writer.write(data)
            await writer.drain()
        if not connection.deaf:
            with suppress(OSError):
                writer.write_eof()

    def _is_cut(self, data: bytes, way: Way, connection: Connection) -> bool:
        connection.passed += len(data)
        if self.most_bytes is not None and connection.passed > self.most_bytes:
            self.cut += 1
            return True
        for cut in self._cuts:
            if cut.way is way and cut.mark in data:
                self._cuts.remove(cut)
                self.cut += 1
                return True
        return False


class Connection:
    """One connection through a link: both of its ends."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self._ends = ends
        self.passed = 0
        #: Nothing that is sent arrives any more, and nobody is told.
        self.deaf = False

    def abort(self) -> None:
        for end in self._ends:
            _abort(end)

    def close(self) -> None:
        for end in self._ends:
            end.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    transport_socket: socket.socket | None = writer.get_extra_info("socket")
    if transport_socket is not None and transport_socket.family != socket.AF_UNIX:
        with suppress(OSError):
            transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTIVE)
    writer.transport.abort()


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, str):
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    with suppress(OSError):
        await reader.read(CHUNK)
        writer.write(answer)
        await writer.drain()
        writer.close()
