"""Webhooks as Standard Webhooks describes them: what is told, when it is tried again, when it is given up."""

from __future__ import annotations

import base64
import random
from datetime import timedelta
from enum import StrEnum

#: Bytes of a secret.
SECRET_BYTES = 32
#: How long the former secret signs beside a new one.
ROTATION = timedelta(hours=24)
#: An endpoint of which every attempt failed for this long is disabled.
FAILING_AT_MOST = timedelta(days=5)
#: Before each attempt, from the end of the one before it; together about three days.
SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
#: Share by which a wait is longer or shorter, so that what failed together is not repeated together.
JITTER = 0.2


class WebhookEvent(StrEnum):
    """What is told. The names of a job's ends are `job.` and its status."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_REJECTED = "job.rejected"
    JOB_FAILED = "job.failed"
    JOB_CANCELED = "job.canceled"
    ALERT_OPENED = "alert.opened"
    ALERT_ENDED = "alert.ended"
    #: Asked for by the owner, to try an endpoint out. Cannot be subscribed to.
    PING = "ping"


SUBSCRIBABLE = tuple(event for event in WebhookEvent if event is not WebhookEvent.PING)


class WebhookStatus(StrEnum):
    ENABLED = "enabled"
    #: Nothing is delivered, and nothing is kept for later.
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    OWNER = "owner"
    #: It answered 410.
    GONE = "gone"
    #: Every attempt failed for `FAILING_AT_MOST`.
    FAILING = "failing"


class DeliveryState(StrEnum):
    PENDING = "pending"
    #: Terminal, unless the owner asks for it again: answered with 2xx.
    DELIVERED = "delivered"
    #: Terminal, unless the owner asks for it again: all attempts failed, or the endpoint was disabled.
    FAILED = "failed"


class AttemptError(StrEnum):
    """Why an attempt got no answer."""

    #: The address is one that we do not send to, or its host has none.
    ADDRESS = "address"
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    #: What came is not HTTP, or broke off.
    PROTOCOL = "protocol"


def wait_before_next(
    tries: int, jitter: random.Random, *, retry_after: timedelta | None = None
) -> timedelta | None:
    """Return how long to wait after `tries` failed attempts, or None if that was the last.

    `retry_after`, which the endpoint asked for, lengthens the wait, but not beyond the one that follows.
    """
    if tries >= len(SCHEDULE):
        return None
    wait = SCHEDULE[tries] * jitter.uniform(1 - JITTER, 1 + JITTER)
    longest = SCHEDULE[min(tries + 1, len(SCHEDULE) - 1)]
    return max(wait, min(retry_after or timedelta(0), longest))


def secret_text(secret: bytes) -> str:
    """Write a secret as Standard Webhooks does."""
    return f"whsec_{base64.b64encode(secret).decode()}"
