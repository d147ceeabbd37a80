"""Statements on accesses: to decide on one and write it down is one statement, so that neither is without
the other.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, Uuid, and_, case, func, insert, literal, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningInsert

from mindtrack_shared.db.clock import now
from mindtrack_shared.db.models import AccessEvent, Grant, User
from mindtrack_shared.domain.access_events import ActorRole, Outcome
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.ids import new_id

_Former = aliased(Grant)


def decide(
    clinician_id: UUID,
    person_id: UUID | None,
    scope: Scope | None,
    *,
    action: str,
    request_id: UUID | None,
) -> ReturningInsert[str]:
    """Look the grant up, and write down what was asked for and what came of it.

    Allowed is what a live grant with the scope opens, by the database's clock; without one, what any live
    grant does. What is refused names the last grant between both, if there ever was one, and the person only
    if there is one.
    """
    former = (
        select(_Former.id)
        .where(_Former.clinician_id == clinician_id, _Former.user_id == person_id)
        .order_by(_Former.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    # That it was not revoked is the join's: so all that is asked for is in the index.
    opens = Grant.expires_at > now()
    if scope is not None:
        opens = and_(opens, literal(scope.value) == func.any(Grant.scopes))
    once = select(literal(1)).subquery()
    values = {
        "id": literal(new_id()),
        "at": now(),
        "actor_id": literal(clinician_id),
        "actor_role": literal(ActorRole.CLINICIAN.value),
        "subject_id": User.id,
        "grant_id": func.coalesce(Grant.id, former),
        "action": literal(action),
        "outcome": case((opens, Outcome.ALLOWED.value), else_=Outcome.REFUSED.value),
        "request_id": literal(request_id, Uuid()),
    }
    current = and_(Grant.clinician_id == clinician_id, Grant.user_id == person_id, Grant.revoked_at.is_(None))
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


def told(subject_id: UUID, *, limit: int, before: UUID | None = None) -> Select[AccessEvent]:
    """What a person is told, newest first: by those who have, or had, a grant of theirs."""
    query = (
        select(AccessEvent)
        .where(AccessEvent.subject_id == subject_id, AccessEvent.grant_id.is_not(None))
        .order_by(AccessEvent.id.desc())
        .limit(limit)
    )
    return query if before is None else query.where(AccessEvent.id < before)
