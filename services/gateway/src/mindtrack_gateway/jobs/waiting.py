"""Wait for jobs to change: one subscription and one look per second and process, however many wait.

A wake-up may get lost with the broker, and not every change is announced, so all that is waited for is looked
at once a second, together.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mindtrack_gateway.jobs.snapshots import Snapshot, Snapshots
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: How often all that is waited for is looked at.
CHECK_EVERY = 1.0  # seconds
#: How long to try to tell others of a change.
ANNOUNCE_TIMEOUT = 0.5  # seconds
#: How long to leave a broker alone that went away.
RECONNECT_AFTER = 1.0  # seconds


class JobWatch:
    """Hears which jobs have changed and wakes those who wait for them."""

    def __init__(
        self, redis: Redis, channel: str, snapshots: Snapshots, *, check_every: float = CHECK_EVERY
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._snapshots = snapshots
        self._check_every = check_every
        #: By job: who waits, and what they know of it.
        self._waiting: defaultdict[UUID, dict[asyncio.Future[None], Snapshot]] = defaultdict(dict)
        self._released = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Keep the subscription up for as long as the block runs."""
        self._loop = asyncio.get_running_loop()
        tasks = [
            asyncio.create_task(self._listen(), name="job-watch-listens"),
            asyncio.create_task(self._check(), name="job-watch-checks"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def release(self) -> None:
        """Let everybody go, now and from now on: this process stops. Safe in signal handlers."""
        self._released = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for job_id in self._waiting:
            self._wake(job_id)

    async def announce(self, *job_ids: UUID) -> None:
        """Tell every process, this one too, that jobs have changed. Best effort: all look again anyway."""
        try:
            async with asyncio.timeout(ANNOUNCE_TIMEOUT):
                async with self._redis.pipeline(transaction=False) as messages:
                    for job_id in job_ids:
                        messages.publish(self._channel, str(job_id))
                    await messages.execute()
        except (RedisError, TimeoutError):
            get_logger().warning(events.WAKEUP_LOST)

    @property
    def released(self) -> bool:
        """Whether this process stops."""
        return self._released

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def ended(self, job_id: UUID, known: Snapshot, *, within: float) -> Snapshot | None:
        """Return the job once it has ended, or as it stands after so many seconds; None if it is gone."""
        deadline = asyncio.get_running_loop().time() + within
        while not known.has_ended:
            changed = await self.changed(job_id, known, within=deadline - asyncio.get_running_loop().time())
            if changed is None:
                return await self._snapshots.get(job_id, known.user_id)
            known = changed
        return known

    async def changed(self, job_id: UUID, known: Snapshot, *, within: float) -> Snapshot | None:
        """Return the job once it is not what is known of it; None if that takes longer than so many seconds.

        None, too, for a job that is gone, and for a process that stops.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while not self._released and (left := deadline - loop.time()) > 0:
            woken: asyncio.Future[None] = loop.create_future()
            self._waiting[job_id][woken] = known
            timer = loop.call_later(left, _resolve, woken)
            try:
                # Whatever happened between the last look and now is seen by this one.
                found = await self._snapshots.get(job_id, known.user_id)
                if found is None or found.version != known.version:
                    return found
                await woken
            finally:
                timer.cancel()
                del self._waiting[job_id][woken]
                if not self._waiting[job_id]:
                    del self._waiting[job_id]
        return None

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self._channel)
                    async for message in subscription.listen():
                        self._hear(message["data"])
            except Exception as error:  # noqa: BLE001 - whatever it was, listening goes on
                get_logger().warning(events.BROKER_UNAVAILABLE, error=type(error).__name__)
            await asyncio.sleep(RECONNECT_AFTER)

    def _hear(self, data: bytes) -> None:
        with suppress(ValueError):  # not an id: not from us
            job_id = UUID(data.decode())
            self._snapshots.forget(job_id)
            self._wake(job_id)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(self._check_every)
            try:
                known = {
                    (job_id, snapshot.user_id, snapshot.version)
                    for job_id, waiting in self._waiting.items()
                    for snapshot in waiting.values()
                }
                async for job_id in self._snapshots.moved_on([*known]):
                    self._snapshots.forget(job_id)
                    self._wake(job_id)
            except Exception as error:  # noqa: BLE001 - whatever it was, looking goes on
                get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)

    def _wake(self, job_id: UUID) -> None:
        for woken in self._waiting.get(job_id, ()):
            _resolve(woken)


def _resolve(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
