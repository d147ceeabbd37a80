"""Statements on emergencies. Each builds a query; whoever calls it runs and commits it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ScalarSelect, Uuid, insert, literal, select
from sqlalchemy.sql.dml import ReturningInsert

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import AccessEvent, Emergency
from mindtrack_shared.domain.access_events import ActorRole, Outcome
from mindtrack_shared.domain.emergencies import LASTS
from mindtrack_shared.ids import new_id

#: The operation, in lines of `access_events`.
ACTION = "breakGlass"


def open_for(actor_id: UUID, user_id: UUID, reason: str) -> ReturningInsert[Emergency]:
    """Open a person's data to somebody, from now on."""
    values = {"id": new_id(), "actor_id": actor_id, "user_id": user_id, "reason": reason}
    return insert(Emergency).values(**values, opened_at=now(), expires_at=after(LASTS)).returning(Emergency)


def live(actor_id: UUID, user_id: UUID | None) -> ScalarSelect[UUID]:
    """The last that opens a person's data to somebody, if one does."""
    return (
        select(Emergency.id)
        .where(Emergency.actor_id == actor_id, Emergency.user_id == user_id, Emergency.expires_at > now())
        .order_by(Emergency.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def write_down(
    actor_id: UUID, user_id: UUID | None, emergency_id: UUID | None, *, request_id: UUID | None
) -> ReturningInsert[UUID]:
    """Write down that somebody broke the glass, or tried to where there is nobody."""
    return (
        insert(AccessEvent)
        .values(
            id=new_id(),
            at=now(),
            actor_id=actor_id,
            actor_role=ActorRole.EMERGENCY,
            subject_id=user_id,
            emergency_id=emergency_id,
            action=ACTION,
            outcome=Outcome.REFUSED if emergency_id is None else Outcome.ALLOWED,
            request_id=literal(request_id, Uuid()),
        )
        .returning(AccessEvent.id)
    )
