"""Erase all that there is about oneself."""

from __future__ import annotations

from fastapi import APIRouter, Response

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import CurrentUser, PartsDep, documented_bearer
from mindtrack_gateway.erasure import erasing
from mindtrack_gateway.erasure.schemas import Confirmation, ErasureView
from mindtrack_gateway.problems import DependencyUnavailableError, InvalidRequestError, documented
from mindtrack_shared.db import deletion
from mindtrack_shared.db.fence import Fence

router = APIRouter(prefix="/v1/users", tags=["users"], dependencies=[documented_bearer])


@router.delete(
    "/me",
    operation_id="eraseEverything",
    summary="Erase everything about you",
    responses=documented(InvalidRequestError, DependencyUnavailableError),
)
async def erase(
    _confirmation: Confirmation, response: Response, parts: PartsDep, user_id: CurrentUser
) -> ErasureView:
    """Erase your recordings and all that followed from them, your settings, your grants and notes about you.

    Grants end first. There is no way back. Ask again if the answer was lost or an error: it goes on where it
    stopped, and what is erased already has the receipt that it had. What you wrote about others as a
    clinician stays, and so does who read what of you, and when you sent, deleted or took out something: ids
    and operations, none of what it said.
    """
    row = await erasing.erase(parts, user_id)
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        audio_left = await session.scalar(deletion.count_unburied(user_id))
    response.headers.update(access.CACHING)
    return ErasureView.of(row, audio_left=audio_left or 0)
