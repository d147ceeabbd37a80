"""Wait for jobs to end: one subscription per process, however many wait.

A wake-up may get lost with the broker, so every waiter also looks for itself now and then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from redis.asyncio import Redis

from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: How often a waiter looks for itself.
CHECK_EVERY = 1.0  # seconds
#: How long to leave a broker alone that went away.
RECONNECT_AFTER = 1.0  # seconds


class FinishedJobs:
    """Hears which jobs have ended and wakes those who wait for them."""

    def __init__(self, redis: Redis, channel: str, *, check_every: float = CHECK_EVERY) -> None:
        self._redis = redis
        self._channel = channel
        self._check_every = check_every
        self._waiters: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Keep the subscription up for as long as the block runs."""
        task = asyncio.create_task(self._listen(), name="finished-jobs")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def wait(
        self,
        job_id: UUID,
        *,
        timeout: float,  # noqa: ASYNC109 - part of what is asked for, not a cancellation
        has_ended: Callable[[], Awaitable[bool]],
    ) -> bool:
        """Return whether the job ended within `timeout` seconds, going by `has_ended` alone."""
        deadline = asyncio.get_running_loop().time() + timeout
        woken = asyncio.Event()
        self._waiters[job_id].add(woken)
        try:
            while not await has_ended():
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return False
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), min(left, self._check_every))
                woken.clear()
            return True
        finally:
            self._waiters[job_id].discard(woken)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self._channel)
                    async for message in subscription.listen():
                        self._wake(message["data"])
            except Exception as error:  # noqa: BLE001 - whatever it was, listening goes on
                get_logger().warning(events.BROKER_UNAVAILABLE, error=type(error).__name__)
            await asyncio.sleep(RECONNECT_AFTER)

    def _wake(self, data: bytes) -> None:
        with suppress(ValueError):  # not an id: not from us
            for woken in self._waiters.get(UUID(data.decode()), ()):
                woken.set()
