"""Read a person's alerts, and say that one was seen."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import access
from mindtrack_gateway.access import Caller
from mindtrack_gateway.alerts.schemas import AlertPage, AlertView
from mindtrack_gateway.dependencies import CurrentCaller, CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.pages import LINK, PageQuery, lead_on
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import alerts
from mindtrack_shared.db.models import Alert
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.trends import Reader
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

router = APIRouter(prefix="/v1/users", tags=["alerts"], dependencies=[documented_bearer])

NO_SUCH_ALERT = "No such alert."
OF_ONE = documented(NotFoundError, InvalidRequestError, DependencyUnavailableError)

Whose = UUID | Literal["me"]


class AlertQuery(PageQuery):
    is_open: Annotated[
        bool | None, Field(alias="open", description="Those only that last, or that have ended.")
    ] = None


@router.get(
    "/{user_id}/alerts",
    operation_id="listAlerts",
    summary="List alerts, newest first",
    responses={**OF_ONE, 200: {"headers": LINK}},
)
async def every(  # noqa: PLR0913, PLR0917 - what a page is asked by
    user_id: Whose,
    request: Request,
    response: Response,
    parts: PartsDep,
    caller: CurrentReader,
    asked: Annotated[AlertQuery, Query()],
) -> AlertPage:
    """Return each with why it opened. At most one of a measure is open at a time.

    Of yourself, or as a clinician of who granted you `alerts`.
    """
    person = caller.named(user_id)
    query = alerts.listed(person, limit=asked.enough, before=asked.before, is_open=asked.is_open)
    async with access.reading(parts, caller, person, Scope.ALERTS, action="listAlerts") as session:
        rows, last = asked.cut((await session.scalars(query)).all())
    response.headers.update(access.CACHING)
    reader = _reader(caller, person)
    return AlertPage(
        items=[AlertView.of(row, reader) for row in rows],
        next_cursor=lead_on(request, response, last.id if last else None),
    )


@router.get(
    "/{user_id}/alerts/{alert_id}", operation_id="getAlert", summary="Look at an alert", responses=OF_ONE
)
async def get(
    user_id: Whose, alert_id: UUID, response: Response, parts: PartsDep, caller: CurrentReader
) -> AlertView:
    """Return an alert, such as one that a webhook told of. Whose may be read: as for the list."""
    person = caller.named(user_id)
    async with access.reading(
        parts, caller, person, Scope.ALERTS, action="getAlert", absent=NO_SUCH_ALERT
    ) as session:
        row = await _one(session, alert_id, person)
    response.headers.update(access.CACHING)
    return AlertView.of(row, _reader(caller, person))


@router.post(
    "/{user_id}/alerts/{alert_id}/acknowledge",
    operation_id="acknowledgeAlert",
    summary="Say that an alert was seen",
    responses=OF_ONE,
)
async def acknowledge(
    user_id: Whose, alert_id: UUID, response: Response, parts: PartsDep, caller: CurrentCaller
) -> AlertView:
    """Note who saw it first, and when; it changes nothing else. Asked again, the answer is the same.

    Of yourself, or as a clinician of who granted you `alerts`. Who saw their own is not notified any more.
    """
    person = caller.named(user_id)
    async with access.reading(
        parts,
        caller,
        person,
        Scope.ALERTS,
        action="acknowledgeAlert",
        absent=NO_SUCH_ALERT,
        changes=True,
    ) as session:
        first = await session.scalar(alerts.acknowledge(alert_id, person, caller.id))
        if first is not None:
            await session.execute(alerts.note(alert_id, AlertEventKind.ACKNOWLEDGED, actor=caller.id))
            if person == caller.as_person:
                access.note_own(session, person, action="acknowledgeAlert")
        row = await _one(session, alert_id, person)
        view = AlertView.of(row, _reader(caller, person))
    if first is not None:
        get_logger().info(events.ALERT_ACKNOWLEDGED, alert_id=str(alert_id))
    response.headers.update(access.CACHING)
    return view


async def _one(session: AsyncSession, alert_id: UUID, person: UUID) -> Alert:
    row = await session.scalar(alerts.one(alert_id, person))
    if row is None:
        raise NotFoundError(NO_SUCH_ALERT)
    return row


def _reader(caller: Caller, person: UUID) -> Reader:
    return Reader.PERSON if person == caller.as_person else Reader.CLINICIAN
