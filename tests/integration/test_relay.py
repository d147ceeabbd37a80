"""The relay on real Postgres, and the doorbell on real Valkey."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from factories import add_job, add_user, load_job
from mindtrack_scheduler.relay import Relay
from mindtrack_scheduler.rescue import rescue
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_shared.db import jobs
from mindtrack_shared.domain.jobs import JobStatus, Priority
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.celery import celery_app
from mindtrack_shared.queue.doorbell import CeleryDoorbell, Doorbell, DoorbellUnavailableError, Ring
from mindtrack_shared.queue.names import DRAIN_QUEUES, DRAIN_TASK
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.settings import JobSettings, QueueSettings
from mindtrack_shared.testing.doorbell import SilentDoorbell
from patience import eventually


class BrokenDoorbell:
    def ring(self, rings: Iterable[Ring]) -> None:
        raise DoorbellUnavailableError(f"{len(list(rings))} messages refused")


@contextmanager
def relaying(engine: Engine, doorbell: Doorbell, *, poll: timedelta) -> Iterator[None]:
    stop = threading.Event()
    relay = Relay(engine=engine, doorbell=doorbell, settings=SchedulerSettings(relay_poll=poll))
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=poll.total_seconds() + 5)
        assert not thread.is_alive()


def announce(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(jobs.announce())


def eventually_rung(doorbell: SilentDoorbell, job_id: UUID) -> None:
    eventually(lambda: job_id in {ring.job_id for ring in doorbell.rung}, within=5, what="a ring")


def test_a_committed_job_is_rung_at_once(engine: Engine) -> None:
    doorbell = SilentDoorbell()
    with relaying(engine, doorbell, poll=timedelta(seconds=20)):
        time.sleep(0.3)  # let it listen, so that only the announcement can be the cause
        job_id = add_job(engine, add_user(engine))
        announce(engine)

        eventually_rung(doorbell, job_id)
        announce(engine)  # ends the long poll, so that the test need not wait for it

    assert load_job(engine, job_id).dispatched_at is not None


def test_a_lost_announcement_costs_one_poll(engine: Engine) -> None:
    doorbell = SilentDoorbell()
    with relaying(engine, doorbell, poll=timedelta(seconds=0.2)):
        time.sleep(0.3)
        job_id = add_job(engine, add_user(engine))  # not announced

        eventually_rung(doorbell, job_id)


class HastyWorker:
    """Claims the very moment it hears the bell, before the relay has committed its stamp."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(1)
        self.claims: list[Future[UUID | None]] = []

    def ring(self, rings: Iterable[Ring]) -> None:
        self.claims += [self._threads.submit(self._claim, ring.job_id) for ring in rings]
        time.sleep(0.2)  # the commit comes late

    def _claim(self, job_id: UUID) -> UUID | None:
        statement = jobs.claim(worker_id=new_id(), lease=timedelta(seconds=60), job_id=job_id)
        with self._engine.begin() as connection:
            return connection.scalars(statement).one_or_none()


def test_a_worker_faster_than_the_relays_commit_still_gets_the_job(engine: Engine) -> None:
    worker = HastyWorker(engine)
    job_id = add_job(engine, add_user(engine))

    Relay(engine=engine, doorbell=worker, settings=SchedulerSettings()).ring()

    assert [claim.result(timeout=10) for claim in worker.claims] == [job_id]
    assert load_job(engine, job_id).status is JobStatus.RUNNING


def test_a_broken_broker_leaves_no_connection_listening(engine: Engine) -> None:
    add_job(engine, add_user(engine))
    with relaying(engine, BrokenDoorbell(), poll=timedelta(seconds=0.05)):
        time.sleep(0.5)  # several rounds of failing and listening anew

    with engine.begin() as connection:
        listening = connection.scalars(text("select pg_listening_channels()")).all()
        still_there = connection.scalar(
            text(
                "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query like 'LISTEN%'"
            ),
        )
    assert listening == []
    assert still_there == 0


def test_each_job_is_rung_once(engine: Engine) -> None:
    doorbell = SilentDoorbell()
    user_id = add_user(engine)
    waiting = [add_job(engine, user_id) for _ in range(7)]
    settings = SchedulerSettings(relay_batch=3)
    relay = Relay(engine=engine, doorbell=doorbell, settings=settings)

    assert [relay.ring() for _ in range(4)] == [3, 3, 1, 0]
    assert sorted(ring.job_id for ring in doorbell.rung) == sorted(waiting)


