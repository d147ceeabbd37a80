"""Statements on a clinician's persons: those of whom they have a live grant, by the database's clock.

What a grant's scopes do not open is null before anything is sorted, filtered or counted by it. To read and to
write down that it was read is one statement: a line of the list itself, which names nobody, and one for each
person who is in the answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Delete,
    FromClause,
    ScalarSelect,
    Select,
    SmallInteger,
    Subquery,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import AccessEvent, Alert, Grant, PatientLabel, Standing
from mindtrack_shared.domain.access_events import ActorRole, Outcome
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.patients import URGENCY, Order, PatientSort
from mindtrack_shared.domain.trends import Direction, Status

#: What a list is sorted by: a rank of `URGENCY`, a moment, or a number. Null where it is not known.
Key = int | float | datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: its last key, and of several with that key, the grant."""

    key: Key
    grant_id: UUID


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, by which operation, in which request: for the lines."""

    clinician_id: UUID
    action: str
    request_id: UUID | None


def page(  # noqa: PLR0913 - what a page is asked by
    asked: Asked,
    *,
    limit: int,
    sort: PatientSort,
    order: Order,
    after_place: Place | None = None,
    statuses: Collection[Status] = (),
    open_alerts: bool | None = None,
    among: Collection[UUID] | None = None,
) -> Select[Any]:
    """So many persons and one more, who is not written down: there, another page follows.

    Sorted by `sort`, then by when they were granted; whoever has no key comes last in either order. Only
    those `among` some, if told.
    """
    found = _persons(asked.clinician_id)
    key = _key(found, sort)
    descending = order is Order.DESCENDING
    ordered = (
        key.desc().nulls_last() if descending else key.asc().nulls_last(),
        found.c.grant_id.desc() if descending else found.c.grant_id.asc(),
    )
    place = func.row_number().over(order_by=ordered).label("place")
    query = select(found, key.label("key"), place).order_by(*ordered).limit(limit + 1)
    if after_place is not None:
        query = query.where(_follows(key, found.c.grant_id, after_place, descending=descending))
    if statuses:
        query = query.where(found.c.status == any_(literal(sorted(statuses), ARRAY(Text))))
    if open_alerts is not None:
        # Looked up for each person, and not joined with everybody's.
        some = select(Alert.id).where(_is_open(found.c.user_id)).limit(1).scalar_subquery()
        query = query.where(found.c.opens_alerts, some.is_not(None) if open_alerts else some.is_(None))
    if among is not None:
        query = query.where(found.c.user_id == any_(literal(list(among), ARRAY(Uuid))))
    shown = query.cte("shown")
    alerts = _alerts(shown.c.user_id)
    return (
        select(
            *(shown.c[name] for name in (*_OF_GRANT, *_OF_STANDING, "key")),
            _label(asked.clinician_id, shown.c.user_id).label("label"),
            case((shown.c.opens_alerts, alerts.c.number)).label("alerts"),
            case((shown.c.opens_alerts, alerts.c.oldest)).label("oldest_alert"),
        )
        .select_from(shown.join(alerts, true(), isouter=True))
        .order_by(shown.c.place)
        .add_cte(_written(asked, shown, shown.c.place <= limit))
    )


def overview(asked: Asked, *, silent: timedelta) -> Select[*tuple[Any, ...]]:
    """How many persons there are of each kind; whoever has not recorded for so long is silent. One row."""
    counted = select(_persons(asked.clinician_id)).cte("counted")
    alerts = _alerts(counted.c.user_id)
    opened, evaluated = counted.c.opens_trends, counted.c.status.is_not(None)
    recorded = counted.c.last_recorded_at
    some_open = and_(counted.c.opens_alerts, alerts.c.number > 0)

    def those(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(and_(*conditions))

    return (
        select(
            func.count().label("persons"),
            *(those(counted.c.status == status).label(status.value) for status in Status),
            *(those(counted.c.direction == direction).label(direction.value) for direction in Direction),
            those(opened, ~evaluated).label("not_evaluated"),
            those(~opened).label("trends_not_granted"),
            those(opened, evaluated, or_(recorded.is_(None), recorded < after(-silent))).label("silent"),
            those(some_open).label("with_open_alerts"),
            func.coalesce(func.sum(alerts.c.number).filter(some_open), 0).label("open_alerts"),
            func.min(alerts.c.oldest).filter(some_open).label("oldest_alert"),
            those(~counted.c.opens_alerts).label("alerts_not_granted"),
        )
        .select_from(counted.join(alerts, true(), isouter=True))
        .add_cte(_written(asked, counted))
    )


# --- labels ---------------------------------------------------------------------------------------------


def set_label(clinician_id: UUID, person_id: UUID, label: str) -> postgresql.Insert:
    row = postgresql.insert(PatientLabel).values(clinician_id=clinician_id, user_id=person_id, label=label)
    return row.on_conflict_do_update(
        index_elements=["clinician_id", "user_id"],
        set_={"label": row.excluded.label, "updated_at": now()},
    )


def labels(clinician_id: UUID) -> Select[UUID, str]:
    """Whom a clinician calls what."""
    return select(PatientLabel.user_id, PatientLabel.label).where(PatientLabel.clinician_id == clinician_id)


def remove_label(clinician_id: UUID, person_id: UUID) -> Delete:
    return delete(PatientLabel).where(
        PatientLabel.clinician_id == clinician_id, PatientLabel.user_id == person_id
    )


# --- parts ----------------------------------------------------------------------------------------------

_OF_GRANT = ("grant_id", "user_id", "scopes", "expires_at")
_OF_STANDING = ("status", "direction", "seven_day_z", "as_of", "last_recorded_at", "recent")


def _persons(clinician_id: UUID) -> Subquery:
    """A clinician's live grants with where each person stands, as far as the scopes open it."""
    opens_trends = _opens(Scope.TRENDS)
    # A limit keeps this a look into an index for each person: their number decides what it costs, however
    # many others there are.
    standing = select(Standing).where(Standing.user_id == Grant.user_id).limit(1).lateral("standing")
    # A release that knows no `recent` evaluates without it: what was there is of other days then.
    of_standing: dict[str, ColumnElement[Any]] = {name: standing.c[name] for name in _OF_STANDING}
    of_standing["recent"] = case((standing.c.recent_at == standing.c.evaluated_at, standing.c.recent))
    masked = (case((opens_trends, column)).label(name) for name, column in of_standing.items())
    return (
        select(
            Grant.id.label("grant_id"),
            Grant.user_id,
            Grant.scopes,
            Grant.expires_at,
            opens_trends.label("opens_trends"),
            _opens(Scope.ALERTS).label("opens_alerts"),
            *masked,
        )
        .select_from(Grant)
        .join(standing, true(), isouter=True)
        # That it was not revoked is the index's condition.
        .where(Grant.clinician_id == clinician_id, Grant.revoked_at.is_(None), Grant.expires_at > now())
        .subquery("persons")
    )


