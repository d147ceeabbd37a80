"""See who read what is yours."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from mindtrack_gateway.consent.schemas import AccessPage, AccessView
from mindtrack_gateway.dependencies import CurrentUser, PartsDep, documented_bearer
from mindtrack_gateway.pages import LINK, PageQuery, lead_on
from mindtrack_gateway.problems import DependencyUnavailableError, InvalidRequestError, documented
from mindtrack_shared.db import access_events
from mindtrack_shared.db.fence import Fence

router = APIRouter(prefix="/v1/users/me/accesses", tags=["consent"], dependencies=[documented_bearer])


@router.get(
    "",
    operation_id="listAccesses",
    summary="List who read what of yours, newest first",
    responses={**documented(InvalidRequestError, DependencyUnavailableError), 200: {"headers": LINK}},
)
async def every(
    request: Request,
    response: Response,
    parts: PartsDep,
    user_id: CurrentUser,
    asked: Annotated[PageQuery, Query()],
) -> AccessPage:
    """Return a page of what others read of you, or tried to: by a grant, after one, in an emergency."""
    query = access_events.told(user_id, limit=asked.enough, before=asked.before)
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        rows, last = asked.cut((await session.execute(query)).all())
    return AccessPage(
        items=[AccessView.of(row, reason) for row, reason in rows],
        next_cursor=lead_on(request, response, last[0].id if last else None),
    )
