"""The answer to `GET /v1/jobs/{id}`, and the short way to it.

Phones ask this far more often than anything else, and nearly always well: with a token that was verified a
moment ago, for a job of theirs. Such a request is answered here, before middleware, routing and validation.
Whatever is unusual about it takes the long way through the application, which knows how to say what is wrong.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from asgi_correlation_id.middleware import is_valid_uuid4
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.edge import Admission, client_name
from mindtrack_gateway.identity import Principal, Role
from mindtrack_gateway.jobs.snapshots import Header, Snapshot
from mindtrack_gateway.limits import Kind
from mindtrack_gateway.metrics import REQUEST_SECONDS
from mindtrack_gateway.problems import DEPENDENCY_ERRORS, REQUEST_ID_HEADER, TooManyRequestsError
from mindtrack_gateway.problems import answer as problem_answer

#: The longest that a request may ask to be held, seconds; proxies cut what is silent for a minute.
MAX_WAIT = 30
PREFIX = "/v1/jobs/"
REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
#: Of an id as we write it.
ID_LENGTH = 36

#: Status, headers and body.
Reply = tuple[HTTPStatus, list[Header], bytes]

_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request asks for besides the job."""

    #: Quoted tags that it knows already.
    known: frozenset[bytes]
    #: `Prefer: wait=N` (RFC 7240), at most `MAX_WAIT`; None without one.
    wait: int | None

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> Wishes:
        tags = headers.get(b"if-none-match", b"")
        return cls(
            # Weak comparison, as RFC 9110, section 13.1.2, has it.
            known=frozenset(tag.strip().removeprefix(b"W/") for tag in tags.split(b","))
            if tags
            else frozenset(),
            wait=_wait(headers.get(b"prefer", b"")),
        )


def _wait(preferences: bytes) -> int | None:
    """Return for how long to wait. What is no number of seconds is passed over (RFC 7240, section 2)."""
    found = _WAIT.search(preferences.decode("latin-1"))
    return min(MAX_WAIT, int(found[1])) if found else None


async def reply(parts: Parts, job_id: UUID, snapshot: Snapshot, wishes: Wishes) -> Reply:
    """Answer for a job, once it has ended or as long after as the caller wishes to wait."""
    applied: list[Header] = []
    if wishes.wait is not None:
        applied.append((b"preference-applied", b"wait=%d" % wishes.wait))
        snapshot = await parts.watch.ended(job_id, snapshot, within=wishes.wait)
    if wishes.known and (snapshot.etag in wishes.known or b"*" in wishes.known):
        return HTTPStatus.NOT_MODIFIED, [*snapshot.headers, *applied], b""
    return HTTPStatus.OK, [*snapshot.full_headers, *applied], snapshot.body


class ShortWay:
    """Answers usual polls before all middleware; what it does not know, it leaves to the application.

    It does for them what middleware does for others: names and times them, and charges whoever asks.
    """

    def __init__(self, app: ASGIApp, *, route: APIRoute) -> None:
        self._app = app
        self._seconds = {
            status: REQUEST_SECONDS.labels("GET", route.path, int(status))
            for status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED, HTTPStatus.TOO_MANY_REQUESTS)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and scope["path"].startswith(PREFIX)
            and await self._answers(scope, send)
        ):
            return
        await self._app(scope, receive, send)

    async def _answers(self, scope: Scope, send: Send) -> bool:
        """Answer a poll and return True, or do nothing."""
        parts: Parts = scope["app"].state.parts
        started = time.perf_counter()
        headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):  # one came twice; which of both counts is not ours to say
            return False
        try:
            answer = await self._answer(parts, scope, headers)
        except DEPENDENCY_ERRORS:
            return False
        if answer is None:
            return False
        status, told, body = answer
        told.append((REQUEST_ID, _request_id(headers.get(REQUEST_ID))))
        await send({"type": "http.response.start", "status": int(status), "headers": told})
        await send({"type": "http.response.body", "body": body})
        self._seconds[status].observe(time.perf_counter() - started)
        return True

    async def _answer(self, parts: Parts, scope: Scope, headers: Mapping[bytes, bytes]) -> Reply | None:
        path: str = scope["path"]
        job_id = _id(path)
        principal = _caller(parts, headers)
        if job_id is None or principal is None:
            return None
        user_id = parts.people.recall(principal.subject)
        if user_id is None:
            return None
        snapshot = parts.snapshots.recall(job_id) or await parts.snapshots.look(job_id, user_id)
        if snapshot is None or snapshot.user_id != user_id:
            return None
        admission = Admission(parts.limiter, Kind.POLLS)
        try:
            await admission.admit_both(client_name(scope, parts.limits.trusted_proxies), principal.subject)
        except TooManyRequestsError as error:
            status, told, body = _refusal(error, path)
        else:
            status, told, body = await reply(parts, job_id, snapshot, Wishes.of(headers))
        told.extend(admission.fields())
        return status, told, body


def _request_id(given: bytes | None) -> bytes:
    """Return a proxy's name for the request, as the application would, or a new one."""
    if given is not None and is_valid_uuid4(given.decode("latin-1")):
        return given
    return b"%032x" % random.getrandbits(128)


def _refusal(error: TooManyRequestsError, path: str) -> Reply:
    response = problem_answer(error.document(path), error.answer_headers())
    return HTTPStatus(response.status_code), [*response.raw_headers], bytes(response.body)


def _id(path: str) -> UUID | None:
    text = path[len(PREFIX) :]
    if len(text) != ID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


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
