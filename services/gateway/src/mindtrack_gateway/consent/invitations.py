"""Invite a clinician: what the grant will open, and a code to tell them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response

from mindtrack_gateway import access, seals
from mindtrack_gateway.consent.schemas import CreatedInvitation, InvitationPage, InvitationView, NewInvitation
from mindtrack_gateway.dependencies import CurrentUser, Parts, PartsDep, documented_bearer
from mindtrack_gateway.pages import LINK, PageQuery, lead_on
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    InvitationRedeemedError,
    MalformedRequestError,
    NotFoundError,
    TooManyInvitationsError,
    UseContextProhibitedError,
    documented,
)
from mindtrack_shared.db import grants, users
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import Invitation
from mindtrack_shared.domain.grants import InvitationState, code_digest, new_code
from mindtrack_shared.ids import new_id

router = APIRouter(prefix="/v1/invitations", tags=["consent"], dependencies=[documented_bearer])

#: Open ones that one person may have.
MOST_INVITATIONS = 20

ASKED: dict[str, Any] = {
    "clinician": {
        "value": {
            "scopes": ["trends", "analyses"],
            "purpose": "Weekly sessions with Dr. Nightingale",
            "use_context": "healthcare",
            "grant_days": 90,
        }
    }
}


@router.post(
    "",
    operation_id="createInvitation",
    summary="Invite a clinician",
    status_code=HTTPStatus.CREATED,
    responses=documented(
        MalformedRequestError,
        TooManyInvitationsError,
        InvalidRequestError,
        UseContextProhibitedError,
        DependencyUnavailableError,
    ),
)
async def create(
    wanted: Annotated[NewInvitation, Body(openapi_examples=ASKED)],
    response: Response,
    parts: PartsDep,
    user_id: CurrentUser,
) -> CreatedInvitation:
    """Make a code that a clinician can redeem once. It is never shown again; nobody else is told."""
    if wanted.use_context.prohibition is not None:
        raise UseContextProhibitedError(wanted.use_context.prohibition)
    code = new_code()
    digest = code_digest(code)
    assert digest is not None  # noqa: S101 - it is a code
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await session.execute(users.lock(user_id))
        if (await session.scalar(grants.count_open(user_id)) or 0) >= MOST_INVITATIONS:
            raise TooManyInvitationsError(
                f"You have {MOST_INVITATIONS} open invitations; withdraw one first."
            )
        invitation_id = new_id()
        place = seals.of_invitation(user_id, invitation_id)
        said = wanted.model_dump() | {"purpose": await parts.seals.seal(session, place, wanted.purpose)}
        row = (await session.scalars(grants.invite(invitation_id, user_id, digest, **said))).one()
    response.headers.update(access.CACHING)
    return CreatedInvitation.of(row, row.created_at, wanted.purpose, code=code)


@router.get(
    "",
    operation_id="listInvitations",
    summary="List your invitations, newest first",
    responses={**documented(InvalidRequestError, DependencyUnavailableError), 200: {"headers": LINK}},
)
async def every(
    request: Request,
    response: Response,
    parts: PartsDep,
    user_id: CurrentUser,
    asked: Annotated[PageQuery, Query()],
) -> InvitationPage:
    """Return a page of invitations, with what became of each; their codes are not known any more."""
    query = grants.invitations(user_id, limit=asked.enough, before=asked.before)
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        rows, last = asked.cut((await session.execute(query)).all())
    return InvitationPage(
        items=await _views(parts, rows),
        next_cursor=lead_on(request, response, last[0].id if last else None),
    )


@router.delete(
    "/{invitation_id}",
    operation_id="withdrawInvitation",
    summary="Withdraw an invitation",
    responses=documented(
        NotFoundError, InvitationRedeemedError, InvalidRequestError, DependencyUnavailableError
    ),
)
async def withdraw(invitation_id: UUID, parts: PartsDep, user_id: CurrentUser) -> InvitationView:
    """Make a code worthless. One that was redeemed is a grant by now: revoke that."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await session.execute(grants.withdraw(invitation_id, user_id))
        found = (await session.execute(grants.invitation(invitation_id, user_id))).one_or_none()
    if found is None:
        raise NotFoundError("No such invitation.")
    view = await _view(parts, *found)
    if view.state is InvitationState.REDEEMED:
        raise InvitationRedeemedError("It has become a grant. Revoke that: `DELETE /v1/grants/{grant_id}`.")
    return view


async def _view(parts: Parts, row: Invitation, now: datetime) -> InvitationView:
    (view,) = await _views(parts, [(row, now)])
    return view


async def _views(parts: Parts, rows: Iterable[tuple[Invitation, datetime]]) -> list[InvitationView]:
    found = [*rows]
    purposes = await parts.seals.open_all(
        [(seals.of_invitation(row.user_id, row.id), row.purpose) for row, _ in found]
    )
    return [InvitationView.of(row, now, purpose) for (row, now), purpose in zip(found, purposes, strict=True)]
