"""What becomes of persons' jobs: one query per second and process, for all who listen."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mindtrack_gateway.jobs.snapshots import Version
from mindtrack_shared.db import jobs
from mindtrack_shared.db.fence import Fence, Sessions
from mindtrack_shared.ids import first_id
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: How often persons who listen are looked at.
LOOK_EVERY = 1.0  # seconds
#: Whose jobs are older is told nothing new of them, nor of more than that many, the newest: each is looked at
#: each second.
LATELY, MOST = timedelta(days=2), 1000


class Feeds:
    """Which persons listen, and what became of their jobs."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._listening: defaultdict[UUID, set[asyncio.Queue[UUID]]] = defaultdict(set)
        self._seen: dict[UUID, dict[UUID, Version]] = {}

    @asynccontextmanager
    async def listen(self, user_id: UUID) -> AsyncIterator[asyncio.Queue[UUID]]:
        """Yield a queue of the person's jobs that change from now on, new ones among them."""
        queue: asyncio.Queue[UUID] = asyncio.Queue()
        self._listening[user_id].add(queue)
        try:
            await self._tell([user_id])
            yield queue
        finally:
            self._listening[user_id].discard(queue)
            if not self._listening[user_id]:
                del self._listening[user_id]
                self._seen.pop(user_id, None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._look(), name="feeds")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _look(self) -> None:
        while True:
            try:
                if self._listening:
                    await self._tell(list(self._listening))
            except Exception as error:  # noqa: BLE001 - whatever it was, looking goes on
                get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY)

    async def _tell(self, asked: list[UUID]) -> None:
        async with self._sessions.begin(Fence(people=tuple(asked))) as session:
            since = datetime.now(UTC) - LATELY
            rows = (await session.execute(jobs.lately(asked, since=since, most=MOST))).all()
        found: dict[UUID, dict[UUID, Version]] = {user_id: {} for user_id in asked}
        for row in rows:
            found[row.user_id][row.id] = Version.of(row)
        for user_id, now in found.items():
            before = self._seen.get(user_id)
            if user_id in self._listening:
                self._seen[user_id] = now
            if before is None:
                continue  # nobody listened before
            # Older ones are not looked at any more, which does not mean that they are gone.
            oldest = min(now, default=first_id(since)) if len(now) == MOST else first_id(since)
            for job_id in [*now, *(gone for gone in before if gone not in now and gone >= oldest)]:
                if now.get(job_id) != before.get(job_id):
                    for queue in self._listening.get(user_id, ()):
                        queue.put_nowait(job_id)
