"""Statements on the chain over access events. Each builds a query; whoever calls it runs and commits it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Select,
    TextClause,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    text,
)

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import AccessEvent, AccessMark, AccessSeal, AccessUnsealed
from mindtrack_shared.domain.access_events import MarkKind

#: Of Postgres's advisory locks: one at a time adds to the chain, or takes from it.
CHAIN_LOCK = 0x6163636573735F73
#: All columns that the database has, also those of a release to come: a seal holds what is there.
EVENT_COLUMNS = "access_events.*"


def lock_chain() -> Select[Any]:
    """Let one at a time work at the chain, until the transaction ends."""
    return select(func.pg_advisory_xact_lock(CHAIN_LOCK))


def head() -> Select[int, bytes]:
    """The last link."""
    return select(AccessSeal.seq, AccessSeal.mac).order_by(AccessSeal.seq.desc()).limit(1)


def unsealed(limit: int) -> TextClause:
    """Events that are not sealed yet, with all columns, and what time it is (`sealed_at`).

    They are found by rows that come and go with their commit, whatever order that is in. To be run by who
    locked the chain.
    """
    return text(
        f"select {EVENT_COLUMNS}, statement_timestamp() as sealed_at"  # noqa: S608 - constants
        " from access_unsealed join access_events on access_events.id = access_unsealed.event_id"
        " order by access_events.id limit :limit"
    ).bindparams(limit=limit)


def note_sealed(event_ids: Collection[UUID]) -> Delete:
    return delete(AccessUnsealed).where(AccessUnsealed.event_id.in_(event_ids))


def backlog() -> Select[int, float]:
    """How many events wait to be sealed, and for how many seconds the first of them has."""
    age = func.extract("epoch", now() - func.min(AccessEvent.at))
    return select(func.count(), func.coalesce(age, 0.0)).select_from(
        AccessUnsealed.__table__.join(AccessEvent.__table__, AccessEvent.id == AccessUnsealed.event_id)
    )


# --- verifying ------------------------------------------------------------------------------------------


def links() -> TextClause:
    """Every link in order, with its event, whose columns are null where it is gone."""
    return text(
        f"select seq, event_id, sealed_at, key_id, mac, {EVENT_COLUMNS}"  # noqa: S608 - constants
        " from access_seals left join access_events on access_events.id = access_seals.event_id order by seq"
    )


def count() -> Select[int]:
    return select(func.count()).select_from(AccessSeal)


def marks() -> Select[AccessMark]:
    return select(AccessMark).order_by(AccessMark.id)


def never_sealed() -> Select[UUID]:
    """Events that have no link and do not wait for one: they did not come in as all do."""
    return select(AccessEvent.id).where(
        ~exists().where(AccessSeal.event_id == AccessEvent.id),
        ~exists().where(AccessUnsealed.event_id == AccessEvent.id),
    )


def overdue(grace: timedelta) -> Select[UUID]:
    """What waits to be sealed for longer than it may, or for an event that is not there."""
    return (
        select(AccessUnsealed.event_id)
        .join(AccessEvent, AccessEvent.id == AccessUnsealed.event_id, isouter=True)
        .where(or_(AccessEvent.id.is_(None), AccessEvent.at < after(-grace)))
    )


# --- forgetting -----------------------------------------------------------------------------------------


def permit_forgetting() -> Select[Any]:
    """Say to the trigger that this transaction is retention's."""
    return select(func.set_config("mindtrack.retention", "access_events", True))


def _is_old(age: timedelta) -> ColumnElement[bool]:
    return and_(AccessSeal.sealed_at < after(-age), AccessEvent.at < after(-age))


def forgettable(age: timedelta, limit: int) -> Select[int, UUID, bytes, bool, bool]:
    """The first links; of each, whether it and its event may go by their age, and whether it is the base: the
    last of those that were forgotten before, whose event is gone.
    """
    forgotten = select(func.max(AccessMark.seq)).where(AccessMark.kind == MarkKind.FORGOTTEN)
    return (
        select(
            AccessSeal.seq,
            AccessSeal.event_id,
            AccessSeal.mac,
            func.coalesce(_is_old(age), False).label("may_go"),
            func.coalesce(AccessSeal.seq == forgotten.scalar_subquery(), False).label("is_base"),
        )
        .join(AccessEvent, AccessEvent.id == AccessSeal.event_id, isouter=True)
        .order_by(AccessSeal.seq)
        .limit(limit)
    )


def count_forgettable(age: timedelta) -> Select[int]:
    return (
        select(func.count())
        .select_from(AccessSeal)
        .join(AccessEvent, AccessEvent.id == AccessSeal.event_id)
        .where(_is_old(age))
    )


def forget(event_ids: Sequence[UUID]) -> Delete:
    return delete(AccessEvent).where(AccessEvent.id.in_(event_ids))


def drop_links(*, before: int) -> Delete:
    """Remove links that another has taken the place of as base."""
    return delete(AccessSeal).where(AccessSeal.seq < before)
