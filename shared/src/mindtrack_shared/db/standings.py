"""Statements on where people's trends stand. Each builds a query; whoever calls it runs and commits it.

Whoever changes a person's days notes in the same transaction that the standing is stale
(`day_values.renewal`). Whoever looks locks the standing first and reads the days then: what is noted
meanwhile waits, and makes the standing stale again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Double, Select, Update, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.expression import cast

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import DayValueRecord, Standing, User
from mindtrack_shared.domain.trends import Direction, Status


def stale(user_id: UUID) -> Insert:
    """Note that a person's days changed. Since when, stays as it was."""
    changed = insert(Standing).values(user_id=user_id, stale_since=now())
    return changed.on_conflict_do_update(
        index_elements=["user_id"], set_={"stale_since": func.coalesce(Standing.stale_since, now())}
    )


def adopt() -> ReturningInsert[UUID]:
    """Begin with those who have days and no standing: releases that keep none wrote them."""
    days = exists().where(DayValueRecord.user_id == User.id)
    standing = exists().where(Standing.user_id == User.id)
    found = select(User.id, now()).where(days, ~standing)
    return (
        insert(Standing)
        .from_select(["user_id", "stale_since"], found, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["user_id"])
        .returning(Standing.user_id)
    )


def next_stale() -> Select[Standing, datetime]:
    """Lock the standing that has been stale for longest, with what time it is; several share the work."""
    query = select(Standing, now()).where(Standing.stale_since.is_not(None)).order_by(Standing.stale_since)
    return query.limit(1).with_for_update(skip_locked=True, of=Standing)


def next_due() -> Select[Standing, datetime]:
    """The same for those of whom nothing changed but the day."""
    query = select(Standing, now()).where(Standing.due_at <= now()).order_by(Standing.due_at)
    return query.limit(1).with_for_update(skip_locked=True, of=Standing)


def settle(  # noqa: PLR0913 - what is known of a trend
    user_id: UUID,
    *,
    status: Status,
    direction: Direction,
    seven_day_z: float | None,
    recent: Sequence[float | None],
    recording_days_7: int,
    recording_days_28: int,
    as_of: date,
    time_zone: str,
    last_recorded_at: datetime | None,
    due_at: datetime | None,
) -> Update:
    """Write what a locked standing has come to."""
    found: Mapping[str, Any] = {
        "status": status,
        "direction": direction,
        "seven_day_z": seven_day_z,
        "recent": list(recent),
        "recent_at": now(),
        "recording_days_7": recording_days_7,
        "recording_days_28": recording_days_28,
        "as_of": as_of,
        "time_zone": time_zone,
        "last_recorded_at": last_recorded_at,
        "stale_since": None,
        "due_at": due_at,
        "evaluated_at": now(),
    }
    return update(Standing).where(Standing.user_id == user_id).values(found)


def hold(user_id: UUID) -> Select[UUID]:
    """Lock a standing, if there is one; whoever is looking is waited for."""
    return select(Standing.user_id).where(Standing.user_id == user_id).with_for_update()


def put_off(user_id: UUID, *, delay: timedelta) -> Update:
    """Look again later: a standing that cannot be found out must not hold up the others."""
    later = update(Standing).where(Standing.user_id == user_id)
    return later.values(stale_since=None, due_at=after(delay))


def of(user_id: UUID) -> Select[Standing]:
    return select(Standing).where(Standing.user_id == user_id)


def backlog() -> Select[int, float]:
    """How many persons are to be looked at, and for how many seconds the first has been; one row."""
    waits = func.least(Standing.stale_since, Standing.due_at)
    seconds = func.coalesce(func.extract("epoch", now() - func.min(waits)), literal(0))
    return select(func.count(), cast(seconds, Double)).where(
        (Standing.stale_since.is_not(None)) | (Standing.due_at <= now())
    )
