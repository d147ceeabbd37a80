"""Jobs as they are answered to those who poll: read together, kept ready to send.

Many ask, and little changes. What a process knows about a job is told for a second, what has ended for five.
After that a glance at the row, one query for all who ask at that moment, says whether it still holds. Only
what did change is read and written out anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.jobs.queue import QueueBoard
from mindtrack_gateway.jobs.schemas import JobView, QueueView
from mindtrack_shared.db import jobs
from mindtrack_shared.db.fence import Fence, Sessions
from mindtrack_shared.db.models import Job
from mindtrack_shared.domain.jobs import JobStatus, Priority

#: How long a job is told as it was read.
FRESH_SECONDS = 1.0
#: The same for one that has ended: only its deletion can change it, which other processes are told of.
FRESH_ENDED_SECONDS = 5.0
#: Jobs that are looked at in one query.
MOST_TOGETHER = 500
#: Bytes of answers that are kept.
KEPT_BYTES = 64 * 1024 * 1024
#: Seconds after which a client should ask again, at least and at most.
RETRY_AFTER = (1, 30)

Header = tuple[bytes, bytes]


class Version(NamedTuple):
    """What tells a job from what it was."""

    status: JobStatus
    fence: int
    priority: Priority
    not_before: datetime

    @classmethod
    def of(cls, glance: Row[*tuple[Any, ...]]) -> Version:
        return cls(glance.status, glance.fence, glance.priority, glance.not_before)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job at a moment, as it is sent."""

    user_id: UUID
    version: Version
    #: The whole document.
    body: bytes
    #: Quoted.
    etag: bytes
    #: Of an answer that says that nothing changed, and of a full one.
    headers: tuple[Header, ...]
    full_headers: tuple[Header, ...]
    #: By the monotonic clock.
    fresh_until: float
    #: The document without what the queue adds to it.
    settled: bytes
    #: Where it stands while it is queued.
    queue: QueueView | None = None

    @property
    def has_ended(self) -> bool:
        return self.version.status.is_terminal

    @property
    def retry_after(self) -> int | None:
        """Seconds after which to ask again, while it has not ended."""
        return None if self.has_ended else _retry_after(self.queue)


class _Wanted(NamedTuple):
    """A job that somebody waits to be told of."""

    answer: asyncio.Future[Snapshot | None]
    #: Who asked. A job that is none of theirs is not there.
    by: set[UUID]


