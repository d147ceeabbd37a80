"""Empties an outbox of rows: LISTEN for the news, and a poll should it get lost."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import timedelta
from typing import Generic, TypeVar

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql import TextClause

from mindtrack_scheduler.metrics import DELIVERER_FAILURES
from mindtrack_shared.observability import events
from mindtrack_shared.observability.liveness import UNWATCHED, LifeSign
from mindtrack_shared.observability.logging import get_logger

Held = TypeVar("Held")


class Outbox(ABC, Generic[Held]):
    """Claims rows one by one, and sends several at a time.

    Args:
        engine: of the database that holds the rows.
        listen: subscribes a connection to their announcements.
        poll: how often to look without one.
        slots: rows in our hands at a time.
        failed: the event that reports an error nobody expected.
        life_sign: shown as long as it comes round.

    """

    def __init__(  # noqa: PLR0913 - each is a question of its own
        self,
        engine: AsyncEngine,
        *,
        listen: TextClause,
        poll: timedelta,
        slots: int,
        failed: str,
        life_sign: LifeSign = UNWATCHED,
    ) -> None:
        self._engine = engine
        self._listening = listen
        self._poll = poll.total_seconds()
        self._slots = slots
        self._failed = failed
        self._life_sign = life_sign
        self._drains: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _claim(self) -> Held | None:
        """Take a row that is due, if there is one."""

    @abstractmethod
    async def _deliver(self, claimed: Held) -> None:
        """Send it, and write down what came of it."""

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, and finish what is under way. A database that is away is waited for."""
        while not stop.is_set():
            self._life_sign.show()
            try:
                await self._listen(stop)
            except (SQLAlchemyError, psycopg.Error) as error:
                _database_away(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._poll)
        if self._drains:
            await asyncio.wait(self._drains)

    async def drain(self, stop: asyncio.Event) -> None:
        """Send one after the other until nothing is due. Where there was one, another slot looks, too."""
        while not stop.is_set() and (claimed := await self._claim()) is not None:
            self._start_drain(stop)
            await self._deliver(claimed)

    async def _listen(self, stop: asyncio.Event) -> None:
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            driver = (await connection.get_raw_connection()).driver_connection
            if not isinstance(driver, psycopg.AsyncConnection):
                raise TypeError(f"the deliverer listens through psycopg, got {type(driver)}")
            # Back in the pool it would keep listening, and hoard what it hears.
            await connection.run_sync(lambda sync: sync.detach())
            try:
                await connection.execute(self._listening)
                while not stop.is_set():
                    self._life_sign.show()
                    self._start_drain(stop)
                    async for _ in driver.notifies(timeout=self._poll, stop_after=1):
                        pass
            finally:
                await driver.close()

    def _start_drain(self, stop: asyncio.Event) -> None:
        if len(self._drains) < self._slots and not stop.is_set():
            slot = asyncio.create_task(self._guarded_drain(stop))
            self._drains.add(slot)
            slot.add_done_callback(self._drains.discard)

    async def _guarded_drain(self, stop: asyncio.Event) -> None:
        try:
            await self.drain(stop)
        except (SQLAlchemyError, psycopg.Error) as error:
            _database_away(error)
        except Exception as error:  # noqa: BLE001 - the lease will lapse; others go on
            get_logger().error(self._failed, exc_info=error)


def _database_away(error: Exception) -> None:
    get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
    DELIVERER_FAILURES.labels("database").inc()
