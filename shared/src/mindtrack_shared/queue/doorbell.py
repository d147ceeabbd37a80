"""How the relay tells workers that jobs wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.queue.names import DRAIN_QUEUES, DRAIN_TASK


class DoorbellUnavailableError(Exception):
    """The broker did not take the message."""


class Ring(NamedTuple):
    """That a job waits, and in which lane."""

    job_id: UUID
    priority: Priority


class Doorbell(Protocol):
    def ring(self, rings: Iterable[Ring]) -> None:
        """Send one message per job.

        Raises:
            DoorbellUnavailableError: the broker is away; some of the messages may have been sent.

        """


class CeleryDoorbell:
    """Rings by publishing `DRAIN_TASK` in the queue of the job's priority."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, rings: Iterable[Ring]) -> None:
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                for job_id, priority in rings:
                    self._app.send_task(
                        DRAIN_TASK, args=(str(job_id),), queue=DRAIN_QUEUES[priority], producer=producer
                    )
        except (OperationalError, OSError) as error:
            raise DoorbellUnavailableError(str(type(error).__name__)) from error
