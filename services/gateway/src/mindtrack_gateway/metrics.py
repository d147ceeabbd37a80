"""What operators watch. Labels are route templates and states, never ids."""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mindtrack_gateway.problems import DEPENDENCY_ERRORS
from mindtrack_shared.db import jobs
from mindtrack_shared.domain.jobs import JobStatus, Priority

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


async def update_backlog(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Read the backlog. Without the database it becomes unknown; everything else is still told."""
    try:
        await _read_backlog(sessions)
    except DEPENDENCY_ERRORS:
        for gauge in (UNRUNG_JOBS, OLDEST_UNRUNG_SECONDS):
            gauge.set(math.nan)
        JOBS.clear()
        OLDEST_JOB_SECONDS.clear()
        QUEUE_AUDIO_SECONDS.clear()
        ARRIVING_AUDIO.clear()


async def _read_backlog(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions() as session:
        found = (await session.execute(jobs.backlog())).all()
        loads = (await session.execute(jobs.drain_load())).all()
        unrung, overdue = (await session.execute(jobs.unrung())).one()
    UNRUNG_JOBS.set(unrung)
    OLDEST_UNRUNG_SECONDS.set(overdue)
    rows = {(status, priority): (count, age) for status, priority, count, age in found}
    for status, priority in product((JobStatus.QUEUED, JobStatus.RUNNING), Priority):
        count, age = rows.get((status, priority), (0, 0.0))
        JOBS.labels(status, priority).set(count)
        OLDEST_JOB_SECONDS.labels(status, priority).set(age)
    for lane, seconds, arriving in loads:
        QUEUE_AUDIO_SECONDS.labels(lane).set(seconds)
        ARRIVING_AUDIO.labels(lane).set(arriving)


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
