"""Webhooks: where to, what, and how often it was tried."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from mindtrack_shared.db.models.base import Base, enumeration, one_of, quoted
from mindtrack_shared.domain.webhooks import (
    SECRET_BYTES,
    SUBSCRIBABLE,
    AttemptError,
    DeliveryState,
    DisabledReason,
    WebhookEvent,
    WebhookStatus,
)
from mindtrack_shared.ids import new_id

webhook_status = enumeration(WebhookStatus, "webhook_status")
delivery_state = enumeration(DeliveryState, "delivery_state")


class WebhookEndpoint(Base):
    """Where a person wants to be told of the ends of their jobs."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    url: Mapped[str]
    description: Mapped[str | None]
    #: Values of `WebhookEvent` that can be subscribed to.
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret: Mapped[bytes]
    #: Signs as well until then.
    previous_secret: Mapped[bytes | None]
    previous_secret_expires_at: Mapped[datetime | None]
    status: Mapped[WebhookStatus] = mapped_column(webhook_status, default=WebhookStatus.ENABLED)
    #: `DisabledReason`.
    disabled_reason: Mapped[str | None]
    #: When the first of the attempts failed that have failed ever since.
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("id", "user_id"),  # lets deliveries prove that endpoint and job are one person's
        CheckConstraint("length(url) between 1 and 2048", name="url_bounded"),
        CheckConstraint("length(description) between 1 and 200", name="description_bounded"),
        CheckConstraint(
            f"cardinality(events) > 0 and events <@ array[{quoted(SUBSCRIBABLE)}]",
            name="events_known",
        ),
        CheckConstraint(
            f"octet_length(secret) = {SECRET_BYTES} and octet_length(previous_secret) = {SECRET_BYTES}",
            name="secret_length",
        ),
        CheckConstraint(
            "(previous_secret is null) = (previous_secret_expires_at is null)", name="previous_secret_expires"
        ),
        CheckConstraint(
            "(status = 'disabled') = (disabled_reason is not null)", name="disabled_for_a_reason"
        ),
        one_of("disabled_reason", DisabledReason),
        Index("ix_webhook_endpoints_user_id_id", "user_id", "id"),
    )


class WebhookDelivery(Base):
    """One message to one endpoint; its own outbox, like a job."""

    __tablename__ = "webhook_deliveries"

    #: The message's `webhook-id`, the same in every attempt.
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    endpoint_id: Mapped[UUID]
    user_id: Mapped[UUID]
    #: The job that ended, or the alert that opened or ended; a ping has neither.
    job_id: Mapped[UUID | None]
    alert_id: Mapped[UUID | None]
    #: `WebhookEvent`.
    event: Mapped[str]
    state: Mapped[DeliveryState] = mapped_column(
        delivery_state, default=DeliveryState.PENDING, server_default=DeliveryState.PENDING.value
    )
    #: Rises with every claim; a write that carries an older one changes nothing.
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: Attempts of the schedule under way, which a redelivery begins anew.
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_attempt_at: Mapped[datetime | None]
    #: A deliverer holds it until then.
    lease_expires_at: Mapped[datetime | None]
    #: When the event happened.
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    attempts: Mapped[list[WebhookAttempt]] = relationship(lazy="raise", order_by="WebhookAttempt.number")

    __table_args__ = (
        ForeignKeyConstraint(
            ["endpoint_id", "user_id"],
            ["webhook_endpoints.id", "webhook_endpoints.user_id"],
            ondelete="CASCADE",
        ),
        # Whoever deletes a job leaves no trace of it here.
        ForeignKeyConstraint(["job_id", "user_id"], ["jobs.id", "jobs.user_id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["alert_id", "user_id"], ["alerts.id", "alerts.user_id"], ondelete="CASCADE"),
        UniqueConstraint("job_id", "endpoint_id"),  # a job ends once
        UniqueConstraint("alert_id", "event", "endpoint_id"),  # an alert opens once, and ends once
        one_of("event", WebhookEvent),
        CheckConstraint(
            "(job_id is not null) = (event like 'job.%') and (alert_id is not null) = (event like 'alert.%')",
            name="subject_fits_event",
        ),
        CheckConstraint("tries >= 0 and tries <= attempt", name="tries_are_attempts"),
        CheckConstraint("(state = 'pending') = (next_attempt_at is not null)", name="due_while_pending"),
        CheckConstraint("(state = 'pending') = (finished_at is null)", name="finished_when_terminal"),
        CheckConstraint("state = 'pending' or lease_expires_at is null", name="leased_while_pending"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    )


class WebhookAttempt(Base):
    """What came of one attempt. A number that is missing: we ended before we could write it."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    at: Mapped[datetime]
    #: Of the answer; else `AttemptError` says why there was none.
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None]
    seconds: Mapped[float]

    __table_args__ = (
        CheckConstraint("number > 0", name="number_positive"),
        CheckConstraint("(status_code is null) <> (error is null)", name="answered_or_not"),
        CheckConstraint("status_code between 100 and 999", name="status_code_bounded"),
        CheckConstraint("seconds >= 0", name="seconds_not_negative"),
        one_of("error", AttemptError),
    )
