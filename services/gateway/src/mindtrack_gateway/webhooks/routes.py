"""Register webhooks, look after them, and see what became of deliveries."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.dependencies import CurrentSubscriber, Parts, PartsDep, documented_bearer
from mindtrack_gateway.pages import PageQuery, lead_on
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    TooManyWebhooksError,
    WebhookDisabledError,
    documented,
)
from mindtrack_gateway.webhooks.schemas import (
    CreatedWebhook,
    DeliveryPage,
    DeliveryView,
    NewWebhook,
    SecretView,
    WebhookChange,
    WebhookList,
    WebhookView,
)
from mindtrack_shared.db import users, webhooks
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import WebhookDelivery, WebhookEndpoint
from mindtrack_shared.domain.webhooks import SECRET_BYTES, DeliveryState, WebhookStatus
from mindtrack_shared.ids import new_id
from mindtrack_shared.outbound import ForbiddenTargetError

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], dependencies=[documented_bearer])

#: Endpoints that one person may have.
MOST_WEBHOOKS = 10

OF_ONE = documented(NotFoundError, InvalidRequestError, DependencyUnavailableError)
CHANGING = {**OF_ONE, **documented(MalformedRequestError)}
SENDING = {**OF_ONE, **documented(WebhookDisabledError)}


class DeliveryQuery(PageQuery):
    state: DeliveryState | None = None


async def owned_webhook(
    session: AsyncSession, webhook_id: UUID, user_id: UUID, *, lock: bool = False
) -> WebhookEndpoint:
    """Load an endpoint for its owner.

    Raises:
        NotFoundError: it is somebody else's, or nobody's; the answer does not tell which.

    """
    row = await session.scalar(webhooks.owned(webhook_id, user_id, lock=lock))
    if row is None:
        raise NotFoundError("No such webhook.")
    return row


@router.post(
    "",
    operation_id="createWebhook",
    summary="Be told when your jobs end, or an alert opens or ends",
    status_code=HTTPStatus.CREATED,
    responses=documented(
        MalformedRequestError, InvalidRequestError, TooManyWebhooksError, DependencyUnavailableError
    ),
)
async def create(
    wanted: NewWebhook, response: Response, parts: PartsDep, user_id: CurrentSubscriber
) -> CreatedWebhook:
    """Register an endpoint. The answer holds its secret, which is never shown again."""
    await _check(parts, wanted.url)
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await session.execute(users.lock(user_id))
        if (await session.scalar(webhooks.count(user_id)) or 0) >= MOST_WEBHOOKS:
            raise TooManyWebhooksError(f"You have {MOST_WEBHOOKS} webhooks; delete one first.")
        row = WebhookEndpoint(
            user_id=user_id, secret=secrets.token_bytes(SECRET_BYTES), **wanted.model_dump()
        )
        session.add(row)
        await session.flush()
        await session.refresh(row)
        view = CreatedWebhook.with_secret(row)
    response.headers["Location"] = f"/v1/webhooks/{view.id}"
    return view


@router.get("", operation_id="listWebhooks", summary="List your webhooks", responses=documented())
async def every(parts: PartsDep, user_id: CurrentSubscriber) -> WebhookList:
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        rows = await session.scalars(webhooks.endpoints(user_id))
        return WebhookList(items=[WebhookView.of(row) for row in rows])


@router.get("/{webhook_id}", operation_id="getWebhook", summary="Look at a webhook", responses=OF_ONE)
async def get(webhook_id: UUID, parts: PartsDep, user_id: CurrentSubscriber) -> WebhookView:
    """Return an endpoint, and why it is disabled if it is."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        return WebhookView.of(await owned_webhook(session, webhook_id, user_id))


@router.patch("/{webhook_id}", operation_id="changeWebhook", summary="Change a webhook", responses=CHANGING)
async def change(
    webhook_id: UUID, wanted: WebhookChange, parts: PartsDep, user_id: CurrentSubscriber
) -> WebhookView:
    values = wanted.values()
    if "url" in values:
        async with parts.sessions.begin(Fence.own(user_id)) as session:
            await owned_webhook(session, webhook_id, user_id)
        await _check(parts, wanted.url)
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        row = await owned_webhook(session, webhook_id, user_id, lock=True)
        if values:
            await session.execute(webhooks.change(webhook_id, **values))
        if values.get("status") is WebhookStatus.DISABLED:
            await session.execute(webhooks.give_up_pending(webhook_id))
        await session.refresh(row)
        return WebhookView.of(row)


