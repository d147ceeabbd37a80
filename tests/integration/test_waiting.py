"""Waiting for jobs over real Valkey: woken at once, and not for ever when a wake-up gets lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from mindtrack_gateway.jobs.waiting import FinishedJobs
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups, finished_channel
from mindtrack_shared.settings import QueueSettings

Listening = Callable[[float], AbstractAsyncContextManager[FinishedJobs]]


@pytest.fixture
def listening(queue: QueueSettings) -> Listening:
    @asynccontextmanager
    async def listen(check_every: float) -> AsyncIterator[FinishedJobs]:
        redis = Redis.from_url(queue.url.get_secret_value())
        channel = finished_channel(queue)
        before = await subscribers(redis, channel)
        finished = FinishedJobs(redis, channel, check_every=check_every)
        async with finished.listening():
            await subscribed(redis, channel, count=before + 1)
            yield finished
        await redis.aclose()

    return listen


async def subscribers(redis: Redis, channel: str) -> int:
    """Count who listens; a gateway of other tests may be among them."""
    ((_, count),) = await redis.pubsub_numsub(channel)
    return int(count)


async def subscribed(redis: Redis, channel: str, *, count: int) -> None:
    deadline = time.monotonic() + 5
    while await subscribers(redis, channel) < count:
        assert time.monotonic() < deadline, "nobody listens"
        await asyncio.sleep(0.01)


class Switch:
    """Whether a job has ended."""

    def __init__(self) -> None:
        self.on = False
        self.looks = 0

    async def __call__(self) -> bool:
        self.looks += 1
        return self.on


async def test_a_wake_up_ends_the_wait_at_once(listening: Listening, wakeups: Wakeups) -> None:
    job_id, ended = new_id(), Switch()
    async with listening(60) as finished:
        waiting = asyncio.create_task(finished.wait(job_id, timeout=30, has_ended=ended))
        await asyncio.sleep(0.1)
        ended.on = True
        started = time.monotonic()
        wakeups.job_finished(job_id)

        assert await waiting
    assert time.monotonic() - started < 1


async def test_a_lost_wake_up_costs_one_look(listening: Listening) -> None:
    ended = Switch()
    async with listening(0.1) as finished:
        waiting = asyncio.create_task(finished.wait(new_id(), timeout=30, has_ended=ended))
        await asyncio.sleep(0.05)
        ended.on = True  # and nobody says so
        started = time.monotonic()

        assert await waiting
    assert time.monotonic() - started < 1


async def test_a_wake_up_for_another_job_changes_nothing(listening: Listening, wakeups: Wakeups) -> None:
    looked = Switch()
    async with listening(60) as finished:
        waiting = asyncio.create_task(finished.wait(new_id(), timeout=0.4, has_ended=looked))
        await asyncio.sleep(0.1)
        wakeups.job_finished(new_id())

        assert not await waiting
    assert looked.looks == 2, "once at the start, once at the end, and not for somebody else's job"


async def test_a_job_that_has_ended_already_is_not_waited_for(listening: Listening) -> None:
    ended = Switch()
    ended.on = True
    async with listening(60) as finished:
        assert await finished.wait(new_id(), timeout=0, has_ended=ended)


async def test_many_waiters_share_one_connection(
    listening: Listening,
    wakeups: Wakeups,
    queue: QueueSettings,
) -> None:
    job_ids = [new_id() for _ in range(200)]
    ended = Switch()
    redis = Redis.from_url(queue.url.get_secret_value())
    before = await subscribers(redis, finished_channel(queue))
    async with listening(60) as finished:
        waiting = [asyncio.create_task(finished.wait(job, timeout=30, has_ended=ended)) for job in job_ids]
        await asyncio.sleep(0.2)
        during = await subscribers(redis, finished_channel(queue))
        await redis.aclose()
        ended.on = True
        for job_id in job_ids:
            wakeups.job_finished(job_id)

        assert all(await asyncio.gather(*waiting))
    assert during == before + 1
    assert not finished._waiters


async def test_the_subscription_comes_back_after_the_broker_cut_it(
    listening: Listening,
    wakeups: Wakeups,
    queue: QueueSettings,
) -> None:
    job_id, ended = new_id(), Switch()
    redis = Redis.from_url(queue.url.get_secret_value())
    async with listening(60) as finished:
        count = await subscribers(redis, finished_channel(queue))
        await redis.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.1)
        await subscribed(redis, finished_channel(queue), count=count)
        waiting = asyncio.create_task(finished.wait(job_id, timeout=30, has_ended=ended))
        await asyncio.sleep(0.1)
        ended.on = True
        wakeups.job_finished(job_id)

        assert await waiting
    await redis.aclose()
