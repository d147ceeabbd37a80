"""Statements on webhooks. Each function builds a query; whoever calls it runs and commits it.

Whoever locks both takes the endpoint before its deliveries. Every time is the database's. A write about an
attempt carries the number that its claim gave: after another claim, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Double,
    Select,
    Text,
    Update,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import selectinload
from sqlalchemy.sql import TextClause
from sqlalchemy.sql.dml import Insert, ReturningInsert, ReturningUpdate
from sqlalchemy.sql.expression import cast

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import Job, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from mindtrack_shared.db.models.webhooks import delivery_state
from mindtrack_shared.domain.jobs import TERMINAL
from mindtrack_shared.domain.webhooks import (
    FAILING_AT_MOST,
    ROTATION,
    AttemptError,
    DeliveryState,
    DisabledReason,
    WebhookEvent,
    WebhookStatus,
)

#: Channel on which a committed delivery announces itself to the deliverers.
DUE_CHANNEL = "mindtrack_webhook_due"

#: `mindtrack_shared.ids.new_id`, made by the database: 48 bits of milliseconds, then chance (RFC 9562).
_NEW_ID: ColumnElement[Any] = literal_column(
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing"
    " substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)"
    " from 1 for 6), 52, 1), 53, 1), 'hex')::uuid"
)


def _pending() -> ColumnElement[bool]:
    """Compare with a literal, not a parameter: only then can a cached plan use the partial index."""
    return WebhookDelivery.state == literal(DeliveryState.PENDING, delivery_state, literal_execute=True)


def _free() -> ColumnElement[bool]:
    return or_(WebhookDelivery.lease_expires_at.is_(None), WebhookDelivery.lease_expires_at < now())


def _due() -> ColumnElement[bool]:
    return and_(_pending(), WebhookDelivery.next_attempt_at <= now(), _free())


def _enabled() -> ColumnElement[bool]:
    return WebhookEndpoint.status == WebhookStatus.ENABLED


# --- telling --------------------------------------------------------------------------------------------


def tell_ends(job_ids: Collection[UUID]) -> ReturningInsert[UUID]:
    """Queue deliveries about jobs, in the transaction that ended them; `announce` if there are any.

    An endpoint that is being changed is waited for: what is inserted here is delivered, or given up with it.
    """
    event = literal("job.", Text) + cast(Job.status, Text)
    wanted = (
        select(
            _NEW_ID,
            WebhookEndpoint.id,
            Job.user_id,
            Job.id,
            event,
            now(),
            now(),
        )
        .join(WebhookEndpoint, WebhookEndpoint.user_id == Job.user_id)
        .where(
            Job.id.in_(job_ids),
            Job.status.in_(TERMINAL),
            _enabled(),
            event == func.any(WebhookEndpoint.events),
        )
        .with_for_update(read=True, of=WebhookEndpoint)
    )
    columns = ["id", "endpoint_id", "user_id", "job_id", "event", "next_attempt_at", "created_at"]
    return (
        upsert(WebhookDelivery)
        .from_select(columns, wanted, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["job_id", "endpoint_id"])
        .returning(WebhookDelivery.id)
    )


def tell_alert(alert_id: UUID, user_id: UUID, event: WebhookEvent) -> ReturningInsert[UUID]:
    """Queue deliveries about an alert, in the transaction that opened or ended it; as `tell_ends`."""
    told = literal(event.value, Text)
    wanted = (
        select(
            _NEW_ID,
            WebhookEndpoint.id,
            WebhookEndpoint.user_id,
            literal(alert_id),
            told,
            now(),
            now(),
        )
        .where(
            WebhookEndpoint.user_id == user_id,
            _enabled(),
            told == func.any(WebhookEndpoint.events),
        )
        .with_for_update(read=True, of=WebhookEndpoint)
    )
    columns = ["id", "endpoint_id", "user_id", "alert_id", "event", "next_attempt_at", "created_at"]
    return (
        upsert(WebhookDelivery)
        .from_select(columns, wanted, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["alert_id", "event", "endpoint_id"])
        .returning(WebhookDelivery.id)
    )


def announce() -> TextClause:
    """Wake the deliverers when the surrounding transaction commits."""
    return text(f"NOTIFY {DUE_CHANNEL}")


def listen() -> TextClause:
    """Subscribe this connection to announcements."""
    return text(f"LISTEN {DUE_CHANNEL}")


# --- delivering -----------------------------------------------------------------------------------------


def claim(*, lease: timedelta, busy: Collection[UUID] = ()) -> ReturningUpdate[*tuple[Any, ...]]:
    """Claim the delivery that has been due for longest, of an endpoint that is not `busy`.

    Returns no row if there is none. The former secret is null once it has expired; the last column is now.
    """
    candidate = (
        select(WebhookDelivery.id)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(_due(), _enabled(), WebhookDelivery.endpoint_id.not_in(busy))
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=WebhookDelivery)
        .correlate(None)  # the same table as the update's, on its own
    )
    return (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == candidate.scalar_subquery(),
            WebhookEndpoint.id == WebhookDelivery.endpoint_id,
        )
        .values(
            attempt=WebhookDelivery.attempt + 1,
            tries=WebhookDelivery.tries + 1,
            lease_expires_at=after(lease),
        )
        .returning(
            WebhookDelivery.id,
            WebhookDelivery.endpoint_id,
            WebhookDelivery.attempt,
            WebhookDelivery.tries,
            WebhookDelivery.event,
            WebhookDelivery.job_id,
            WebhookDelivery.alert_id,
            WebhookDelivery.created_at,
            WebhookEndpoint.url,
            WebhookEndpoint.secret,
            case((WebhookEndpoint.previous_secret_expires_at > now(), WebhookEndpoint.previous_secret)),
            now(),
        )
    )


def _held(statement: Update, delivery_id: UUID, attempt: int) -> ReturningUpdate[UUID]:
    return statement.where(
        WebhookDelivery.id == delivery_id, _pending(), WebhookDelivery.attempt == attempt
    ).returning(WebhookDelivery.id)


def _finish(state: DeliveryState) -> Update:
    return update(WebhookDelivery).values(
        state=state, next_attempt_at=None, lease_expires_at=None, finished_at=now()
    )


def delivered(delivery_id: UUID, attempt: int) -> ReturningUpdate[UUID]:
    """End a delivery. No row back means that it is no longer ours."""
    return _held(_finish(DeliveryState.DELIVERED), delivery_id, attempt)


def given_up(delivery_id: UUID, attempt: int) -> ReturningUpdate[UUID]:
    return _held(_finish(DeliveryState.FAILED), delivery_id, attempt)


def put_off(delivery_id: UUID, attempt: int, *, delay: timedelta) -> ReturningUpdate[UUID]:
    later = update(WebhookDelivery).values(next_attempt_at=after(delay), lease_expires_at=None)
    return _held(later, delivery_id, attempt)


def note_attempt(  # noqa: PLR0913 - what the log has of an attempt
    delivery_id: UUID,
    number: int,
    *,
    at: datetime,
    seconds: float,
    status_code: int | None = None,
    error: AttemptError | None = None,
) -> Insert:
    return insert(WebhookAttempt).values(
        delivery_id=delivery_id, number=number, at=at, status_code=status_code, error=error, seconds=seconds
    )


def works_again(endpoint_id: UUID) -> Update:
    """Note that an endpoint took a delivery. Touches no row of one that has not failed."""
    return (
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.failing_since.is_not(None))
        .values(failing_since=None)
    )


def fails(endpoint_id: UUID) -> Update:
    """Note that an endpoint did not take a delivery, if it took the one before."""
    return (
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.failing_since.is_(None))
        .values(failing_since=now())
    )


def disable(endpoint_id: UUID, reason: DisabledReason) -> ReturningUpdate[UUID]:
    """Disable an endpoint, as failing only after too long; `give_up_pending` in the same transaction."""
    statement = update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, _enabled())
    if reason is DisabledReason.FAILING:
        statement = statement.where(WebhookEndpoint.failing_since < after(-FAILING_AT_MOST))
    return statement.values(status=WebhookStatus.DISABLED, disabled_reason=reason).returning(
        WebhookEndpoint.id
    )


def give_up_pending(endpoint_id: UUID) -> Update:
    """End what waits for an endpoint that was disabled, also what is under way."""
    return _finish(DeliveryState.FAILED).where(WebhookDelivery.endpoint_id == endpoint_id, _pending())


def due() -> Select[int, float]:
    """How many deliveries are due and in nobody's hands, and for how many seconds the first is; one row."""
    overdue = func.coalesce(func.extract("epoch", now() - func.min(WebhookDelivery.next_attempt_at)), 0)
    return select(func.count(), cast(overdue, Double)).where(_due())


