"""Open one person's data in an emergency."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import CurrentEmergency, PartsDep, documented_bearer
from mindtrack_gateway.metrics import EMERGENCIES
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import emergencies, notifications, users
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import Emergency
from mindtrack_shared.domain.emergencies import LONGEST_REASON, SHORTEST_REASON
from mindtrack_shared.domain.notifications import Occasion
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

router = APIRouter(prefix="/v1/break-glass", tags=["consent"], dependencies=[documented_bearer])


class Glass(BaseModel):
    """Whose data, and why."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID
    reason: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True,
            min_length=SHORTEST_REASON,
            max_length=LONGEST_REASON,
            pattern=r"^[^\x00-\x1f\x7f-\x9f]*$",
        ),
        Field(
            description="Why it cannot wait for the person's grant. The person is told, word for word; it "
            "is kept for as long as who read what."
        ),
    ]


class EmergencyView(BaseModel):
    """That a person's data is open to you."""

    id: UUID
    user_id: UUID
    reason: str
    opened_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, row: Emergency) -> Self:
        return cls(
            id=row.id,
            user_id=row.user_id,
            reason=row.reason,
            opened_at=row.opened_at,
            expires_at=row.expires_at,
        )


@router.post(
    "",
    operation_id="breakGlass",
    summary="Open one person's data without a grant, in an emergency",
    status_code=HTTPStatus.CREATED,
    responses=documented(ForbiddenError, NotFoundError, InvalidRequestError, DependencyUnavailableError),
)
async def open_one(
    glass: Glass, response: Response, parts: PartsDep, caller: CurrentEmergency
) -> EmergencyView:
    """Open all that a person's grants could open to you, for an hour: to read, and to change nothing.

    It is written down with your reason, operators are alerted at once, and the person is told: in their list
    of who read what, and by a message when it is over, if they asked for messages.
    """
    # For the person, too: where to send word is theirs, and nothing of it is told here.
    async with parts.sessions.begin(
        Fence(people=(glass.user_id,), clinician=caller.id, about=glass.user_id)
    ) as session:
        held = glass.user_id != caller.id and await session.scalar(users.hold(glass.user_id)) is not None
        opened = None
        if held:
            opened = await session.scalar(emergencies.open_for(caller.id, glass.user_id, glass.reason))
        line = emergencies.write_down(
            caller.id,
            glass.user_id if held else None,
            opened.id if opened else None,
            request_id=access.request_id(),
        )
        await session.execute(line)
        if opened is not None:
            await _tell(session, opened)
    EMERGENCIES.inc()
    if opened is None:
        raise NotFoundError(access.NO_SUCH_PERSON)
    get_logger().warning(
        events.GLASS_BROKEN,
        emergency_id=str(opened.id),
        actor_id=str(caller.id),
        user_id=str(opened.user_id),
    )
    response.headers.update(access.CACHING)
    return EmergencyView.of(opened)


async def _tell(session: AsyncSession, opened: Emergency) -> None:
    """Queue a message to whoever asked for messages, for when it is over."""
    for _, address, _ in (await session.execute(notifications.wanted(opened.user_id))).all():
        later = notifications.queue(address, Occasion.EMERGENCY, alert_id=None, not_before=opened.expires_at)
        await session.execute(later)
