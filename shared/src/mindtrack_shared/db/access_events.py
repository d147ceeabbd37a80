"""Statements on accesses: to decide on one and write it down is one statement, so that neither is without
the other.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, Uuid, and_, case, false, func, insert, literal, null, or_, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.expression import cast

from mindtrack_shared.db import emergencies
from mindtrack_shared.db.clock import now
from mindtrack_shared.db.models import AccessEvent, Emergency, Grant, User
from mindtrack_shared.domain.access_events import ActorRole, Outcome
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.ids import new_id

_Former = aliased(Grant)


def decide(  # noqa: PLR0913 - who, as what, whose, what, and how it is called
    actor_id: UUID,
    person_id: UUID | None,
    scope: Scope | None,
    *,
    by: Collection[ActorRole],
    action: str,
    request_id: UUID | None,
) -> ReturningInsert[str]:
    """Look up what opens it, and write down what was asked for and what came of it.

    A clinician is allowed what a live grant with the scope opens, by the database's clock; without a scope,
    what any live grant does. In an emergency, everything is open to who broke the glass; to whoever is
    neither, nothing is. What is refused names the last grant between both, if there ever was one, and the
    person only if there is one.
    """
    former = (
        select(_Former.id)
        .where(_Former.clinician_id == actor_id, _Former.user_id == person_id)
        .order_by(_Former.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    emergency = emergencies.live(actor_id, person_id) if ActorRole.EMERGENCY in by else cast(null(), Uuid())
    granting = ActorRole.CLINICIAN in by
    # That it was not revoked is the join's: so all that is asked for is in the index.
    opens = Grant.expires_at > now() if granting else false()
    if granting and scope is not None:
        opens = and_(opens, literal(scope.value) == func.any(Grant.scopes))
    broken = emergency.is_not(None)
    once = select(literal(1)).subquery()
    others = (role for role in (ActorRole.CLINICIAN, ActorRole.EMERGENCY) if role in by)
    asked_as = next(others, ActorRole.SELF)
    values = {
        "id": literal(new_id()),
        "at": now(),
        "actor_id": literal(actor_id),
        "actor_role": case(
            (opens, ActorRole.CLINICIAN.value), (broken, ActorRole.EMERGENCY.value), else_=asked_as.value
        ),
        "subject_id": User.id,
        "grant_id": case((opens, Grant.id), (broken, null()), else_=func.coalesce(Grant.id, former)),
        "emergency_id": case((opens, null()), else_=emergency),
        "action": literal(action),
        "outcome": case((or_(opens, broken), Outcome.ALLOWED.value), else_=Outcome.REFUSED.value),
        "request_id": literal(request_id, Uuid()),
    }
    current = and_(Grant.clinician_id == actor_id, Grant.user_id == person_id, Grant.revoked_at.is_(None))
    chosen = (
        select(*values.values())
        .select_from(once)
        .join(User, User.id == person_id, isouter=True)
        .join(Grant, current, isouter=True)
    )
    return (
        insert(AccessEvent)
        .from_select(list(values), chosen, include_defaults=False)
        .returning(AccessEvent.outcome)
    )


def own(actor_id: UUID, *, action: str, request_id: UUID | None) -> AccessEvent:
    """Write down that somebody changes, or takes out, what is their own."""
    return AccessEvent(
        actor_id=actor_id,
        actor_role=ActorRole.SELF,
        subject_id=actor_id,
        action=action,
        outcome=Outcome.ALLOWED,
        request_id=request_id,
    )


def told(subject_id: UUID, *, limit: int, before: UUID | None = None) -> Select[AccessEvent, str | None]:
    """What a person is told, newest first: by those who have, or had, a grant of theirs, or broke the glass,
    and for which reason.
    """
    query = (
        select(AccessEvent, Emergency.reason)
        .join(Emergency, Emergency.id == AccessEvent.emergency_id, isouter=True)
        .where(
            AccessEvent.subject_id == subject_id,
            or_(AccessEvent.grant_id.is_not(None), AccessEvent.emergency_id.is_not(None)),
        )
        .order_by(AccessEvent.id.desc())
        .limit(limit)
    )
    return query if before is None else query.where(AccessEvent.id < before)