@router.delete(
    "/{webhook_id}",
    operation_id="deleteWebhook",
    summary="Delete a webhook and its deliveries",
    status_code=HTTPStatus.NO_CONTENT,
    responses=OF_ONE,
)
async def delete(webhook_id: UUID, parts: PartsDep, user_id: CurrentSubscriber) -> None:
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await owned_webhook(session, webhook_id, user_id, lock=True)
        await session.execute(webhooks.remove(webhook_id))


@router.post(
    "/{webhook_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Get a new secret",
    responses=OF_ONE,
)
async def rotate_secret(webhook_id: UUID, parts: PartsDep, user_id: CurrentSubscriber) -> SecretView:
    """Replace the secret. For 24 hours messages carry signatures by both, so that you can change over."""
    secret = secrets.token_bytes(SECRET_BYTES)
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await owned_webhook(session, webhook_id, user_id, lock=True)
        expires_at = await session.scalar(webhooks.rotate(webhook_id, secret))
    return SecretView.of_secret(secret, expires_at)


@router.post(
    "/{webhook_id}/ping",
    operation_id="pingWebhook",
    summary="Try a webhook out",
    status_code=HTTPStatus.ACCEPTED,
    responses=SENDING,
)
async def ping(webhook_id: UUID, parts: PartsDep, user_id: CurrentSubscriber) -> DeliveryView:
    """Send a `ping` on the way of all messages; the deliveries tell what came of it."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await _enabled(session, webhook_id, user_id)
        delivery_id = new_id()
        await session.execute(webhooks.ping(delivery_id, webhook_id, user_id))
        await session.execute(webhooks.announce())
        return DeliveryView.of(await _delivery(session, delivery_id, webhook_id))


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List a webhook's deliveries, newest first",
    responses=OF_ONE,
)
async def deliveries(  # noqa: PLR0913, PLR0917 - what a page is asked by
    webhook_id: UUID,
    request: Request,
    response: Response,
    parts: PartsDep,
    user_id: CurrentSubscriber,
    asked: Annotated[DeliveryQuery, Query()],
) -> DeliveryPage:
    """Return deliveries with each attempt: when, how long, and the status or why there was none."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await owned_webhook(session, webhook_id, user_id)
        query = webhooks.deliveries(webhook_id, before=asked.before, limit=asked.enough, state=asked.state)
        rows, last = asked.cut((await session.scalars(query)).all())
        items = [DeliveryView.of(row) for row in rows]
    return DeliveryPage(items=items, next_cursor=lead_on(request, response, last.id if last else None))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    operation_id="redeliverWebhook",
    summary="Send a message again",
    status_code=HTTPStatus.ACCEPTED,
    responses=SENDING,
)
async def redeliver(
    webhook_id: UUID, delivery_id: UUID, parts: PartsDep, user_id: CurrentSubscriber
) -> DeliveryView:
    """Send the same message again, with the same `webhook-id` and all its attempts before it."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await _enabled(session, webhook_id, user_id)
        await _delivery(session, delivery_id, webhook_id)
        await session.execute(webhooks.redeliver(delivery_id))
        await session.execute(webhooks.announce())
        session.expire_all()
        return DeliveryView.of(await _delivery(session, delivery_id, webhook_id))


async def _check(parts: Parts, url: str) -> None:
    """Refuse a URL to which we do not send.

    Raises:
        InvalidRequestError: says why.

    """
    try:
        await parts.guard.addresses(url)
    except ForbiddenTargetError as error:
        raise InvalidRequestError.about("body.url", str(error)) from error


async def _enabled(session: AsyncSession, webhook_id: UUID, user_id: UUID) -> None:
    """Lock an endpoint to which something is to be sent.

    Raises:
        NotFoundError: as for `owned_webhook`.
        WebhookDisabledError: nothing is sent to it.

    """
    row = await owned_webhook(session, webhook_id, user_id, lock=True)
    if row.status is not WebhookStatus.ENABLED:
        raise WebhookDisabledError("Enable the webhook first.")


async def _delivery(session: AsyncSession, delivery_id: UUID, webhook_id: UUID) -> WebhookDelivery:
    row = await session.scalar(webhooks.delivery(delivery_id, webhook_id))
    if row is None:
        raise NotFoundError("No such delivery.")
    return row
