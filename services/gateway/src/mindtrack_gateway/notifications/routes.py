"""Say whether, when and where to be notified of alerts. Until somebody does, nobody is."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.dependencies import CurrentUser, Parts, PartsDep, documented_bearer
from mindtrack_gateway.notifications.schemas import NotificationsView, NotificationWishes, TestList, TestView
from mindtrack_gateway.problems import (
    ChannelNotOfferedError,
    DependencyUnavailableError,
    InvalidRequestError,
    MalformedRequestError,
    NoAddressesError,
    TooManyRequestsError,
    documented,
)
from mindtrack_shared.db import notifications, users
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import NotificationPreferences
from mindtrack_shared.domain.notifications import Channel, Occasion

router = APIRouter(prefix="/v1/users/me/notifications", tags=["alerts"], dependencies=[documented_bearer])

WISHES: dict[str, Any] = {
    "e-mail": {
        "value": {
            "enabled": True,
            "addresses": [{"channel": "email", "address": "ada@example.org"}],
            "quiet_hours": {"begin": "21:00", "end": "08:00"},
        }
    },
    "off": {"value": {"enabled": False}},
}


@router.get(
    "",
    operation_id="getNotifications",
    summary="Read where you are notified",
    responses=documented(DependencyUnavailableError),
)
async def get(parts: PartsDep, user_id: CurrentUser) -> NotificationsView:
    """Return what you want, and by which channels this installation can notify you."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        return await _view(session, parts, user_id)


@router.put(
    "",
    operation_id="setNotifications",
    summary="Say where to be notified, or not to be",
    responses=documented(
        MalformedRequestError, InvalidRequestError, ChannelNotOfferedError, DependencyUnavailableError
    ),
)
async def put(
    wishes: Annotated[NotificationWishes, Body(openapi_examples=WISHES)],
    parts: PartsDep,
    user_id: CurrentUser,
) -> NotificationsView:
    """Replace all of what you want. With `enabled: false`, what waits to be sent is withheld."""
    _require_offered(parts, wishes)
    begin, end = wishes.quiet_hours.times
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await session.execute(
            notifications.prefer(
                user_id,
                enabled=wishes.enabled,
                quiet_begin=begin,
                quiet_end=end,
                time_zone=wishes.time_zone,
            )
        )
        await session.execute(notifications.drop_addresses(user_id, but=wishes.each))
        for channel, address in wishes.each:
            await session.execute(notifications.add_address(user_id, channel, address))
        if not wishes.enabled:
            await session.execute(notifications.withhold(user_id))
        return await _view(session, parts, user_id)


@router.post(
    "/test",
    operation_id="testNotifications",
    summary="Try your addresses out",
    status_code=HTTPStatus.ACCEPTED,
    responses=documented(NoAddressesError, DependencyUnavailableError),
)
async def test(parts: PartsDep, user_id: CurrentUser) -> TestList:
    """Send a message to each of your addresses, quiet hours or not; every ten minutes at most."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await session.execute(users.lock(user_id))
        seconds = await session.scalar(notifications.tested(user_id))
        if seconds is not None:
            raise TooManyRequestsError("You tried them out a moment ago.", seconds=math.ceil(seconds))
        row = await _preferences(session, user_id)
        if row is None or not row.addresses:
            raise NoAddressesError("Say first where to be notified: `PUT /v1/users/me/notifications`.")
        await session.execute(notifications.note_tested(user_id))
        queued = []
        for address in row.addresses:
            message = notifications.queue(address, Occasion.TEST, alert_id=None, not_before=None)
            sent: UUID | None = await session.scalar(message)
            if sent is not None:
                queued.append(TestView(id=sent, channel=Channel(address.channel), address=address.address))
        await session.execute(notifications.announce())
    return TestList(items=queued)


def _require_offered(parts: Parts, wishes: NotificationWishes) -> None:
    missing = [channel for channel, _ in wishes.each if channel not in parts.channels]
    if missing:
        offered = ", ".join(f"`{channel}`" for channel in parts.channels) or "none"
        raise ChannelNotOfferedError(f"Nobody is notified by `{missing[0]}` here; channels: {offered}.")


async def _preferences(session: AsyncSession, user_id: UUID) -> NotificationPreferences | None:
    return await session.scalar(notifications.preferences(user_id))


async def _view(session: AsyncSession, parts: Parts, user_id: UUID) -> NotificationsView:
    return NotificationsView.of(await _preferences(session, user_id), parts.channels)
