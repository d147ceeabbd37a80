"""Rings the doorbell for every committed job: LISTEN for the news, and a poll should it get lost.

The job row is its own outbox. A ring is stamped only after the broker took it, so a crash in between rings
twice, which is harmless.
"""

from __future__ import annotations

import threading
import time

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from mindtrack_scheduler.metrics import RELAY_FAILURES, RINGS
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_shared.db import jobs
from mindtrack_shared.observability import events
from mindtrack_shared.observability.liveness import UNWATCHED, LifeSign
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import UNTRACED, JobTraces, Kind
from mindtrack_shared.queue.doorbell import Doorbell, DoorbellUnavailableError, Ring


class Relay:
    def __init__(
        self,
        *,
        engine: Engine,
        doorbell: Doorbell,
        settings: SchedulerSettings,
        life_sign: LifeSign = UNWATCHED,
        traces: JobTraces = UNTRACED,
    ) -> None:
        self._engine = engine
        self._doorbell = doorbell
        self._poll = settings.relay_poll.total_seconds()
        self._batch = settings.relay_batch
        self._life_sign = life_sign
        self._traces = traces

    def run(self, stop: threading.Event) -> None:
        """Ring until told to stop. Outages of the database or the broker are waited out."""
        while not stop.is_set():
            self._life_sign.show()
            try:
                self._listen(stop)
            except (DBAPIError, psycopg.Error) as error:
                get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
                RELAY_FAILURES.labels("database").inc()
            except DoorbellUnavailableError as error:
                get_logger().warning(events.BROKER_UNAVAILABLE, exc_info=error)
                RELAY_FAILURES.labels("broker").inc()
            stop.wait(self._poll)

    def ring(self) -> int:
        """Ring for the jobs that wait for it, one batch. Returns how many.

        Raises:
            DoorbellUnavailableError: the broker is away; nothing was stamped.

        """
        with self._engine.begin() as connection:
            rings = [Ring(*row) for row in connection.execute(jobs.to_ring(limit=self._batch))]
            if rings:
                since = time.perf_counter()
                self._doorbell.ring(rings)
                connection.execute(jobs.rung([ring.job_id for ring in rings]))
                get_logger().info(events.JOBS_RUNG, count=len(rings))
                for ring in rings:
                    RINGS.labels(ring.priority).inc()
                    self._traces.step(ring.job_id, "ring", since=since, kind=Kind.PRODUCER)
        return len(rings)

    def _listen(self, stop: threading.Event) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            driver = connection.connection.driver_connection
            connection.detach()  # back in the pool it would keep listening, and hoard what it hears
            connection.execute(jobs.listen())
            if not isinstance(driver, psycopg.Connection):
                raise TypeError(f"the relay listens through psycopg, got {type(driver)}")
            while not stop.is_set():
                self._life_sign.show()
                while not stop.is_set() and self.ring() == self._batch:
                    self._life_sign.show()
                for _ in driver.notifies(timeout=self._poll, stop_after=1):
                    pass
