"""The answer to `GET /v1/jobs/{id}`, and the short way to it.

Phones ask this far more often than anything else, and nearly always well: with a token that was verified a
moment ago, for a job of theirs. Such a request is answered here, before routing, dependencies and validation.
Whatever is unusual about it takes the long way through the application, which knows how to say what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.identity import Role
from mindtrack_gateway.jobs.snapshots import Header, Snapshot
from mindtrack_gateway.problems import DEPENDENCY_ERRORS

#: The longest that a request may ask to be held, seconds; proxies cut what is silent for a minute.
MAX_WAIT = 30
PREFIX = "/v1/jobs/"
#: Of an id as we write it.
ID_LENGTH = 36

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


async def reply(
    parts: Parts, job_id: UUID, snapshot: Snapshot, wishes: Wishes
) -> tuple[HTTPStatus, list[Header], bytes]:
    """Answer for a job, once it has ended or as long after as the caller wishes to wait."""
    applied: list[Header] = []
    if wishes.wait is not None:
        applied.append((b"preference-applied", b"wait=%d" % wishes.wait))
        snapshot = await parts.watch.ended(job_id, snapshot, within=wishes.wait)
    headers = [*snapshot.headers, *applied]
    if snapshot.etag in wishes.known or b"*" in wishes.known:
        return HTTPStatus.NOT_MODIFIED, headers, b""
    length = b"%d" % len(snapshot.body)
    headers += ((b"content-type", b"application/json"), (b"content-length", length))
    return HTTPStatus.OK, headers, snapshot.body


class ShortWay:
    """ASGI middleware that answers usual polls. What it does not know, it leaves to the application."""

    def __init__(self, app: ASGIApp, *, api: FastAPI, route: APIRoute) -> None:
        self._app = app
        self._api = api
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(PREFIX):
            headers = dict(scope["headers"])
            answer = await self._answer(scope, headers)
            if answer is not None:
                scope["route"] = self._route
                await _send(send, *answer)
                return
        await self._app(scope, receive, send)

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes]
    ) -> tuple[HTTPStatus, list[Header], bytes] | None:
        parts: Parts = self._api.state.parts
        job_id = _id(scope["path"])
        user_id = _caller(parts, headers.get(b"authorization", b""))
        if job_id is None or user_id is None:
            return None
        try:
            snapshot = parts.snapshots.recall(job_id) or await parts.snapshots.look(job_id)
            if snapshot is None or snapshot.user_id != user_id:
                return None
            return await reply(parts, job_id, snapshot, Wishes.of(headers))
        except DEPENDENCY_ERRORS:
            return None


def _id(path: str) -> UUID | None:
    text = path[len(PREFIX) :]
    if len(text) != ID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _caller(parts: Parts, authorization: bytes) -> UUID | None:
    """Return who asks, if we know without asking anybody."""
    if authorization[:7].lower() != b"bearer ":
        return None
    principal = parts.verifier.recall(authorization[7:].decode("latin-1"))
    if principal is None or Role.USER not in principal.roles:
        return None
    return parts.people.recall(principal.subject)


async def _send(send: Send, status: HTTPStatus, headers: list[Header], body: bytes) -> None:
    start: Message = {"type": "http.response.start", "status": int(status), "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
