"""Redeem a code, see what was granted, and end it: at once, from either side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import seals
from mindtrack_gateway.access import Caller
from mindtrack_gateway.consent.schemas import Code, GrantPage, GrantView
from mindtrack_gateway.dependencies import (
    CurrentCaller,
    CurrentClinician,
    Parts,
    PartsDep,
    documented_bearer,
)
from mindtrack_gateway.pages import LINK, PageQuery, lead_on
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import grants, users
from mindtrack_shared.db.fence import Fence, name_code
from mindtrack_shared.db.models import Grant
from mindtrack_shared.domain.grants import code_digest
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

router = APIRouter(prefix="/v1/grants", tags=["consent"], dependencies=[documented_bearer])

#: Whatever is wrong with a code, and whether it ever was one.
NO_SUCH_CODE = "This code opens nothing. Ask for another, if it should."
NO_SUCH_GRANT = "No such grant."


class GrantQuery(PageQuery):
    live: Annotated[bool, Field(description="Only those that open something at the moment.")] = False


@router.post(
    "",
    operation_id="redeemInvitation",
    summary="Redeem a code, as a clinician",
    status_code=HTTPStatus.CREATED,
    responses={
        **documented(MalformedRequestError, NotFoundError, InvalidRequestError, DependencyUnavailableError),
        200: {"model": GrantView, "description": "You have redeemed it before, and the grant is live."},
    },
)
async def redeem(told: Code, response: Response, parts: PartsDep, caller: CurrentClinician) -> GrantView:
    """Turn a person's code into a grant. It takes the place of the one you have of them, if any, as a whole.

    Codes that are wrong, used, expired, withdrawn or your own look alike.
    """
    digest = code_digest(told.code)
    if digest is None:
        raise NotFoundError(NO_SUCH_CODE)
    async with parts.sessions.begin(Fence(clinician=caller.id)) as session:
        await session.execute(name_code(digest))
        row = await _redeem(session, digest, caller.id)
        if row is not None:
            get_logger().info(events.GRANT_GIVEN, grant_id=str(row.id))
            return await _view(parts, row, row.granted_at, caller)
        before = (await session.execute(grants.redeemed(digest, caller.id))).one_or_none()
    if before is None:
        raise NotFoundError(NO_SUCH_CODE)
    response.status_code = HTTPStatus.OK
    return await _view(parts, *before, caller)


async def _redeem(session: AsyncSession, code_sha256: bytes, clinician_id: UUID) -> Grant | None:
    """Use a code up; whoever comes second finds it used."""
    found = (await session.execute(grants.redeem(code_sha256, clinician_id))).one_or_none()
    if found is None:
        return None
    invitation_id, person_id = found
    await session.execute(users.lock(person_id))
    await session.execute(grants.replace(person_id, clinician_id))
    return (await session.scalars(grants.grant(invitation_id))).one()


@router.get(
    "",
    operation_id="listGrants",
    summary="List grants, newest first",
    responses={**documented(InvalidRequestError, DependencyUnavailableError), 200: {"headers": LINK}},
)
async def every(
    request: Request,
    response: Response,
    parts: PartsDep,
    caller: CurrentCaller,
    asked: Annotated[GrantQuery, Query()],
) -> GrantPage:
    """Return a page of those you gave and, as a clinician, of those you were given, also former ones."""
    query = grants.grants(
        person=caller.as_person,
        clinician=caller.as_clinician,
        limit=asked.enough,
        before=asked.before,
        live_only=asked.live,
    )
    async with parts.sessions.begin(caller.fence) as session:
        rows, last = asked.cut((await session.execute(query)).all())
    return GrantPage(
        items=await _views(parts, rows, caller),
        next_cursor=lead_on(request, response, last[0].id if last else None),
    )


@router.delete(
    "/{grant_id}",
    operation_id="revokeGrant",
    summary="Revoke a grant, or give it back",
    responses=documented(NotFoundError, InvalidRequestError, DependencyUnavailableError),
)
async def revoke(grant_id: UUID, parts: PartsDep, caller: CurrentCaller) -> GrantView:
    """End a grant: every request after this answer is refused. Asked again, the end is the same.

    As the person who gave it, or as the clinician who got it.
    """
    sides = {"person": caller.as_person, "clinician": caller.as_clinician}
    async with parts.sessions.begin(caller.fence) as session:
        ended = await session.scalar(grants.revoke(grant_id, **sides))
        found = (await session.execute(grants.one(grant_id, **sides))).one_or_none()
    if found is None:
        raise NotFoundError(NO_SUCH_GRANT)
    if ended is not None:
        get_logger().info(events.GRANT_REVOKED, grant_id=str(grant_id))
    return await _view(parts, *found, caller)


async def _view(parts: Parts, row: Grant, now: datetime, caller: Caller) -> GrantView:
    (view,) = await _views(parts, [(row, now)], caller)
    return view


async def _views(parts: Parts, rows: Iterable[tuple[Grant, datetime]], caller: Caller) -> list[GrantView]:
    found = [*rows]
    purposes = await parts.seals.open_all(
        [(seals.of_invitation(row.user_id, row.invitation_id), row.purpose) for row, _ in found]
    )
    return [
        GrantView.of(row, now, purpose, caller) for (row, now), purpose in zip(found, purposes, strict=True)
    ]
