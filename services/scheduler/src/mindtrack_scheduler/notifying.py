"""Notifies persons of alerts, as they asked for it.

A notification's row is its own outbox, like a webhook's. An attempt is counted and leased before it is made;
a process that ends in between leaves a lease that lapses, and another sends the same text again. Each claim
looks up whether it is still wanted.
"""

from __future__ import annotations

import random
import time as clock
from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.dml import ReturningUpdate

from mindtrack_scheduler.channels import Channels
from mindtrack_scheduler.metrics import NOTIFICATION_ATTEMPT_SECONDS, NOTIFICATION_ATTEMPTS
from mindtrack_scheduler.outbox import Outbox
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_shared.db import notifications
from mindtrack_shared.domain.notifications import (
    SCHEDULE,
    Channel,
    NotificationState,
    Occasion,
    text,
    wait_before_next,
)
from mindtrack_shared.domain.trends import QuietHours, when_to_notify
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification in our hands: the row of `notifications.claimed`."""

    id: UUID
    claim: int
    attempts: int
    occasion: str
    alert_id: UUID | None
    channel: str
    address: str
    enabled: bool
    quiet_begin: time
    quiet_end: time
    time_zone: str
    #: The alert ended, or the person has seen it.
    over: bool
    now: datetime

    @property
    def is_wanted(self) -> bool:
        return self.occasion == Occasion.TEST or (self.enabled and not self.over)

    @property
    def earliest(self) -> datetime:
        """When it may go out. A test is asked for by who is awake."""
        if self.occasion == Occasion.TEST:
            return self.now
        return when_to_notify(self.now, self.time_zone, QuietHours(self.quiet_begin, self.quiet_end))


class Notifier(Outbox[Claimed]):
    def __init__(
        self,
        *,
        engine: AsyncEngine,
        channels: Channels,
        link: str | None,
        settings: SchedulerSettings,
    ) -> None:
        super().__init__(
            engine,
            listen=notifications.listen(),
            poll=settings.deliver_poll,
            slots=settings.notify_concurrency,
            failed=events.NOTIFICATION_ATTEMPT_FAILED,
        )
        self._channels = channels
        self._link = link
        self._lease = settings.deliver_lease
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing

    async def _claim(self) -> Claimed | None:
        async with self._engine.begin() as connection:
            found = await connection.scalar(notifications.claim(lease=self._lease))
            if found is None:
                return None
            return Claimed(*(await connection.execute(notifications.claimed(found))).one())

    async def _deliver(self, claimed: Claimed) -> None:
        """Make the attempt, if it is still wanted, and write down what came of it."""
        if not claimed.is_wanted:
            await self._write(claimed, "withheld", self._end(claimed, NotificationState.WITHHELD))
        elif claimed.earliest > claimed.now:
            quiet = notifications.keep_quiet(claimed.id, claimed.claim, until=claimed.earliest)
            await self._write(claimed, "put_off", quiet)
        elif claimed.attempts > len(SCHEDULE):  # each time, something ended us before we could write
            await self._write(claimed, "failed", self._end(claimed, NotificationState.FAILED))
        else:
            await self._attempt(claimed)

    async def _attempt(self, claimed: Claimed) -> None:
        since = clock.perf_counter()
        said = text(Occasion(claimed.occasion), self._link)
        taken = await self._channels.send(Channel(claimed.channel), claimed.address, said)
        NOTIFICATION_ATTEMPT_SECONDS.labels(claimed.channel).observe(clock.perf_counter() - since)
        wait = wait_before_next(claimed.attempts, self._jitter)
        if taken:
            await self._write(claimed, "sent", self._end(claimed, NotificationState.SENT))
        elif wait is None:
            await self._write(claimed, "failed", self._end(claimed, NotificationState.FAILED))
        else:
            later = notifications.put_off(claimed.id, claimed.claim, delay=wait)
            await self._write(claimed, "retried", later)

    @staticmethod
    def _end(claimed: Claimed, state: NotificationState) -> ReturningUpdate[UUID]:
        return notifications.finish(claimed.id, claimed.claim, state)

    async def _write(self, claimed: Claimed, outcome: str, statement: ReturningUpdate[UUID]) -> None:
        async with self._engine.begin() as connection:
            if (await connection.execute(statement)).first() is None:
                outcome = "overtaken"  # by another attempt, or by the person
        NOTIFICATION_ATTEMPTS.labels(claimed.channel, outcome).inc()
        get_logger().info(
            events.NOTIFICATION_ATTEMPTED,
            notification_id=str(claimed.id),
            attempt=claimed.attempts,
            outcome=outcome,
        )
