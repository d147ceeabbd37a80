"""What operators watch. Labels are route templates and states, never ids."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from itertools import product
from typing import TypeVarTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from psycopg.errors import InvalidParameterValue, UndefinedColumn, UndefinedTable
from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.selectable import TypedReturnsRows
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mindtrack_gateway.problems import DEPENDENCY_ERRORS
from mindtrack_shared.db import access_seals, jobs, notifications, standings, webhooks
from mindtrack_shared.db.fence import OBSERVER, Sessions
from mindtrack_shared.domain.jobs import JobStatus, Priority

Columns = TypeVarTuple("Columns")

REGISTRY = CollectorRegistry()

REQUEST_SECONDS = Histogram(
    "mindtrack_http_request_seconds",
    "Time from a request's first byte to its answer's last.",
    ["method", "route", "status"],
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LIMITED_REQUESTS = Counter(
    "mindtrack_limited_requests",
    "Requests refused by a limit: by class, and whose limit it was (subject, address, process).",
    ["class", "scope"],
    registry=REGISTRY,
)
EMERGENCIES = Counter(
    "mindtrack_emergencies", "Times that somebody broke the glass, or tried to.", registry=REGISTRY
)
JOBS = Gauge(
    "mindtrack_jobs",
    "Jobs that have not ended, by state and priority.",
    ["status", "priority"],
    registry=REGISTRY,
)
OLDEST_JOB_SECONDS = Gauge(
    "mindtrack_oldest_job_seconds",
    "Age of the oldest job in each state that is not terminal, by priority.",
    ["status", "priority"],
    registry=REGISTRY,
)
UNRUNG_JOBS = Gauge(
    "mindtrack_unrung_jobs",
    "Jobs that are due and that no worker has been told of: the relay's backlog.",
    registry=REGISTRY,
)
OLDEST_UNRUNG_SECONDS = Gauge(
    "mindtrack_oldest_unrung_seconds", "For how long the first of them has been due.", registry=REGISTRY
)
DUE_WEBHOOKS = Gauge(
    "mindtrack_due_webhooks",
    "Webhooks that are due and that nobody is sending: the deliverer's backlog.",
    registry=REGISTRY,
)
OLDEST_DUE_WEBHOOK_SECONDS = Gauge(
    "mindtrack_oldest_due_webhook_seconds", "For how long the first of them has been due.", registry=REGISTRY
)
DUE_STANDINGS = Gauge(
    "mindtrack_due_standings",
    "Persons whose trend is to be looked at: maintenance's backlog.",
    registry=REGISTRY,
)
OLDEST_DUE_STANDING_SECONDS = Gauge(
    "mindtrack_oldest_due_standing_seconds", "For how long the first of them has been due.", registry=REGISTRY
)
DUE_NOTIFICATIONS = Gauge(
    "mindtrack_due_notifications",
    "Notifications that are due and that nobody is sending: the deliverer's backlog.",
    registry=REGISTRY,
)
OLDEST_DUE_NOTIFICATION_SECONDS = Gauge(
    "mindtrack_oldest_due_notification_seconds",
    "For how long the first of them has been due.",
    registry=REGISTRY,
)
UNSEALED_ACCESS_EVENTS = Gauge(
    "mindtrack_unsealed_access_events",
    "Access events that are not in the audit chain yet: the sealer's backlog.",
    registry=REGISTRY,
)
OLDEST_UNSEALED_ACCESS_EVENT_SECONDS = Gauge(
    "mindtrack_oldest_unsealed_access_event_seconds",
    "For how long the first of them has not been.",
    registry=REGISTRY,
)
QUEUE_AUDIO_SECONDS = Gauge(
    "mindtrack_queue_audio_seconds",
    "Audio of jobs that have not ended, by priority; estimated from sizes.",
    ["priority"],
    registry=REGISTRY,
)
ARRIVING_AUDIO = Gauge(
    "mindtrack_arriving_audio_seconds_per_second",
    "Audio that arrived per second in the last minute, by priority; estimated from sizes.",
    ["priority"],
    registry=REGISTRY,
)


#: The database is of a release that lacks what was asked for, or who may ask.
BEHIND = (UndefinedColumn, UndefinedTable, InvalidParameterValue)


async def update_backlog(sessions: Sessions) -> None:
    """Read the backlog. What the database does not say becomes unknown; everything else is still told.

    It may be away, or a release behind.
    """
    found = loads = unrung = due = stale = waiting = unsealed = None
    with suppress(*DEPENDENCY_ERRORS):
        async with sessions.open(OBSERVER) as session:
            found = await _rows(session, jobs.backlog())
            loads = await _rows(session, jobs.drain_load())
            unrung = await _rows(session, jobs.unrung())
            due = await _rows(session, webhooks.due())
            stale = await _rows(session, standings.backlog())
            waiting = await _rows(session, notifications.due())
            unsealed = await _rows(session, access_seals.backlog())
            await session.commit()
    # All at once, as pages may be asked for at the same time.
    _tell_jobs(found)
    _tell_load(loads)
    _tell_first(UNRUNG_JOBS, OLDEST_UNRUNG_SECONDS, unrung)
    _tell_first(DUE_WEBHOOKS, OLDEST_DUE_WEBHOOK_SECONDS, due)
    _tell_first(DUE_STANDINGS, OLDEST_DUE_STANDING_SECONDS, stale)
    _tell_first(DUE_NOTIFICATIONS, OLDEST_DUE_NOTIFICATION_SECONDS, waiting)
    _tell_first(UNSEALED_ACCESS_EVENTS, OLDEST_UNSEALED_ACCESS_EVENT_SECONDS, unsealed)


async def _rows(
    session: AsyncSession, statement: TypedReturnsRows[*Columns]
) -> Sequence[Row[*Columns]] | None:
    """Return what the database says, or None if it is a release behind and cannot."""
    try:
        return (await session.execute(statement)).all()
    except DBAPIError as error:
        if not isinstance(error.orig, BEHIND):
            raise
        await session.rollback()  # or nothing else could be asked
        return None


def _tell_jobs(found: Sequence[Row[JobStatus, Priority, int, float]] | None) -> None:
    JOBS.clear()
    OLDEST_JOB_SECONDS.clear()
    if found is None:
        return
    rows = {(status, priority): (count, age) for status, priority, count, age in found}
    for status, priority in product((JobStatus.QUEUED, JobStatus.RUNNING), Priority):
        count, age = rows.get((status, priority), (0, 0.0))
        JOBS.labels(status, priority).set(count)
        OLDEST_JOB_SECONDS.labels(status, priority).set(age)


def _tell_load(loads: Sequence[Row[str, float, float]] | None) -> None:
    QUEUE_AUDIO_SECONDS.clear()
    ARRIVING_AUDIO.clear()
    for lane, seconds, arriving in loads or ():
        QUEUE_AUDIO_SECONDS.labels(lane).set(seconds)
        ARRIVING_AUDIO.labels(lane).set(arriving)


def _tell_first(waiting: Gauge, oldest: Gauge, found: Sequence[Row[int, float]] | None) -> None:
    ((count, seconds),) = found or ((math.nan, math.nan),)
    waiting.set(count)
    oldest.set(seconds)


class RequestMetrics:
    """ASGI middleware that times every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            seconds = time.perf_counter() - started
            REQUEST_SECONDS.labels(scope["method"], route, status).observe(seconds)
