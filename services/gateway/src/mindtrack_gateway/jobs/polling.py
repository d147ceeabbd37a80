"""The answer to `GET /v1/jobs/{id}`, which phones ask far more often than anything else."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from uuid import UUID

from fastapi.routing import APIRoute
from starlette.types import Scope

from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.jobs.lifecycle import missing
from mindtrack_gateway.jobs.snapshots import Header
from mindtrack_gateway.limits import Kind
from mindtrack_gateway.short_way import Reply

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


async def reply(parts: Parts, job_id: UUID, user_id: UUID, wishes: Wishes) -> Reply:
    """Answer for a person's job, once it has ended or as long after as the caller wishes to wait.

    Raises:
        NotFoundError: the person has no such job.
        DeletedError: they have deleted it, now or before.

    """
    snapshot = await parts.snapshots.get(job_id, user_id)
    if snapshot is None or snapshot.user_id != user_id:
        raise await missing(parts, job_id, user_id, action="getJob")
    applied: list[Header] = []
    if wishes.wait is not None:
        applied.append((b"preference-applied", b"wait=%d" % wishes.wait))
        snapshot = await parts.watch.ended(job_id, snapshot, within=wishes.wait)
        if snapshot is None:
            raise await missing(parts, job_id, user_id, action="getJob")
    if wishes.known and (snapshot.etag in wishes.known or b"*" in wishes.known):
        return HTTPStatus.NOT_MODIFIED, [*snapshot.headers, *applied], b""
    return HTTPStatus.OK, [*snapshot.full_headers, *applied], snapshot.body


@dataclass(frozen=True, slots=True)
class Polls:
    """Polls as nearly all are: `short_way.Usual`."""

    kind = Kind.POLLS
    statuses = (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
    route: APIRoute

    def concerns(self, path: str) -> bool:
        return path.startswith(PREFIX)

    async def understand(
        self, parts: Parts, user_id: UUID, scope: Scope, headers: Mapping[bytes, bytes]
    ) -> Callable[[], Awaitable[Reply]] | None:
        job_id = _id(scope["path"])
        if job_id is None:
            return None
        return partial(reply, parts, job_id, user_id, Wishes.of(headers))


def _id(path: str) -> UUID | None:
    text = path[len(PREFIX) :]
    if len(text) != ID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
