"""Statements on alerts and what happened to them. Each builds a query; whoever calls it runs and commits it.

Whoever opens or ends alerts holds the lock on the person's standing. Every time is the database's.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, insert, literal, select, update
from sqlalchemy.sql.dml import Insert, ReturningUpdate

from mindtrack_shared.db.clock import now
from mindtrack_shared.db.models import Alert, AlertEvent
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.ids import new_id


def _since_opened() -> ColumnElement[Any]:
    """Now, and not before the alert opened, should the clock have been set back."""
    return func.greatest(Alert.opened_at, now())


def listed(
    user_id: UUID, *, limit: int, before: UUID | None = None, is_open: bool | None = None
) -> Select[Alert]:
    """A person's alerts, newest first, older than the one `before`."""
    query = select(Alert).where(Alert.user_id == user_id).order_by(Alert.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Alert.id < before)
    if is_open is not None:
        query = query.where(Alert.ended_at.is_(None) if is_open else Alert.ended_at.is_not(None))
    return query


def one(alert_id: UUID, user_id: UUID) -> Select[Alert]:
    """One of a person's alerts. A foreign one looks like an unknown one."""
    return select(Alert).where(Alert.id == alert_id, Alert.user_id == user_id)


def history(alert_id: UUID) -> Select[AlertEvent]:
    """What happened to an alert, in this order."""
    return select(AlertEvent).where(AlertEvent.alert_id == alert_id).order_by(AlertEvent.id)


def acknowledge(alert_id: UUID, user_id: UUID, actor: UUID) -> ReturningUpdate[UUID]:
    """Note that somebody has seen an alert. No row back: there is none, or somebody had seen it before."""
    return (
        update(Alert)
        .where(Alert.id == alert_id, Alert.user_id == user_id, Alert.acknowledged_at.is_(None))
        .values(acknowledged_at=_since_opened(), acknowledged_by=literal(actor))
        .returning(Alert.id)
    )


def note(alert_id: UUID, kind: AlertEventKind, *, actor: UUID | None = None) -> Insert:
    """Remember what happened, in the same transaction."""
    return insert(AlertEvent).values(id=new_id(), alert_id=alert_id, kind=kind, at=now(), actor_id=actor)
