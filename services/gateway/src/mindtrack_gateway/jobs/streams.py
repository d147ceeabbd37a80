"""Server-sent events: a job's way to its end, or all of a person's.

A stream costs a connection and little else: changes of one job come from `JobWatch`, those of a person's jobs
from `Feeds`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mindtrack_gateway.dependencies import CurrentFollower, Parts, PartsDep, documented_bearer
from mindtrack_gateway.jobs.lifecycle import missing
from mindtrack_gateway.jobs.open_streams import OpenStreams
from mindtrack_gateway.jobs.snapshots import Snapshot, Snapshots
from mindtrack_gateway.problems import (
    DeletedError,
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    documented,
)

router = APIRouter(tags=["jobs"], dependencies=[documented_bearer])

#: A line that says nothing keeps proxies from cutting a silent stream.
KEEP_ALIVE = 15.0  # seconds
#: Then a stream ends, and whoever comes back is asked anew who they are: a token runs out, a key is revoked.
LONGEST = 300.0  # seconds
#: After what time a client whose stream broke should come back.
RETRY_MILLISECONDS = 2000

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `job`, each with the document of `GET /v1/jobs/{job_id}` as data and its "
        "`ETag` as id; `deleted` with the job's id. Comments keep the stream alive; after five minutes, or "
        "when a server stops, it ends: come back, as `EventSource` does by itself.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


class EventStream(StreamingResponse):
    """Events of one person, who may have so many streams; one more is refused before it begins."""

    def __init__(self, events: AsyncIterator[bytes], streams: OpenStreams, person: UUID) -> None:
        super().__init__(events, media_type=MEDIA_TYPE, headers=HEADERS)
        self._streams, self._person = streams, person

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.one_more(self._person):
            await super().__call__(scope, receive, send)


@router.get(
    "/v1/jobs/{job_id}/events",
    operation_id="followJob",
    summary="Follow a job to its end",
    response_class=StreamingResponse,
    responses={
        **documented(NotFoundError, DeletedError, InvalidRequestError, DependencyUnavailableError),
        **STREAM,
    },
)
async def follow(
    job_id: UUID, request: Request, parts: PartsDep, user_id: CurrentFollower
) -> StreamingResponse:
    """Send the job as it stands, whenever it changes, and once it has ended; then the stream ends."""
    known = await parts.snapshots.get(job_id, user_id)
    if known is None or known.user_id != user_id:
        raise await missing(parts, job_id, user_id, action="followJob")
    stream = _follow(parts, job_id, known, request.headers.get("last-event-id"))
    return EventStream(stream, parts.streams, user_id)


async def _follow(
    parts: Parts, job_id: UUID, known: Snapshot, last_event_id: str | None
) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MILLISECONDS
    if known.has_ended or known.etag.decode() != last_event_id:
        yield event(known)
    end = asyncio.get_running_loop().time() + LONGEST
    while not known.has_ended and not _is_over(parts, end):
        changed = await parts.watch.changed(job_id, known, within=KEEP_ALIVE)
        if changed is not None:
            known = changed
            yield event(known)
        elif await parts.snapshots.get(job_id, known.user_id) is None:
            yield deleted(job_id)
            return
        else:
            yield b": waiting\n\n"


@router.get(
    "/v1/events",
    operation_id="followJobs",
    summary="Follow all of your jobs",
    response_class=StreamingResponse,
    responses={**documented(DependencyUnavailableError), **STREAM},
)
async def follow_all(parts: PartsDep, user_id: CurrentFollower) -> StreamingResponse:
    """Send each of your jobs when it is accepted and whenever it changes, for as long as you listen."""
    return EventStream(_follow_all(parts, user_id), parts.streams, user_id)


async def _follow_all(parts: Parts, user_id: UUID) -> AsyncIterator[bytes]:
    async with parts.feeds.listen(user_id) as changed:
        yield b"retry: %d\n\n" % RETRY_MILLISECONDS
        end = asyncio.get_running_loop().time() + LONGEST
        while not _is_over(parts, end):
            try:
                job_id = await asyncio.wait_for(changed.get(), KEEP_ALIVE)
            except TimeoutError:
                yield b": waiting\n\n"
                continue
            yield await _event_of(parts.snapshots, job_id, user_id)


def _is_over(parts: Parts, end: float) -> bool:
    return parts.watch.released or asyncio.get_running_loop().time() >= end


async def _event_of(snapshots: Snapshots, job_id: UUID, user_id: UUID) -> bytes:
    found = await snapshots.look(job_id, user_id)
    return deleted(job_id) if found is None else event(found)


def event(snapshot: Snapshot) -> bytes:
    """Write a job as an event. JSON has no line breaks."""
    return b"event: job\nid: %s\ndata: %s\n\n" % (snapshot.etag, snapshot.body)


def deleted(job_id: UUID) -> bytes:
    return b'event: deleted\ndata: {"id":"%s"}\n\n' % str(job_id).encode()
