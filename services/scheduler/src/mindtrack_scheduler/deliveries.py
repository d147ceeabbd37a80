"""Delivers webhooks.

A delivery's row is its own outbox, like a job's. An attempt is counted and leased before it is made and
written down after it: a process that ends in between leaves a lease that lapses, and another sends the same
message again. At least once, with the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mindtrack_scheduler.metrics import (
    WEBHOOK_ATTEMPT_SECONDS,
    WEBHOOK_ATTEMPTS,
    WEBHOOKS_DISABLED,
)
from mindtrack_scheduler.outbox import Outbox
from mindtrack_scheduler.sending import Answer, Message, Sender
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_shared.db import webhooks
from mindtrack_shared.domain.webhooks import (
    SCHEDULE,
    AttemptError,
    DisabledReason,
    WebhookEvent,
    wait_before_next,
)
from mindtrack_shared.observability import events
from mindtrack_shared.observability.liveness import UNWATCHED, LifeSign
from mindtrack_shared.observability.logging import get_logger


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in our hands: the row of `webhooks.claim`."""

    id: UUID
    endpoint_id: UUID
    attempt: int
    tries: int
    event: str
    job_id: UUID | None
    alert_id: UUID | None
    created_at: datetime
    url: str
    secret: bytes
    previous_secret: bytes | None
    now: datetime

    @property
    def message(self) -> Message:
        return Message(
            id=self.id,
            event=WebhookEvent(self.event),
            at=self.created_at,
            job_id=self.job_id,
            alert_id=self.alert_id,
        )

    @property
    def secrets(self) -> list[bytes]:
        return [secret for secret in (self.secret, self.previous_secret) if secret is not None]


class OvertakenError(Exception):
    """Somebody else has claimed the delivery since, or its owner took it back; nothing was written."""


class Deliverer(Outbox[Claimed]):
    def __init__(
        self,
        *,
        engine: AsyncEngine,
        sender: Sender,
        settings: SchedulerSettings,
        life_sign: LifeSign = UNWATCHED,
    ) -> None:
        super().__init__(
            engine,
            listen=webhooks.listen(),
            poll=settings.deliver_poll,
            slots=settings.deliver_concurrency,
            failed=events.WEBHOOK_ATTEMPT_FAILED,
            life_sign=life_sign,
        )
        self._sender = sender
        self._lease = settings.deliver_lease
        self._per_endpoint = settings.deliver_per_endpoint
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._claiming = asyncio.Lock()
        self._under_way: Counter[UUID] = Counter()

    async def _claim(self) -> Claimed | None:
        """Claim a delivery of an endpoint that does not have its share of the slots already."""
        async with self._claiming, self._engine.begin() as connection:
            busy = [endpoint for endpoint, count in self._under_way.items() if count >= self._per_endpoint]
            row = (await connection.execute(webhooks.claim(lease=self._lease, busy=busy))).one_or_none()
            if row is None:
                return None
            claimed = Claimed(*row)
            self._under_way[claimed.endpoint_id] += 1
            return claimed

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            await self._attempt(claimed)
        finally:
            self._under_way[claimed.endpoint_id] -= 1

    async def _attempt(self, claimed: Claimed) -> None:
        """Make the attempt and write down what came of it."""
        if claimed.tries > len(SCHEDULE):  # each time, something ended us before we could write
            async with self._engine.begin() as connection:
                await connection.execute(webhooks.given_up(claimed.id, claimed.attempt))
            return
        answer, seconds = await self._sender.send(
            claimed.message, claimed.url, claimed.secrets, at=claimed.now
        )
        try:
            async with self._engine.begin() as connection:
                outcome = await self._settle(connection, claimed, answer, seconds)
        except OvertakenError:
            outcome = "overtaken"
        WEBHOOK_ATTEMPTS.labels(outcome).inc()
        WEBHOOK_ATTEMPT_SECONDS.observe(seconds)
        get_logger().info(
            events.WEBHOOK_ATTEMPTED,
            delivery_id=str(claimed.id),
            attempt=claimed.attempt,
            outcome=outcome,
            code=answer.status_code if isinstance(answer, Answer) else answer,
        )

    async def _settle(
        self, connection: AsyncConnection, claimed: Claimed, answer: Answer | AttemptError, seconds: float
    ) -> str:
        """Write what came of an attempt and return its outcome. The endpoint goes first: see `webhooks`.

        Raises:
            OvertakenError: the delivery is no longer ours; roll back.

        """
        disabled = None
        if isinstance(answer, Answer) and answer.is_success:
            await connection.execute(webhooks.works_again(claimed.endpoint_id))
            outcome, statement = "delivered", webhooks.delivered(claimed.id, claimed.attempt)
        else:
            disabled = await _note_failure(connection, claimed.endpoint_id, answer)
            asked = answer.retry_after if isinstance(answer, Answer) else None
            wait = wait_before_next(claimed.tries, self._jitter, retry_after=asked)
            if disabled or wait is None:
                outcome, statement = "failed", webhooks.given_up(claimed.id, claimed.attempt)
            else:
                outcome = "retried"
                statement = webhooks.put_off(claimed.id, claimed.attempt, delay=wait)
        if (await connection.execute(statement)).first() is None:
            raise OvertakenError
        await connection.execute(
            webhooks.note_attempt(
                claimed.id,
                claimed.attempt,
                at=claimed.now,
                seconds=seconds,
                status_code=answer.status_code if isinstance(answer, Answer) else None,
                error=answer if isinstance(answer, AttemptError) else None,
            )
        )
        if disabled:
            await connection.execute(webhooks.give_up_pending(claimed.endpoint_id))
            WEBHOOKS_DISABLED.labels(disabled).inc()
            get_logger().warning(
                events.WEBHOOK_DISABLED, endpoint_id=str(claimed.endpoint_id), reason=disabled
            )
        return outcome


async def _note_failure(
    connection: AsyncConnection, endpoint_id: UUID, answer: Answer | AttemptError
) -> DisabledReason | None:
    """Note that an endpoint failed; if that was enough to disable it, return why."""
    gone = isinstance(answer, Answer) and answer.status_code == HTTPStatus.GONE
    reason = DisabledReason.GONE if gone else DisabledReason.FAILING
    await connection.execute(webhooks.fails(endpoint_id))
    disabled = (await connection.execute(webhooks.disable(endpoint_id, reason))).first()
    return reason if disabled else None
