"""Statements on what is kept for a while only. Each builds a query; whoever calls it runs and commits it.

What ended is found by its end, and reached by its id: ids rise with time, and nothing ends before it is made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
    and_,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import ReturningDelete
from sqlalchemy.sql.expression import cast

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import Base, Invitation, Job, Notification, Recording, WebhookDelivery


def _made_before(column: InstrumentedAttribute[UUID], age: timedelta) -> ColumnElement[bool]:
    # By a subquery, which is asked once, so that the index is searched.
    return column < select(func.uuidv7(cast(-age, INTERVAL))).scalar_subquery()


def deliveries(age: timedelta) -> ColumnElement[bool]:
    """Webhooks that were delivered or given up; their attempts go with them."""
    return and_(_made_before(WebhookDelivery.id, age), WebhookDelivery.finished_at < after(-age))


def notifications(age: timedelta) -> ColumnElement[bool]:
    return and_(_made_before(Notification.id, age), Notification.finished_at < after(-age))


def invitations(age: timedelta) -> ColumnElement[bool]:
    """Those that nobody redeemed, or ever will; a grant needs its own."""
    return and_(
        _made_before(Invitation.id, age),
        Invitation.redeemed_at.is_(None),
        or_(Invitation.expires_at < after(-age), Invitation.withdrawn_at < after(-age)),
    )


def count(table: type[Base], which: ColumnElement[bool]) -> Select[int]:
    return select(func.count()).select_from(table).where(which)


def remove(table: type[Base], which: ColumnElement[bool], *, limit: int) -> ReturningDelete[int]:
    """Delete some of them, the oldest first. Several at a time share the work."""
    key: Any = table.__table__.c.id
    chosen = (
        select(key).where(which).order_by(key).limit(limit).with_for_update(skip_locked=True).cte("chosen")
    )
    return delete(table).where(key == chosen.c.id).returning(literal_column("1"))


# --- audio ----------------------------------------------------------------------------------------------


def _audio(age: timedelta) -> ColumnElement[bool]:
    return and_(
        _made_before(Recording.id, age), Recording.audio_removed_at.is_(None), Job.finished_at < after(-age)
    )


def count_audio(age: timedelta) -> Select[int]:
    return select(func.count()).select_from(Recording).join(Job).where(_audio(age))


def audio(age: timedelta, *, limit: int) -> Select[UUID, str]:
    """Recordings whose job ended that long ago, with their objects; locked so that several share the work."""
    return (
        select(Recording.id, Recording.object_key)
        .join(Job)
        .where(_audio(age))
        .order_by(Recording.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Recording)
    )


def note_audio_removed(recording_id: UUID) -> Update:
    return update(Recording).where(Recording.id == recording_id).values(audio_removed_at=now())
