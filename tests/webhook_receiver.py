"""A real server that takes webhooks, and behaves as badly as it is told to."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    #: The address that was connected to.
    at: str


@dataclass
class Receiver:
    url: str = ""
    received: list[Received] = field(default_factory=list)
    #: What it does, in order; the last word stays.
    script: deque[Behaviour] = field(default_factory=lambda: deque([answer(204)]))
    #: Set when nobody needs to be kept waiting any more.
    over: threading.Event = field(default_factory=threading.Event)

    def behaves(self, *behaviours: Behaviour) -> None:
        self.script = deque(behaviours)

    @property
    def ids(self) -> list[str]:
        return [message.headers["webhook-id"] for message in self.received]


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x16\x03\x01 this is not the protocol you are looking for\r\n\r\n")
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def silence(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing for longer than anybody should wait."""
    _receiver(handler).over.wait(60)
    handler.close_connection = True


def dripping_head(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, so that no single read takes long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while not _receiver(handler).over.is_set():
        handler.wfile.write(b"a")
        time.sleep(0.05)


def endless_body(handler: BaseHTTPRequestHandler) -> None:
    """Succeed, and go on talking for as long as somebody listens."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not _receiver(handler).over.is_set():
        handler.wfile.write(bytes(65536))


def _receiver(handler: BaseHTTPRequestHandler) -> Receiver:
    assert isinstance(handler.server, _Server)
    return handler.server.receiver


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up on an endless answer is right."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver = _receiver(self)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.received.append(Received(self.path, headers, body, self.connection.getsockname()[0]))
        script = receiver.script
        (script.popleft() if len(script) > 1 else script[0])(self)

    def log_message(self, *args: object) -> None:
        """Keep the tests' output quiet."""


@contextmanager
def receiving(
    host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    server = _Server((host, port), _Handler)
    scheme = "http"
    if tls is not None:
        scheme, server.socket = "https", tls.wrap_socket(server.socket, server_side=True)
    server.receiver = Receiver(url=f"{scheme}://{host}:{server.server_address[1]}/hook")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.receiver
    finally:
        server.receiver.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
