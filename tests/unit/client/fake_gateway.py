"""A gateway with scripted answers, reachable through a transport or over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import httpx2

TOKEN = "secret-token"  # noqa: S105 - the fake's only token


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds.
    takes: float = 0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class FakeGateway:
    """Answers each (method, path) with its scripted replies in order; the last one repeats."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        #: Lets the time pass that a reply takes.
        self.passing: Callable[[float], object] | None = None
        self._script: dict[tuple[str, str], list[Reply | Exception]] = {}

    def on(self, method: str, path: str, *replies: Reply | Exception) -> None:
        self._script[method, path] = list(replies)

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        replies = self._script.get((asked.method, asked.path))
        if replies is None:
            return Reply(404, {"type": "about:blank", "title": "Not Found", "status": 404})
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        if self.passing is not None:
            self.passing(reply.takes)
        return reply

    def transport(self) -> httpx2.MockTransport:
        def handle(request: httpx2.Request) -> httpx2.Response:
            asked = Asked(
                request.method,
                request.url.path,
                dict(request.url.params),
                request.headers,
                request.read(),
            )
            reply = self.answer(asked)
            return httpx2.Response(reply.status, headers=dict(reply.headers), content=reply.content)

        return httpx2.MockTransport(handle)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The base URL of a real server on this machine."""
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                query = dict(parse_qsl(url.query))
                reply = gateway.answer(Asked(self.command, url.path, query, dict(self.headers), body))
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)

            do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        with serve(Handler) as url:
            yield url


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
