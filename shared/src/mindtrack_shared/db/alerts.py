"""Statements on alerts and what happened to them. Each builds a query; whoever calls it runs and commits it.

Whoever opens or ends alerts holds the lock on the person's standing. Every time is the database's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Select, Update, case, cast, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import Insert, ReturningInsert, ReturningUpdate

from mindtrack_shared.db.clock import now
from mindtrack_shared.db.models import Alert, AlertEvent
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.domain.trends import AlertState, End, Measure, Reason
from mindtrack_shared.ids import new_id


def _since_opened() -> ColumnElement[Any]:
    """Now, and not before the alert opened, should the clock have been set back."""
    return func.greatest(Alert.opened_at, now())


# --- by the rule ----------------------------------------------------------------------------------------


def newest(user_id: UUID, measure: Measure) -> Select[Alert]:
    """The alert that the rule goes on from: the open one, or else the one that opened last."""
    return (
        select(Alert)
        .where(Alert.user_id == user_id, Alert.measure == measure)
        .order_by(Alert.id.desc())
        .limit(1)
    )


def to_state(row: Alert | None) -> AlertState:
    return AlertState() if row is None else AlertState(row.opened_on, row.ended_on, row.bundle_revision)


def open_alert(user_id: UUID, on: date, reason: Reason) -> ReturningInsert[UUID]:
    """Open an alert.

    Raises:
        sqlalchemy.exc.IntegrityError: when run: one of the measure is open already.

    """
    return (
        insert(Alert)
        .values(
            id=new_id(),
            user_id=user_id,
            measure=reason.measure,
            opened_at=now(),
            opened_on=on,
            rule=reason.rule,
            rule_version=reason.rule_version,
            bundle_revision=reason.bundle_revision,
            reason=to_json(reason),
        )
        .returning(Alert.id)
    )


def end(alert_id: UUID, on: date, why: End, *, forget_reason: bool = False) -> ReturningUpdate[UUID]:
    """End an open alert. No row back: it has ended already."""
    values: dict[str, Any] = {"ended_at": _since_opened(), "ended_on": on, "ended_why": why}
    if forget_reason:
        values["reason"] = None
    return (
        update(Alert).where(Alert.id == alert_id, Alert.ended_at.is_(None)).values(values).returning(Alert.id)
    )


def lose_evidence(user_id: UUID, days: Collection[date]) -> Update:
    """Note of which alerts something was deleted that they came from; forget why those opened that are over.

    Of one that is open, maintenance finds out whether what is left would do.
    """
    first, last = (cast(Alert.reason[name].astext, Date) for name in ("since", "last_day"))
    day = func.unnest(literal(list(days), ARRAY(Date))).column_valued("day")
    came_from = select(day).where(day.between(first, last)).exists()
    return (
        update(Alert)
        .where(Alert.user_id == user_id, came_from)
        .values(lost_evidence=True, reason=case((Alert.ended_at.is_(None), Alert.reason)))
    )


def note(alert_id: UUID, kind: AlertEventKind, *, actor: UUID | None = None) -> Insert:
    """Remember what happened, in the same transaction."""
    return insert(AlertEvent).values(id=new_id(), alert_id=alert_id, kind=kind, at=now(), actor_id=actor)


def to_json(reason: Reason) -> dict[str, Any]:
    """Write a reason as JSON has it: days as ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, date) else _plain(value)
        for name, value in asdict(reason).items()
    }


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


# --- reading --------------------------------------------------------------------------------------------


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
