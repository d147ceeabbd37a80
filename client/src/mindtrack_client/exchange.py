"""What is asked of a server and what it answers, as data; and what a flow asks of whoever runs it.

A flow is a generator that holds the logic of a call and does no I/O itself: it yields an effect, and is sent
what came of it. `client.py` runs flows on blocking sockets, `aio.py` on asynchronous ones.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from mindtrack_client.upload import FileContent

T = TypeVar("T")
#: A parameter with several values is repeated.
Params = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    #: A path below the base URL; of what needs no token, a whole URL.
    target: str
    params: Params = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | FileContent | None = None
    #: Whether it says who asks. Never so for storage: a URL there is its own permission.
    authorized: bool = True
    #: Seconds for which the server was asked to hold its answer.
    hold: int = 0
    #: Whether to send it again where nobody knows if it was carried out.
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    #: By lower-case name.
    headers: Mapping[str, str]
    body: bytes
    #: Where it came from, for messages.
    url: str

    @property
    def reason(self) -> str:
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return "Error"


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request, with this token if any: a `Reply` comes of it, or `ConnectionFailedError`."""

    request: Request
    token: str | None


@dataclass(frozen=True, slots=True)
class Authorize:
    """Get a token; another than `stale` if there is one."""

    stale: str | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Blocking:
    """Run what reads files, off the event loop if there is one."""

    run: Callable[[], Any]


Effect = Send | Authorize | Sleep | Blocking
Flow = Generator[Effect, Any, T]
