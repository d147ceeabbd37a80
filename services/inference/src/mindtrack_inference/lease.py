"""Claimed jobs, and the leases that keep them ours while we work on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from mindtrack_shared.db import jobs
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.settings import JobSettings


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """What a worker needs to know about the job it holds."""

    id: UUID
    user_id: UUID
    attempt: int
    max_attempts: int
    #: Every write for this job carries it.
    fence: int
    #: Whether the worker that began it last was lost.
    worker_lost: bool
    object_key: str
    sha256: bytes
    recorded_at: datetime
    recorded_on: date
    prompt_ended_at: datetime | None
    content_type: str
    #: Since it was accepted, when it was claimed.
    age_seconds: float
    _claimed_at: float = field(default_factory=time.monotonic)

    @property
    def held_seconds(self) -> float:
        """How long ago it was claimed."""
        return time.monotonic() - self._claimed_at

    @property
    def seconds(self) -> float:
        """How long ago it was accepted."""
        return self.age_seconds + self.held_seconds

    @property
    def prompt_ended_seconds(self) -> float | None:
        """When the prompt had ended, in seconds from the start of the recording."""
        if self.prompt_ended_at is None:
            return None
        return (self.prompt_ended_at - self.recorded_at).total_seconds()


@dataclass(frozen=True, eq=False, slots=True)
class Lease:
    """Whether a job is still ours, as far as we know."""

    job: ClaimedJob
    lane: Priority
    _lost: threading.Event = field(default_factory=threading.Event)

    @property
    def is_lost(self) -> bool:
        return self._lost.is_set()

    def lose(self) -> None:
        self._lost.set()


def end_leases(engine: Engine, worker_ids: Collection[UUID]) -> bool:
    """End the leases of workers that are known to have ended: maintenance takes back what they held when it
    looks next, in place of a lease's time after. False if the database is away.
    """
    try:
        with engine.begin() as connection:
            held = connection.scalars(jobs.lapse(worker_ids)).all()
    except SQLAlchemyError as error:  # they lapse on their own
        get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
        return False
    if held:
        get_logger().warning(events.WORKER_LOST, count=len(held))
    return True


class Leases:
    """Renews the leases of all jobs in hand, from one thread, for as long as the block runs.

    A worker that hangs must not keep its jobs for ever: if what runs under `watch` takes longer than
    `limit_seconds`, nothing is renewed any more, and `on_hang` is called.
    """

    def __init__(
        self, engine: Engine, settings: JobSettings, limit_seconds: float, on_hang: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._limit_seconds = limit_seconds
        self._on_hang = on_hang
        self._held: set[Lease] = set()
        self._lock = threading.Lock()
        self._watched_since: float | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count the time that the block takes. One block at a time."""
        self._watched_since = time.monotonic()
        try:
            yield
        finally:
            self._watched_since = None

    def hold(self, job: ClaimedJob, lane: Priority) -> Lease:
        lease = Lease(job, lane)
        with self._lock:
            self._held.add(lease)
        return lease

    def drop(self, lease: Lease) -> None:
        with self._lock:
            self._held.discard(lease)

    def _beat(self) -> None:
        while not self._done.wait(self._settings.heartbeat.total_seconds()):
            since = self._watched_since
            if since is not None and time.monotonic() - since > self._limit_seconds:
                get_logger().error(events.WORKER_HANGS, limit_seconds=self._limit_seconds)
                self._on_hang()
                return
            with self._lock:
                held = [lease for lease in self._held if not lease.is_lost]
            for lease in held:
                if not self._renew(lease.job):
                    lease.lose()

    def _renew(self, job: ClaimedJob) -> bool:
        try:
            with self._engine.begin() as connection:
                renewal = jobs.heartbeat(job.id, job.fence, lease=self._settings.lease)
                renewed = connection.execute(renewal).first()
        except Exception as error:  # noqa: BLE001 - whatever it was, other jobs and later beats go on
            # It may be over before the lease runs out; if it is not, the fence protects the next holder.
            name = type(error).__name__
            get_logger().warning(events.DATABASE_UNAVAILABLE, job_id=str(job.id), error=name)
            return True
        return renewed is not None
