"""Statements on notifications and who wants them. Each builds a query; whoever calls it runs and commits it.

Whoever changes a person's addresses locks the preferences first. Every time is the database's. A write about
an attempt carries the number that its claim gave: after another claim, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Double,
    Select,
    Update,
    and_,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import selectinload
from sqlalchemy.sql import TextClause
from sqlalchemy.sql.dml import Insert, ReturningInsert, ReturningUpdate
from sqlalchemy.sql.expression import cast

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import (
    Alert,
    Notification,
    NotificationAddress,
    NotificationPreferences,
    Standing,
)
from mindtrack_shared.domain.notifications import TEST_PAUSE, Channel, NotificationState, Occasion
from mindtrack_shared.ids import new_id

#: Channel on which a committed notification announces itself to the deliverers.
DUE_CHANNEL = "mindtrack_notification_due"
#: Where a person is: as they said, else where they recorded last, else who knows.
_ZONE = func.coalesce(NotificationPreferences.time_zone, Standing.time_zone, "UTC")


# --- who wants them -------------------------------------------------------------------------------------


def preferences(user_id: UUID) -> Select[NotificationPreferences]:
    return (
        select(NotificationPreferences)
        .where(NotificationPreferences.user_id == user_id)
        .options(selectinload(NotificationPreferences.addresses))
    )


def prefer(
    user_id: UUID, *, enabled: bool, quiet_begin: time, quiet_end: time, time_zone: str | None
) -> ReturningInsert[UUID]:
    """Write what a person wants; the row stays locked until the transaction ends."""
    said: dict[str, Any] = {
        "enabled": enabled,
        "quiet_begin": quiet_begin,
        "quiet_end": quiet_end,
        "time_zone": time_zone,
        "updated_at": now(),
    }
    return (
        upsert(NotificationPreferences)
        .values(user_id=user_id, **said)
        .on_conflict_do_update(index_elements=["user_id"], set_=said)
        .returning(NotificationPreferences.user_id)
    )


def drop_addresses(user_id: UUID, *, but: Collection[tuple[Channel, str]]) -> Delete:
    """Forget a person's addresses, all but some, with what they were told or were to be told."""
    own = delete(NotificationAddress).where(NotificationAddress.user_id == user_id)
    if not but:
        return own
    known = tuple_(NotificationAddress.channel, NotificationAddress.address)
    return own.where(known.not_in([(channel.value, address) for channel, address in but]))


def add_address(user_id: UUID, channel: Channel, address: str) -> Insert:
    """Add an address. One that is there stays, with what it was told."""
    return (
        upsert(NotificationAddress)
        .values(id=new_id(), user_id=user_id, channel=channel, address=address, created_at=now())
        .on_conflict_do_nothing(index_elements=["user_id", "channel", "address"])
    )


def withhold(user_id: UUID) -> Update:
    """End what waits for a person who turned notifications off."""
    return _finish(NotificationState.WITHHELD).where(Notification.user_id == user_id, _pending())


# --- queueing -------------------------------------------------------------------------------------------


def wanted(user_id: UUID) -> Select[NotificationPreferences, NotificationAddress, str]:
    """Addresses of a person who wants notifications, with what is to be known for each and the zone.

    Locked, so that nobody forgets them before what is queued for them is committed.
    """
    return (
        select(NotificationPreferences, NotificationAddress, _ZONE)
        .join(NotificationAddress, NotificationAddress.user_id == NotificationPreferences.user_id)
        .join(Standing, Standing.user_id == NotificationPreferences.user_id, isouter=True)
        .where(NotificationPreferences.user_id == user_id, NotificationPreferences.enabled)
        .order_by(NotificationAddress.id)
        .with_for_update(read=True, key_share=True, of=NotificationAddress)
    )


def queue(
    address: NotificationAddress, occasion: Occasion, *, alert_id: UUID | None, not_before: datetime | None
) -> ReturningInsert[UUID]:
    """Queue a notification, at once unless told; `announce` it. No row back: it was queued before."""
    return (
        upsert(Notification)
        .values(
            id=new_id(),
            user_id=address.user_id,
            alert_id=alert_id,
            occasion=occasion,
            address_id=address.id,
            channel=address.channel,
            state=NotificationState.PENDING,
            not_before=now() if not_before is None else not_before,
            created_at=now(),
        )
        .on_conflict_do_nothing(index_elements=["alert_id", "occasion", "address_id"])
        .returning(Notification.id)
    )