# --- owning ---------------------------------------------------------------------------------------------


def count(user_id: UUID) -> Select[int]:
    return select(func.count()).where(WebhookEndpoint.user_id == user_id)


def endpoints(user_id: UUID) -> Select[WebhookEndpoint]:
    return select(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id).order_by(WebhookEndpoint.id)


def owned(endpoint_id: UUID, user_id: UUID, *, lock: bool = False) -> Select[WebhookEndpoint]:
    """One endpoint. A foreign one looks like an unknown one. Lock it to change it, or to queue deliveries."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.user_id == user_id
    )
    return query.with_for_update() if lock else query


def change(endpoint_id: UUID, **values: Any) -> ReturningUpdate[WebhookEndpoint]:  # noqa: ANN401 - columns
    """Change columns. Enabling forgets what was wrong."""
    match values.get("status"):
        case WebhookStatus.ENABLED:
            values |= {"disabled_reason": None, "failing_since": None}
        case WebhookStatus.DISABLED:
            values |= {"disabled_reason": DisabledReason.OWNER}
    return (
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id)
        .values(values)
        .returning(WebhookEndpoint)
    )


def rotate(endpoint_id: UUID, secret: bytes) -> ReturningUpdate[datetime | None]:
    """Sign with a new secret, and with the former one as well for a while; return until when."""
    return (
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id)
        .values(
            secret=secret,
            previous_secret=WebhookEndpoint.secret,
            previous_secret_expires_at=after(ROTATION),
        )
        .returning(WebhookEndpoint.previous_secret_expires_at)
    )


def remove(endpoint_id: UUID) -> Delete:
    """Delete an endpoint with its deliveries."""
    return delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)


def ping(delivery_id: UUID, endpoint_id: UUID, user_id: UUID) -> Insert:
    return insert(WebhookDelivery).values(
        id=delivery_id,
        endpoint_id=endpoint_id,
        user_id=user_id,
        event=WebhookEvent.PING,
        next_attempt_at=now(),
    )


def redeliver(delivery_id: UUID) -> Update:
    """Begin the schedule anew, with the same `webhook-id`. What is under way goes on."""
    return (
        update(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id, or_(~_pending(), _free()))
        .values(
            state=DeliveryState.PENDING,
            tries=0,
            next_attempt_at=now(),
            lease_expires_at=None,
            finished_at=None,
        )
    )


def deliveries(
    endpoint_id: UUID, *, before: UUID | None = None, limit: int, state: DeliveryState | None = None
) -> Select[WebhookDelivery]:
    """An endpoint's deliveries with their attempts, newest first, older than `before`."""
    query = (
        select(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    return query.options(selectinload(WebhookDelivery.attempts))


def delivery(delivery_id: UUID, endpoint_id: UUID) -> Select[WebhookDelivery]:
    """One delivery of an endpoint, with its attempts."""
    return (
        select(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id)
        .options(selectinload(WebhookDelivery.attempts))
    )