class Snapshots:
    """What one process knows about jobs."""

    def __init__(self, sessions: Sessions, board: QueueBoard) -> None:
        self._sessions = sessions
        self._board = board
        self._known: OrderedDict[UUID, Snapshot] = OrderedDict()
        self._bytes = 0
        #: Being looked at, and not forgotten since.
        self._reading: set[UUID] = set()
        #: Told since the last look: who asked so often asks again.
        self._asked: set[UUID] = set()
        self._wanted: dict[UUID, _Wanted] = {}
        self._reader: asyncio.Task[None] | None = None

    def recall(self, job_id: UUID) -> Snapshot | None:
        """Return what is known about a job if it may still be told."""
        known = self._known.get(job_id)
        if known is None or time.monotonic() >= known.fresh_until:
            return None
        self._asked.add(job_id)
        return known

    async def get(self, job_id: UUID, person: UUID) -> Snapshot | None:
        """Return a job as it stands, or None if there is none; whose it is, the caller has to compare."""
        return self.recall(job_id) or await self.look(job_id, person)

    async def look(self, job_id: UUID, person: UUID) -> Snapshot | None:
        """Look at a job's row on behalf of a person, together with all who ask now; as `get` otherwise."""
        wanted = self._wanted.get(job_id)
        if wanted is None:
            wanted = self._wanted[job_id] = _Wanted(asyncio.get_running_loop().create_future(), set())
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read_wanted(), name="snapshots")
        wanted.by.add(person)
        return await asyncio.shield(wanted.answer)

    async def get_all(self, job_ids: Iterable[UUID], person: UUID) -> dict[UUID, Snapshot]:
        """Return many jobs, looked at together; those that are not there are left out."""
        asked = list(dict.fromkeys(job_ids))
        found = await asyncio.gather(*(self.get(job_id, person) for job_id in asked))
        return {job_id: snapshot for job_id, snapshot in zip(asked, found, strict=True) if snapshot}

    async def moved_on(self, known: Sequence[tuple[UUID, UUID, Version]]) -> AsyncIterator[UUID]:
        """Compare what is known of jobs, each with its owner: those that differ, gone ones among them."""
        for first in range(0, len(known), MOST_TOGETHER):
            some = known[first : first + MOST_TOGETHER]
            async with self._sessions.begin(_of(owner for _, owner, _ in some)) as session:
                changes = [(job_id, version) for job_id, _, version in some]
                differ = (await session.scalars(jobs.moved_on(changes))).all()
            for job_id in differ:
                yield job_id

    def forget(self, job_id: UUID) -> None:
        """Have the next who asks look at the row; what is being read at the moment may be old already."""
        self._reading.discard(job_id)
        self._drop(job_id)

    def _drop(self, job_id: UUID) -> None:
        known = self._known.pop(job_id, None)
        if known is not None:
            self._bytes -= len(known.body)

    async def _read_wanted(self) -> None:
        while self._wanted:
            # Taken out first: who asks from now on may know of something that this query is too early for.
            wanted = {job_id: self._wanted.pop(job_id) for job_id in list(self._wanted)[:MOST_TOGETHER]}
            also = self._asked_again(MOST_TOGETHER - len(wanted))
            people = {*also.values(), *(person for each in wanted.values() for person in each.by)}
            try:
                found = await self._read([*wanted, *also], people)
            except Exception as error:  # noqa: BLE001 - each who asked decides what it means
                for each in wanted.values():
                    each.answer.set_exception(error)
                    each.answer.exception()  # seen, also where nobody waits any more
            else:
                for job_id, each in wanted.items():
                    each.answer.set_result(found.get(job_id))

    def _asked_again(self, most: int) -> dict[UUID, UUID]:
        """Take along, up to so many, what is asked for over and over and will have to be looked at soon.

        By job: whose it is.
        """
        soon = time.monotonic() + FRESH_SECONDS / 2
        asked = [job_id for job_id in self._asked if job_id not in self._wanted]
        self._asked.clear()
        known = ((job_id, self._known.get(job_id)) for job_id in asked)
        due = (
            (job_id, snapshot.user_id)
            for job_id, snapshot in known
            if snapshot and snapshot.fresh_until < soon
        )
        return dict(islice(due, most))

    async def _read(self, job_ids: list[UUID], people: Iterable[UUID]) -> dict[UUID, Snapshot]:
        found: dict[UUID, Snapshot] = {}
        changed: list[UUID] = []
        settled: dict[UUID, bytes] = {}
        self._reading = set(job_ids)
        read_at = time.monotonic()
        async with self._sessions.begin(_of(people)) as session:
            rows = (await session.execute(jobs.glances(job_ids))).all()
            for row in rows:
                known = self._known.get(row.id)
                if known is None or known.version != Version.of(row):
                    changed.append(row.id)
                else:
                    settled[row.id] = known.settled
            for job in await self._load(session, changed):
                settled[job.id] = JobView.of(job, windows=True).model_dump_json(exclude={"queue"}).encode()
        if any(row.status is JobStatus.QUEUED for row in rows):
            await self._board.refresh()
        for row in rows:
            if row.id in settled:  # else it was deleted between the two queries
                found[row.id] = self._snapshot(row.id, row.user_id, Version.of(row), settled[row.id], read_at)
        for job_id in job_ids:
            self._drop(job_id)
            if job_id in found and job_id in self._reading:
                self._keep(job_id, found[job_id])
        return found

    async def _load(self, session: AsyncSession, job_ids: list[UUID]) -> Iterable[Job]:
        if not job_ids:
            return ()
        return (await session.scalars(jobs.whole(job_ids))).unique()

    def _snapshot(
        self, job_id: UUID, user_id: UUID, version: Version, settled: bytes, read_at: float
    ) -> Snapshot:
        queue = None
        if version.status is JobStatus.QUEUED:
            place = self._board.place(version.priority, version.not_before, job_id)
            queue = QueueView(position=place.position, eta_seconds=place.eta_seconds)
        body = b'%s,"queue":%s}' % (settled[:-1], queue.model_dump_json().encode() if queue else b"null")
        etag = b'"%s"' % hashlib.blake2b(body, digest_size=12).hexdigest().encode()
        again: tuple[Header, ...] = ()
        if not version.status.is_terminal:
            again = ((b"retry-after", str(_retry_after(queue)).encode()),)
        headers = (
            *again,
            (b"cache-control", b"no-store"),
            (b"etag", etag),
            (b"vary", b"Authorization, Cookie, Prefer"),
        )
        full = (
            *headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        )
        fresh = FRESH_ENDED_SECONDS if version.status.is_terminal else FRESH_SECONDS
        return Snapshot(user_id, version, body, etag, headers, full, read_at + fresh, settled, queue)

    def _keep(self, job_id: UUID, snapshot: Snapshot) -> None:
        self._known[job_id] = snapshot
        self._bytes += len(snapshot.body)
        while self._bytes > KEPT_BYTES:
            _, dropped = self._known.popitem(last=False)
            self._bytes -= len(dropped.body)


def _of(people: Iterable[UUID]) -> Fence:
    return Fence(people=tuple(dict.fromkeys(people)))


def _retry_after(queue: QueueView | None) -> int:
    """Return in how many seconds to ask again: when it may be over, by the queue."""
    least, most = RETRY_AFTER
    if queue is None or queue.eta_seconds is None:
        return least
    return min(most, max(least, math.ceil(queue.eta_seconds)))
