"""Waiting for jobs over real Postgres and Valkey: woken at once, not for ever when a wake-up gets lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import Engine, event, text

from factories import RUNNING, add_job, add_user, end_jobs, move_jobs
from integration_support import as_role
from mindtrack_gateway.jobs.queue import QueueBoard
from mindtrack_gateway.jobs.snapshots import Snapshot, Snapshots
from mindtrack_gateway.jobs.waiting import JobWatch
from mindtrack_shared.db import roles
from mindtrack_shared.db.engine import async_engine
from mindtrack_shared.db.fence import Sessions
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups, finished_channel
from mindtrack_shared.settings import DatabaseSettings, QueueSettings


class Watching:
    """A watch, and what it reads through."""

    def __init__(self, watch: JobWatch, snapshots: Snapshots, statements: list[str], person: UUID) -> None:
        self.watch = watch
        self.person = person
        self.snapshots = snapshots
        #: What the database was asked.
        self.statements = statements

    async def known(self, job_id: UUID) -> Snapshot:
        found = await self.snapshots.get(job_id, self.person)
        assert found is not None
        return found

    async def ended(self, job_id: UUID, known: Snapshot, *, within: float) -> Snapshot:
        found = await self.watch.ended(job_id, known, within=within)
        assert found is not None
        return found

    async def parked(self, count: int = 1) -> None:
        """Wait until so many wait."""
        deadline = time.monotonic() + 10
        while self.watch.waiting < count:
            assert time.monotonic() < deadline, f"{self.watch.waiting} of {count} wait"
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # past their last look


Listening = Callable[..., AbstractAsyncContextManager[Watching]]


@pytest.fixture
def listening(queue: QueueSettings, database: DatabaseSettings, engine: Engine, person: UUID) -> Listening:
    @asynccontextmanager
    async def listen(*, check_every: float = 60) -> AsyncIterator[Watching]:
        own = async_engine(as_role(roles.GATEWAY, database), application_name="waiting")
        statements: list[str] = []
        event.listen(own.sync_engine, "before_cursor_execute", lambda *told: statements.append(str(told[2])))
        sessions = Sessions(own)
        snapshots = Snapshots(sessions, QueueBoard(sessions))
        redis = Redis.from_url(queue.url.get_secret_value())
        channel = finished_channel(queue)
        before = await subscribers(redis, channel)
        watch = JobWatch(redis, channel, snapshots, check_every=check_every)
        async with watch.listening():
            await subscribed(redis, channel, count=before + 1)
            yield Watching(watch, snapshots, statements, person)
        await redis.aclose()
        await own.dispose()

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


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is told for longer than a busy machine takes."""
    monkeypatch.setattr("mindtrack_gateway.jobs.snapshots.FRESH_SECONDS", 60.0)


@pytest.fixture
def person(engine: Engine) -> UUID:
    return add_user(engine)


async def test_a_wake_up_ends_the_wait_at_once(
    listening: Listening, engine: Engine, person: UUID, wakeups: Wakeups
) -> None:
    job_id = add_job(engine, person)
    async with listening() as watching:
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.ended(job_id, known, within=30))
        await watching.parked()
        end_jobs(engine, job_id)
        started = time.monotonic()
        wakeups.job_finished(job_id)

        assert (await waiting).version.status is JobStatus.FAILED
    assert time.monotonic() - started < 0.5


async def test_a_lost_wake_up_costs_one_look(listening: Listening, engine: Engine, person: UUID) -> None:
    job_id = add_job(engine, person)
    async with listening(check_every=0.1) as watching:
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.ended(job_id, known, within=30))
        await watching.parked()
        end_jobs(engine, job_id)  # and nobody says so
        started = time.monotonic()

        assert (await waiting).has_ended
    assert time.monotonic() - started < 1


async def test_what_another_request_has_seen_is_not_missed(
    listening: Listening, engine: Engine, person: UUID
) -> None:
    """Somebody's look makes the cache newer than what those know who wait."""
    job_id = add_job(engine, person)
    async with listening(check_every=0.3) as watching:
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.ended(job_id, known, within=30))
        await watching.parked()
        end_jobs(engine, job_id)
        assert (await watching.snapshots.look(job_id, watching.person) or known).has_ended
        started = time.monotonic()

        assert (await waiting).has_ended
    assert time.monotonic() - started < 1


async def test_who_waits_for_the_end_sleeps_through_the_start(
    listening: Listening, engine: Engine, person: UUID, wakeups: Wakeups
) -> None:
    job_id = add_job(engine, person)
    async with listening() as watching:
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.ended(job_id, known, within=0.8))
        await watching.parked()
        move_jobs(engine, job_id, to=RUNNING)
        wakeups.job_finished(job_id)

        assert (await waiting).version.status is JobStatus.RUNNING


