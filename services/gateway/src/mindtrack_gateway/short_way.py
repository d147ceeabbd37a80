"""A short way to what is asked most, and nearly always well: polls, and one's own trend.

A request with a token that was verified a moment ago, of somebody who is known, is answered here, before
middleware, routing and validation, which take longer than the answer. What middleware does for others is done
here for these: they are named and timed, and whoever asks is charged. Whatever is unusual about a request
takes the long way through the application, which knows how to say what is wrong.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol
from uuid import UUID

from asgi_correlation_id import correlation_id
from asgi_correlation_id.middleware import is_valid_uuid4
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.edge import Admission, client_name
from mindtrack_gateway.identity import Principal, Role
from mindtrack_gateway.limits import Kind
from mindtrack_gateway.metrics import REQUEST_SECONDS
from mindtrack_gateway.problems import (
    AWAY,
    DEPENDENCY_ERRORS,
    REQUEST_ID_HEADER,
    DependencyUnavailableError,
    ProblemError,
)
from mindtrack_gateway.problems import answer as problem_answer
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

REQUEST_ID = REQUEST_ID_HEADER.lower().encode()

REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

#: Status, headers and body.
Reply = tuple[HTTPStatus, list[tuple[bytes, bytes]], bytes]


class Usual(Protocol):
    """What is usual of one route."""

    #: As which requests are charged.
    @property
    def kind(self) -> Kind: ...

    #: Where the others go; and what its metrics are called.
    @property
    def route(self) -> APIRoute: ...

    #: With which it answers.
    @property
    def statuses(self) -> Sequence[HTTPStatus]: ...

    def concerns(self, path: str) -> bool: ...

    async def understand(
        self, parts: Parts, user_id: UUID, scope: Scope, headers: Mapping[bytes, bytes]
    ) -> Callable[[], Awaitable[Reply]] | None:
        """Return what makes the answer, once whoever asks was charged; None if anything is unusual."""
        ...


class ShortWay:
    """ASGI middleware. What it does not understand, it leaves to the application."""

    def __init__(self, app: ASGIApp, *usual: Usual) -> None:
        self._app = app
        self._usual = usual
        self._seconds = {
            (each.route.path, status): REQUEST_SECONDS.labels("GET", each.route.path, int(status))
            for each in usual
            for status in (*each.statuses, *REFUSALS)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            for usual in self._usual:
                if usual.concerns(scope["path"]) and await self._answers(usual, scope, send):
                    return
        await self._app(scope, receive, send)

    async def _answers(self, usual: Usual, scope: Scope, send: Send) -> bool:
        """Answer a request and return True, or do nothing."""
        parts: Parts = scope["app"].state.parts
        started = time.perf_counter()
        headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):  # one came twice; which of both counts is not ours to say
            return False
        request_id = _request_id(headers.get(REQUEST_ID))
        try:
            answer = await _answer(usual, parts, scope, headers, request_id)
        except Exception:  # noqa: BLE001 - whatever it was, it happens again on the long way, and is told there
            return False
        if answer is None:
            return False
        status, told, body = answer
        told.append((REQUEST_ID, request_id))
        await send({"type": "http.response.start", "status": int(status), "headers": told})
        await send({"type": "http.response.body", "body": body})
        self._seconds[usual.route.path, status].observe(time.perf_counter() - started)
        return True


async def _answer(
    usual: Usual, parts: Parts, scope: Scope, headers: Mapping[bytes, bytes], request_id: bytes
) -> Reply | None:
    principal = _caller(parts, headers)
    user_id = parts.people.recall(principal.subject) if principal is not None else None
    if principal is None or user_id is None:
        return None
    make = await usual.understand(parts, user_id, scope, headers)
    if make is None:
        return None
    admission = Admission(parts.limiter, usual.kind)
    correlation_id.set(request_id.decode())  # for what is written down of a refusal
    try:
        await admission.admit_both(client_name(scope, parts.limits.trusted_proxies), principal.subject)
        status, told, body = await make()
    except ProblemError as error:
        status, told, body = _refusal(error, scope["path"])
    except DEPENDENCY_ERRORS as error:  # to charge and to wait once more would help nobody
        name = request_id.decode()
        get_logger().error(events.REQUEST_FAILED, route=usual.route.path, request_id=name, exc_info=error)
        status, told, body = _refusal(DependencyUnavailableError(AWAY), scope["path"])
    told.extend(admission.fields())
    return status, told, body


def _request_id(given: bytes | None) -> bytes:
    """Return a proxy's name for the request, as the application would, or a new one."""
    if given is not None and is_valid_uuid4(given.decode("latin-1")):
        return given
    return b"%032x" % random.getrandbits(128)


def _refusal(error: ProblemError, path: str) -> Reply:
    return reply_of(problem_answer(error.document(path), error.answer_headers()))


def reply_of(response: Response) -> Reply:
    return HTTPStatus(response.status_code), [*response.raw_headers], bytes(response.body)


def _caller(parts: Parts, headers: Mapping[bytes, bytes]) -> Principal | None:
    """Return who asks, if we know without asking anybody, and if they may."""
    token = _token(parts, headers)
    principal = parts.verifier.recall(token) if token is not None else None
    return principal if principal is not None and Role.USER in principal.roles else None


def _token(parts: Parts, headers: Mapping[bytes, bytes]) -> str | None:
    authorization = headers.get(b"authorization")
    if authorization is None:
        return parts.browser.token(headers.get(b"cookie", b"").decode("latin-1"))
    if authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].decode("latin-1")
