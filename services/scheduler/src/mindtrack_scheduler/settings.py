"""Settings of the scheduler's processes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from mindtrack_shared.settings import Duration, group


class SchedulerSettings(BaseSettings):
    model_config = group("SCHEDULER")

    relay_poll: Annotated[
        Duration,
        Field(description="The relay looks for jobs this often, should a notification get lost."),
    ] = timedelta(seconds=1)
    relay_batch: Annotated[int, Field(gt=0, description="Jobs the relay rings for in one transaction.")] = 500
    deliver_poll: Annotated[
        Duration,
        Field(
            description="The deliverer looks for webhooks this often: those that wait for another attempt."
        ),
    ] = timedelta(seconds=1)
    deliver_concurrency: Annotated[
        int, Field(gt=0, description="Webhooks that a deliverer sends at a time.")
    ] = 32
    deliver_per_endpoint: Annotated[
        int, Field(gt=0, description="And to one endpoint, so that a slow one leaves room for others.")
    ] = 4
    deliver_timeout: Annotated[
        Duration, Field(gt=timedelta(0), description="How long an endpoint may take to answer.")
    ] = timedelta(seconds=15)
    deliver_lease: Annotated[
        Duration,
        Field(description="What a deliverer took and did not settle within this time is sent again."),
    ] = timedelta(seconds=60)
    rescue_every: Annotated[
        Duration,
        Field(description="How often beat asks for lapsed leases and silent messages to be repaired."),
    ] = timedelta(seconds=15)
    forget_every: Annotated[
        Duration,
        Field(gt=timedelta(0), description="How often beat asks for expired idempotency keys to be deleted."),
    ] = timedelta(minutes=10)
    bury_every: Annotated[
        Duration,
        Field(description="How often the audio of deleted jobs is deleted, should the store have been away."),
    ] = timedelta(seconds=60)
    sweep_every: Annotated[
        Duration,
        Field(description="How often beat asks for expired uploads to be removed."),
    ] = timedelta(minutes=10)
    mend_every: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            description="How often beat asks for days to be summed up that do not hold what was analysed.",
        ),
    ] = timedelta(minutes=10)
    evaluate_every: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            description="How often beat asks for trends to be looked at of which something changed, or whose "
            "day did. Alerts open this long, and a little, after the day that confirms them is over.",
        ),
    ] = timedelta(seconds=2)
    seal_every: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            description="How often beat asks for access events to be sealed. What was written down since can "
            "still be changed unseen.",
        ),
    ] = timedelta(seconds=5)
    anchor_every: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            description="How often beat asks for an anchor of their chain. What was sealed since can "
            "still be cut off unseen.",
        ),
    ] = timedelta(minutes=5)
    retain_every: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            description="How often beat asks for what was kept for long enough to be removed.",
        ),
    ] = timedelta(hours=1)
    notify_concurrency: Annotated[
        int, Field(gt=0, description="Notifications that a deliverer sends at a time.")
    ] = 8
    beat_file: Annotated[Path, Field(description="Where Celery beat keeps its schedule.")] = Path(
        "celerybeat-schedule",
    )

    @model_validator(mode="after")
    def _attempt_fits_lease(self) -> SchedulerSettings:
        if self.deliver_timeout * 2 > self.deliver_lease:
            raise ValueError(
                "deliver_lease must be at least twice deliver_timeout, or messages are sent twice"
            )
        return self


#: 45 CFR 164.316(b)(2)(i): six years. The database refuses to lose accesses before.
LEAST_ACCESSES = timedelta(days=6 * 366)
LEAST_ROWS = timedelta(days=7)


class RetentionSettings(BaseSettings):
    """How long each class of data is kept. What is not here stays until its person deletes it."""

    model_config = group("RETENTION")

    audio: Annotated[
        Duration | None,
        Field(
            ge=timedelta(0),
            description="How long a recording's audio is kept after its job ended; 0 deletes it as soon as "
            "there is a result. For ever if unset, until the person deletes it.",
        ),
    ] = None
    deliveries: Annotated[
        Duration,
        Field(ge=LEAST_ROWS, description="How long webhooks are kept after they were delivered or given up."),
    ] = timedelta(days=90)
    notifications: Annotated[
        Duration,
        Field(ge=LEAST_ROWS, description="How long notifications are kept after they were sent or given up."),
    ] = timedelta(days=90)
    invitations: Annotated[
        Duration,
        Field(ge=LEAST_ROWS, description="How long invitations are kept that nobody redeemed in time."),
    ] = timedelta(days=365)
    accesses: Annotated[
        Duration,
        Field(
            ge=LEAST_ACCESSES,
            description="How long it is kept who read, changed or took out what; six years at least.",
        ),
    ] = timedelta(days=7 * 366)