async def test_who_waits_for_a_change_is_told_of_the_start(
    listening: Listening, engine: Engine, person: UUID
) -> None:
    job_id = add_job(engine, person)
    async with listening(check_every=0.1) as watching:
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.watch.changed(job_id, known, within=30))
        await watching.parked()
        move_jobs(engine, job_id, to=RUNNING)

        found = await waiting
    assert found is not None
    assert found.version.status is JobStatus.RUNNING


@pytest.mark.usefixtures("unhurried")
async def test_a_wake_up_for_another_job_changes_nothing(
    listening: Listening, engine: Engine, person: UUID, wakeups: Wakeups
) -> None:
    job_id = add_job(engine, person)
    async with listening() as watching:
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.ended(job_id, known, within=0.6))
        await watching.parked()
        asked = len(watching.statements)
        wakeups.job_finished(new_id())

        assert not (await waiting).has_ended
        assert len(watching.statements) == asked, "no look for somebody else's job"


@pytest.mark.usefixtures("unhurried")
async def test_many_who_wait_share_one_connection_and_one_look(
    listening: Listening, engine: Engine, person: UUID, wakeups: Wakeups, queue: QueueSettings
) -> None:
    job_ids = [add_job(engine, person) for _ in range(200)]
    redis = Redis.from_url(queue.url.get_secret_value())
    before = await subscribers(redis, finished_channel(queue))
    async with listening() as watching:
        known = await watching.snapshots.get_all(job_ids, person)
        asked = len(watching.statements)
        waiting = [
            asyncio.create_task(watching.ended(job_id, known[job_id], within=30)) for job_id in job_ids
        ]
        await watching.parked(len(job_ids))
        assert await subscribers(redis, finished_channel(queue)) == before + 1
        assert len(watching.statements) == asked, "what is known a moment ago is not asked for again"
        await redis.aclose()
        end_jobs(engine, *job_ids)
        for job_id in job_ids:
            wakeups.job_finished(job_id)

        assert all(snapshot.has_ended for snapshot in await asyncio.gather(*waiting))
        assert len(watching.statements) - asked < len(job_ids), "looked at together"
        assert watching.watch.waiting == 0


async def test_a_process_that_stops_lets_everybody_go(
    listening: Listening, engine: Engine, person: UUID
) -> None:
    job_id = add_job(engine, person)
    async with listening() as watching:
        known = await watching.known(job_id)
        waiting = [asyncio.create_task(watching.ended(job_id, known, within=30)) for _ in range(3)]
        await watching.parked(3)
        watching.watch.release()

        assert not any(snapshot.has_ended for snapshot in await asyncio.wait_for(asyncio.gather(*waiting), 1))
        assert not (await asyncio.wait_for(watching.ended(job_id, known, within=30), 1)).has_ended


async def test_what_is_forgotten_while_it_is_read_is_read_again(
    listening: Listening, engine: Engine, person: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The news of a change may overtake a read that began before it."""
    job_id = add_job(engine, person)
    async with listening() as watching:
        known = await watching.known(job_id)
        refresh = QueueBoard.refresh

        async def late(board: QueueBoard) -> None:
            end_jobs(engine, job_id)
            watching.snapshots.forget(job_id)
            await refresh(board)

        with monkeypatch.context() as patched:
            patched.setattr(QueueBoard, "refresh", late)
            old = await watching.snapshots.look(job_id, watching.person)

        assert old is not None
        assert old.version == known.version
        assert watching.snapshots.recall(job_id) is None
        assert (await watching.known(job_id)).has_ended


async def test_a_job_that_is_gone_is_waited_for_no_longer(
    listening: Listening, engine: Engine, person: UUID, wakeups: Wakeups
) -> None:
    job_id = add_job(engine, person)
    async with listening() as watching:
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.watch.changed(job_id, known, within=30))
        await watching.parked()
        with engine.begin() as connection:
            connection.execute(text("delete from jobs"))
        wakeups.job_finished(job_id)

        assert await asyncio.wait_for(waiting, 1) is None


async def test_the_subscription_comes_back_after_the_broker_cut_it(
    listening: Listening, engine: Engine, person: UUID, wakeups: Wakeups, queue: QueueSettings
) -> None:
    job_id = add_job(engine, person)
    redis = Redis.from_url(queue.url.get_secret_value())
    async with listening() as watching:
        count = await subscribers(redis, finished_channel(queue))
        await redis.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.1)
        await subscribed(redis, finished_channel(queue), count=count)
        known = await watching.known(job_id)
        waiting = asyncio.create_task(watching.ended(job_id, known, within=30))
        await watching.parked()
        end_jobs(engine, job_id)
        wakeups.job_finished(job_id)

        assert (await asyncio.wait_for(waiting, 2)).has_ended
    await redis.aclose()
