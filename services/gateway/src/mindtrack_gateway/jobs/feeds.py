"""What becomes of persons' jobs: one query per second and process, for all who listen."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mindtrack_gateway.jobs.snapshots import Version
from mindtrack_gateway.problems import DEPENDENCY_ERRORS
from mindtrack_shared.db import jobs
from mindtrack_shared.db.fence import Fence, Sessions

#: How often persons who listen are looked at.
LOOK_EVERY = 1.0  # seconds
#: Whose jobs are older is told nothing new of them.
LATELY = timedelta(days=2)


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
            with suppress(*DEPENDENCY_ERRORS):
                if self._listening:
                    await self._tell(list(self._listening))
            await asyncio.sleep(LOOK_EVERY)

    async def _tell(self, asked: list[UUID]) -> None:
        async with self._sessions.begin(Fence(people=tuple(asked))) as session:
            rows = (await session.execute(jobs.lately(asked, since=datetime.now(UTC) - LATELY))).all()
        found: dict[UUID, dict[UUID, Version]] = {user_id: {} for user_id in asked}
        for row in rows:
            found[row.user_id][row.id] = Version.of(row)
        for user_id, now in found.items():
            before = self._seen.get(user_id)
            if user_id in self._listening:
                self._seen[user_id] = now
            if before is None:
                continue  # nobody listened before
            for job_id in [*now, *(gone for gone in before if gone not in now)]:
                if now.get(job_id) != before.get(job_id):
                    for queue in self._listening.get(user_id, ()):
                        queue.put_nowait(job_id)
