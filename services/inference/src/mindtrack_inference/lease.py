"""A claimed job and the lease that keeps it ours while we work on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from mindtrack_shared.db import jobs
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
    object_key: str
    sha256: bytes
    recorded_at: datetime
    recorded_on: date
    prompt_ended_at: datetime | None
    content_type: str

    @property
    def prompt_ended_seconds(self) -> float | None:
        """When the prompt had ended, in seconds from the start of the recording."""
        if self.prompt_ended_at is None:
            return None
        return (self.prompt_ended_at - self.recorded_at).total_seconds()


class Lease:
    """Whether the job is still ours, as far as we know."""

    def __init__(self) -> None:
        self._lost = threading.Event()

    @property
    def is_lost(self) -> bool:
        return self._lost.is_set()

    def lose(self) -> None:
        self._lost.set()


@contextmanager
def held(engine: Engine, job: ClaimedJob, settings: JobSettings) -> Iterator[Lease]:
    """Renew the job's lease from a second thread for as long as the block runs."""
    lease = Lease()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(settings.heartbeat.total_seconds()):
            if not _renew(engine, job, settings):
                lease.lose()
                return

    thread = threading.Thread(target=beat, name=f"heartbeat-{job.id}", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        done.set()
        thread.join()


def _renew(engine: Engine, job: ClaimedJob, settings: JobSettings) -> bool:
    try:
        with engine.begin() as connection:
            renewed = connection.execute(jobs.heartbeat(job.id, job.fence, lease=settings.lease)).first()
    except SQLAlchemyError:
        # It may be back before the lease runs out; if it is not, the fence protects the next holder.
        get_logger().warning(events.DATABASE_UNAVAILABLE, job_id=str(job.id))
        return True
    return renewed is not None