def tested(user_id: UUID) -> Select[float]:
    """Seconds until a person may try their addresses out again; no row if they may now.

    Whatever their addresses are by now: messages go with an address, and who changes them writes to others.
    """
    tested_at = NotificationPreferences.tested_at
    left = func.extract("epoch", tested_at + cast(TEST_PAUSE, INTERVAL) - now())
    return select(cast(left, Double)).where(
        NotificationPreferences.user_id == user_id, tested_at > after(-TEST_PAUSE)
    )


def note_tested(user_id: UUID) -> Update:
    return (
        update(NotificationPreferences)
        .where(NotificationPreferences.user_id == user_id)
        .values(tested_at=now())
    )


def announce() -> TextClause:
    """Wake the deliverers when the surrounding transaction commits."""
    return text(f"NOTIFY {DUE_CHANNEL}")


def listen() -> TextClause:
    """Subscribe this connection to announcements."""
    return text(f"LISTEN {DUE_CHANNEL}")


# --- delivering -----------------------------------------------------------------------------------------


def _pending() -> ColumnElement[bool]:
    """Compare with a literal, not a parameter: only then can a cached plan use the partial index."""
    return Notification.state == literal_column(f"'{NotificationState.PENDING}'")


def _due() -> ColumnElement[bool]:
    free = or_(Notification.lease_expires_at.is_(None), Notification.lease_expires_at < now())
    return and_(_pending(), Notification.not_before <= now(), free)


def claim(*, lease: timedelta) -> ReturningUpdate[UUID]:
    """Claim the notification that has been due for longest, and count the attempt; `claimed` reads it."""
    candidate = (
        select(Notification.id)
        .where(_due())
        .order_by(Notification.not_before)
        .limit(1)
        .with_for_update(skip_locked=True)
        .correlate(None)  # the same table as the update's, on its own
    )
    return (
        update(Notification)
        .where(Notification.id == candidate.scalar_subquery())
        .values(
            claims=Notification.claims + 1,
            attempts=Notification.attempts + 1,
            lease_expires_at=after(lease),
        )
        .returning(Notification.id)
    )


def claimed(notification_id: UUID) -> Select[*tuple[Any, ...]]:
    """What is to be known in order to send it, or not to; the last column is now."""
    seen = func.coalesce(Alert.acknowledged_by == Notification.user_id, False)
    return (
        select(
            Notification.id,
            Notification.claims,
            Notification.attempts,
            Notification.occasion,
            Notification.alert_id,
            Notification.channel,
            NotificationAddress.address,
            NotificationPreferences.enabled,
            NotificationPreferences.quiet_begin,
            NotificationPreferences.quiet_end,
            _ZONE,
            or_(Alert.ended_at.is_not(None), seen),
            now(),
        )
        .join(NotificationAddress, NotificationAddress.id == Notification.address_id)
        .join(NotificationPreferences, NotificationPreferences.user_id == Notification.user_id)
        .join(Standing, Standing.user_id == Notification.user_id, isouter=True)
        .join(Alert, Alert.id == Notification.alert_id, isouter=True)
        .where(Notification.id == notification_id)
    )


def _finish(state: NotificationState) -> Update:
    return update(Notification).values(state=state, lease_expires_at=None, finished_at=now())


def _held(statement: Update, notification_id: UUID, claim: int) -> ReturningUpdate[UUID]:
    return statement.where(
        Notification.id == notification_id, _pending(), Notification.claims == claim
    ).returning(Notification.id)


def finish(notification_id: UUID, claim: int, state: NotificationState) -> ReturningUpdate[UUID]:
    """End a notification. No row back means that it is no longer ours."""
    return _held(_finish(state), notification_id, claim)


def put_off(notification_id: UUID, claim: int, *, delay: timedelta) -> ReturningUpdate[UUID]:
    """Try again later."""
    later = update(Notification).values(not_before=after(delay), lease_expires_at=None)
    return _held(later, notification_id, claim)


def keep_quiet(notification_id: UUID, claim: int, *, until: datetime) -> ReturningUpdate[UUID]:
    """Send it once quiet hours are over; this was no attempt."""
    later = update(Notification).values(
        not_before=until, lease_expires_at=None, attempts=Notification.attempts - 1
    )
    return _held(later, notification_id, claim)


def due() -> Select[int, float]:
    """How many are due and in nobody's hands, and for how many seconds the first is; one row."""
    overdue = func.coalesce(func.extract("epoch", now() - func.min(Notification.not_before)), 0)
    return select(func.count(), cast(overdue, Double)).where(_due())