def test_what_the_broker_did_not_take_is_rung_later(engine: Engine) -> None:
    job_id = add_job(engine, add_user(engine))
    relay = Relay(engine=engine, doorbell=BrokenDoorbell(), settings=SchedulerSettings())

    with pytest.raises(DoorbellUnavailableError):
        relay.ring()

    assert load_job(engine, job_id).dispatched_at is None


def test_the_relay_outlives_its_database_connection(engine: Engine) -> None:
    doorbell = SilentDoorbell()
    with relaying(engine, doorbell, poll=timedelta(seconds=0.2)):
        time.sleep(0.3)
        with engine.begin() as connection:
            ended = connection.scalars(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and query like 'LISTEN%'",
                ),
            ).all()
        assert ended == [True]
        job_id = add_job(engine, add_user(engine))

        eventually_rung(doorbell, job_id)


@pytest.fixture
def broker(queue: QueueSettings) -> Iterator[Redis]:
    """The broker, with nothing rung."""
    redis = Redis.from_url(queue.url.get_secret_value())
    names = [f"{queue.key_prefix}{name}" for name in DRAIN_QUEUES.values()]
    redis.delete(*names)
    yield redis
    redis.delete(*names)
    redis.close()


def ring_on(queue: QueueSettings, engine: Engine) -> None:
    app = celery_app("test-relay", queue)
    Relay(engine=engine, doorbell=CeleryDoorbell(app), settings=SchedulerSettings()).ring()
    app.close()


def rung_in(broker: Redis, queue: QueueSettings, priority: Priority) -> list[tuple[str, str]]:
    """Return task and arguments of each message in the queue of a priority."""
    raw = cast("list[bytes]", broker.lrange(f"{queue.key_prefix}{DRAIN_QUEUES[priority]}", 0, -1))
    headers = [json.loads(message)["headers"] for message in raw]
    return [(header["task"], header["argsrepr"]) for header in headers]


@pytest.mark.parametrize("priority", Priority)
def test_a_ring_is_a_message_with_the_jobs_id_in_the_queue_of_its_priority(
    engine: Engine, queue: QueueSettings, broker: Redis, priority: Priority
) -> None:
    job_id = add_job(engine, add_user(engine), priority=priority)

    ring_on(queue, engine)

    assert {lane: rung_in(broker, queue, lane) for lane in Priority} == {
        lane: [(DRAIN_TASK, f"('{job_id}',)")] if lane is priority else [] for lane in Priority
    }


def test_a_demoted_job_rings_among_bulk_jobs(engine: Engine, queue: QueueSettings, broker: Redis) -> None:
    job_id = add_job(engine, add_user(engine))
    ring_on(queue, engine)
    with engine.begin() as connection:
        statement = jobs.claim(worker_id=new_id(), lease=timedelta(seconds=60), job_id=job_id)
        held = connection.execute(statement).one()
        connection.execute(jobs.demote(job_id, held.fence))

    ring_on(queue, engine)

    assert [len(rung_in(broker, queue, lane)) for lane in Priority] == [1, 1]
    assert rung_in(broker, queue, Priority.BULK) == [(DRAIN_TASK, f"('{job_id}',)")]


def test_rescue_rings_again_in_every_lane(engine: Engine, wakeups: Wakeups) -> None:
    user_id = add_user(engine)
    silent = [add_job(engine, user_id, priority=priority) for priority in Priority]
    doorbell = SilentDoorbell()
    relay = Relay(engine=engine, doorbell=doorbell, settings=SchedulerSettings())
    relay.ring()

    assert rescue(engine, wakeups, JobSettings(ring_again_after=timedelta(0))).rung_again == 2
    relay.ring()

    assert doorbell.rung == [Ring(*job) for job in zip(silent, Priority, strict=True)] * 2


def test_a_broker_that_is_away_is_noticed_quickly(queue: QueueSettings) -> None:
    nowhere = queue.model_copy(update={"url": type(queue.url)("redis://127.0.0.1:1/0")})
    app = celery_app("test-relay", nowhere)
    started = time.monotonic()

    with pytest.raises(DoorbellUnavailableError):
        CeleryDoorbell(app).ring([Ring(new_id(), Priority.INTERACTIVE)])

    assert time.monotonic() - started < 5
    app.close()
