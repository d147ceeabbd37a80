"""Whom to tell of alerts, and what was told."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from mindtrack_shared.db.models.base import Base, is_short_text, one_of
from mindtrack_shared.domain.notifications import LONGEST_ADDRESS, Channel, NotificationState, Occasion
from mindtrack_shared.ids import new_id


class NotificationPreferences(Base):
    """Whether and when a person wants to be notified. Without a row: not at all."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    #: By the person's clock. They may pass midnight; equal times mean that no hour is quiet.
    quiet_begin: Mapped[time]
    quiet_end: Mapped[time]
    #: IANA name; null is the zone of the newest recording.
    time_zone: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    #: When they last tried their addresses out. Asked for by who wants to know: a release may be here first.
    tested_at: Mapped[datetime | None] = mapped_column(deferred=True)

    addresses: Mapped[list[NotificationAddress]] = relationship(
        lazy="raise", order_by="NotificationAddress.id"
    )

    __table_args__ = (is_short_text("time_zone", 64),)


class NotificationAddress(Base):
    """Where a person wants to be notified."""

    __tablename__ = "notification_addresses"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("notification_preferences.user_id", ondelete="CASCADE"))
    #: `Channel`.
    channel: Mapped[str]
    address: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    __table_args__ = (
        UniqueConstraint("id", "user_id", "channel"),  # lets notifications prove whose it is
        UniqueConstraint("user_id", "channel", "address"),
        one_of("channel", Channel),
        is_short_text("address", LONGEST_ADDRESS),
    )


class Notification(Base):
    """One message to one address of a person's; its own outbox, like a job."""

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID]
    #: Of which it tells; null for a test.
    alert_id: Mapped[UUID | None]
    #: `Occasion`.
    occasion: Mapped[str]
    address_id: Mapped[UUID]
    channel: Mapped[str]
    #: `NotificationState`.
    state: Mapped[str] = mapped_column(server_default=NotificationState.PENDING.value)
    #: Not to be sent earlier: quiet hours, or a retry that waits.
    not_before: Mapped[datetime]
    #: Rises with every claim; a write that carries an older one changes nothing.
    claims: Mapped[int] = mapped_column(server_default="0")
    #: Attempts to send it.
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: A deliverer holds it until then.
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        # What an address was told goes with it, and what was told of an alert with that.
        ForeignKeyConstraint(
            ["address_id", "user_id", "channel"],
            [
                "notification_addresses.id",
                "notification_addresses.user_id",
                "notification_addresses.channel",
            ],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(["alert_id", "user_id"], ["alerts.id", "alerts.user_id"], ondelete="CASCADE"),
        UniqueConstraint("alert_id", "occasion", "address_id"),  # each is told once
        one_of("occasion", Occasion),
        one_of("state", NotificationState),
        CheckConstraint("(occasion = 'opened') = (alert_id is not null)", name="of_an_alert_that_opened"),
        CheckConstraint("attempts >= 0 and attempts <= claims", name="attempts_are_claims"),
        CheckConstraint("(state = 'pending') = (finished_at is null)", name="finished_when_terminal"),
        CheckConstraint("state = 'pending' or lease_expires_at is null", name="leased_while_pending"),
        Index("ix_notifications_address_id", "address_id"),
        Index("ix_notifications_user_id_created_at", "user_id", "created_at"),
        Index("ix_notifications_due", "not_before", postgresql_where=text("state = 'pending'")),
    )
