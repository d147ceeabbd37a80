"""Builds the application: the only module of the gateway that knows concrete classes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import structlog
from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import async_sessionmaker

from mindtrack_gateway import analyze, problems
from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.edge import Edge
from mindtrack_gateway.health import routes as health
from mindtrack_gateway.identity import TokenVerifier
from mindtrack_gateway.jobs import routes as jobs
from mindtrack_gateway.jobs.waiting import FinishedJobs
from mindtrack_gateway.limits import Limiter, ValkeyLedger, hash_key
from mindtrack_gateway.metrics import RequestMetrics
from mindtrack_gateway.problems import REQUEST_ID_HEADER
from mindtrack_gateway.recordings import routes as recordings
from mindtrack_gateway.recordings.intake import Intake
from mindtrack_gateway.settings import GatewaySettings, LimitSettings
from mindtrack_gateway.trends import routes as trends
from mindtrack_gateway.trends.schemas import NOTICE
from mindtrack_gateway.users import People
from mindtrack_shared.db.engine import async_engine
from mindtrack_shared.observability.traces import open_traces
from mindtrack_shared.queue.wakeups import CONNECT_TIMEOUT, finished_channel
from mindtrack_shared.settings import (
    DatabaseSettings,
    IssuerSettings,
    JobSettings,
    QueueSettings,
    StorageSettings,
    TracingSettings,
)
from mindtrack_shared.storage import open_store

DESCRIPTION = f"""
Upload a voice log, follow its job, read how the stress score goes over the days.

{NOTICE}
"""


def build_parts(settings: GatewaySettings) -> Parts:
    engine = async_engine(DatabaseSettings(), application_name="mindtrack-gateway")
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    store = open_store(StorageSettings())
    queue = QueueSettings()
    # A subscription may be silent for long; keep-alives tell that from a peer that is gone.
    redis = Redis.from_url(
        queue.url.get_secret_value(),
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_keepalive=True,
    )
    limits = LimitSettings()
    traces = open_traces(TracingSettings(), service="gateway")
    return Parts(
        settings=settings,
        engine=engine,
        sessions=sessions,
        store=store,
        redis=redis,
        verifier=TokenVerifier(IssuerSettings()),
        people=People(sessions),
        intake=Intake(
            store=store,
            sessions=sessions,
            job_settings=JobSettings(),
            max_bytes=settings.max_recording_bytes,
            idle=settings.upload_idle,
            traces=traces,
        ),
        traces=traces,
        limits=limits,
        limiter=Limiter(limits, ValkeyLedger(queue), key=hash_key(limits, queue), prefix=queue.key_prefix),
        finished=FinishedJobs(redis, finished_channel(queue)),
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts = build_parts(GatewaySettings())
    app.state.parts = parts
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(parts.engine.dispose)
        cleanup.push_async_callback(parts.redis.aclose)
        cleanup.push_async_callback(asyncio.to_thread, parts.traces.close)
        await cleanup.enter_async_context(parts.finished.listening())
        await cleanup.enter_async_context(parts.limiter.settling())
        yield


def create_app() -> FastAPI:
    # Offline: the docs pages bring their own scripts, and a visit to them tells no third party.
    app = FastAPIOffline(
        title="MindTrack", version=version("mindtrack-gateway"), description=DESCRIPTION, lifespan=lifespan
    )
    for router in (recordings.router, analyze.router, jobs.router, trends.router, health.router):
        app.include_router(router)
    problems.install(app)
    app.add_middleware(Edge)
    app.add_middleware(RequestMetrics)
    app.add_middleware(CorrelationIdMiddleware, header_name=REQUEST_ID_HEADER, transformer=_bind_to_log)
    return app


def _bind_to_log(request_id: str) -> str:
    """Put the request's id into every line logged on its behalf."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id