def _label(clinician_id: UUID, person: ColumnElement[UUID]) -> ScalarSelect[str]:
    """A clinician's word for a person: looked up for each, and not joined with everybody's."""
    own = PatientLabel.clinician_id == clinician_id, PatientLabel.user_id == person
    return select(PatientLabel.label).where(*own).scalar_subquery()


def _opens(scope: Scope) -> ColumnElement[bool]:
    return literal(scope.value) == func.any(Grant.scopes)


def _key(found: FromClause, sort: PatientSort) -> ColumnElement[Any]:
    match sort:
        case PatientSort.STATUS:
            ranks = literal([status.value for status in URGENCY], ARRAY(Text))
            return cast(func.array_position(ranks, found.c.status), SmallInteger)
        case PatientSort.LAST_RECORDED:
            return found.c.last_recorded_at
        case PatientSort.SEVEN_DAY_Z:
            return found.c.seven_day_z


def _follows(
    key: ColumnElement[Any], grant_id: ColumnElement[UUID], place: Place, *, descending: bool
) -> ColumnElement[bool]:
    """Whether a row comes after a place; rows without a key come after all others."""
    later = grant_id < place.grant_id if descending else grant_id > place.grant_id
    if place.key is None:
        return and_(key.is_(None), later)
    beyond = key < place.key if descending else key > place.key
    return or_(beyond, and_(key == place.key, later), key.is_(None))


def _is_open(user_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    return and_(Alert.user_id == user_id, Alert.ended_at.is_(None))


def _alerts(user_id: ColumnElement[UUID]) -> FromClause:
    """How many alerts of a person's are open, and since when the first has been."""
    return (
        select(func.count().label("number"), func.min(Alert.opened_at).label("oldest"))
        .where(_is_open(user_id))
        .lateral("alerts")
    )


def _written(asked: Asked, persons: CTE, shown: ColumnElement[bool] | None = None) -> CTE:
    """Write down that a list was read, and who was in it."""
    whom = [select(persons.c.user_id, persons.c.grant_id)]
    if shown is not None:
        whom[0] = whom[0].where(shown)
    nobody = select(cast(null(), Uuid).label("user_id"), cast(null(), Uuid).label("grant_id"))
    lines = union_all(nobody, *whom).subquery("lines")
    values = {
        "id": func.uuidv7(),
        "at": now(),
        "actor_id": literal(asked.clinician_id, Uuid()),
        "actor_role": literal(ActorRole.CLINICIAN.value),
        "subject_id": lines.c.user_id,
        "grant_id": lines.c.grant_id,
        "action": literal(asked.action),
        "outcome": literal(Outcome.ALLOWED.value),
        "request_id": literal(asked.request_id, Uuid()),
    }
    statement = insert(AccessEvent).from_select(
        list(values), select(*values.values()), include_defaults=False
    )
    return statement.cte("written")
