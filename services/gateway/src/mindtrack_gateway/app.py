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

from mindtrack_gateway import analyze, problems
from mindtrack_gateway.alerts import routes as alerts
from mindtrack_gateway.analyses import routes as analyses
from mindtrack_gateway.consent import accesses, emergencies, grants, invitations
from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.edge import Edge
from mindtrack_gateway.erasure import routes as erasure
from mindtrack_gateway.exports import routes as exports
from mindtrack_gateway.feedback import routes as feedback
from mindtrack_gateway.fhir import routes as fhir
from mindtrack_gateway.health import routes as health
from mindtrack_gateway.history import routes as history
from mindtrack_gateway.identity import TokenVerifier
from mindtrack_gateway.jobs import lifecycle, listing, statuses, streams
from mindtrack_gateway.jobs import routes as jobs
from mindtrack_gateway.jobs.feeds import Feeds
from mindtrack_gateway.jobs.open_streams import OpenStreams
from mindtrack_gateway.jobs.polling import Polls
from mindtrack_gateway.jobs.queue import QueueBoard
from mindtrack_gateway.jobs.snapshots import Snapshots
from mindtrack_gateway.jobs.waiting import JobWatch
from mindtrack_gateway.limits import Limiter, ValkeyLedger, hash_key
from mindtrack_gateway.metrics import RequestMetrics
from mindtrack_gateway.notes import routes as notes
from mindtrack_gateway.notifications import routes as notifications
from mindtrack_gateway.operations import routes as operations
from mindtrack_gateway.operations.board import build_board
from mindtrack_gateway.page import routes as page
from mindtrack_gateway.patients import routes as patients
from mindtrack_gateway.problems import REQUEST_ID_HEADER
from mindtrack_gateway.recordings import routes as recordings
from mindtrack_gateway.recordings import upload_routes
from mindtrack_gateway.recordings.idempotency import Keys
from mindtrack_gateway.recordings.intake import Intake
from mindtrack_gateway.recordings.objects import Objects
from mindtrack_gateway.recordings.readers import Readers
from mindtrack_gateway.recordings.signing import UrlSigner
from mindtrack_gateway.recordings.uploads import Uploads
from mindtrack_gateway.seals import Seals
from mindtrack_gateway.security_headers import SecurityHeaders
from mindtrack_gateway.service_keys import ServiceKeys
from mindtrack_gateway.settings import GatewaySettings, LimitSettings, OperationsSettings, SignInSettings
from mindtrack_gateway.short_way import ShortWay
from mindtrack_gateway.signin import routes as signin
from mindtrack_gateway.signin.browser import Browser
from mindtrack_gateway.signin.flow import SignIn
from mindtrack_gateway.signin.provider import new_client
from mindtrack_gateway.trends import routes as trends
from mindtrack_gateway.trends.schemas import NOTICE
from mindtrack_gateway.trends.telling import OwnTrends
from mindtrack_gateway.users import People
from mindtrack_gateway.webhooks import routes as webhooks
from mindtrack_shared.db.engine import async_engine
from mindtrack_shared.db.fence import Sessions
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import open_traces
from mindtrack_shared.outbound import Guard
from mindtrack_shared.queue.wakeups import CONNECT_TIMEOUT, finished_channel
from mindtrack_shared.sealing import open_keys
from mindtrack_shared.settings import (
    DatabaseSettings,
    IssuerSettings,
    JobSettings,
    KeySettings,
    NotificationSettings,
    QueueSettings,
    StorageSettings,
    TracingSettings,
    WebhookSettings,
)
from mindtrack_shared.storage import open_store

DESCRIPTION = f"""
Upload a voice log, follow its job, read how the stress score goes over the days.

{NOTICE}
"""


def build_parts(settings: GatewaySettings) -> Parts:
    engine = async_engine(DatabaseSettings(), application_name="mindtrack-gateway")
    sessions = Sessions(engine)
    store = open_store(StorageSettings())
    queue = QueueSettings()
    # A subscription may be silent for long; keep-alives tell that from a peer that is gone.
    redis = Redis.from_url(
        queue.url.get_secret_value(),
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_keepalive=True,
    )
    snapshots = Snapshots(sessions, QueueBoard(sessions))
    limits = LimitSettings()
    traces = open_traces(TracingSettings(), service="gateway")
    seals = build_seals(sessions)
    objects = Objects(store, seals, max_bytes=settings.max_recording_bytes)
    uploads = build_uploads(settings, objects, sessions)
    issuer, sign_in = IssuerSettings(), SignInSettings()
    verifier = TokenVerifier(issuer)
    browser = build_browser(settings, issuer, sign_in)
    return Parts(
        settings=settings,
        engine=engine,
        sessions=sessions,
        store=store,
        seals=seals,
        redis=redis,
        verifier=verifier,
        service_keys=ServiceKeys(sessions),
        browser=browser,
        sign_in=build_sign_in(sign_in, issuer, verifier, browser),
        people=People(sessions),
        intake=Intake(
            objects=objects,
            readers=Readers(uploads, idle=settings.upload_idle),
            uploads=uploads,
            sessions=sessions,
            keys=Keys(sessions, lease=settings.upload_idle + settings.key_lease, keep=settings.keep_keys),
            job_settings=JobSettings(),
            traces=traces,
        ),
        uploads=uploads,
        traces=traces,
        snapshots=snapshots,
        feeds=Feeds(sessions),
        streams=OpenStreams(limits.concurrent_streams_per_subject),
        guard=Guard(WebhookSettings()),
        channels=NotificationSettings().offered,
        limits=limits,
        limiter=Limiter(limits, ValkeyLedger(queue), key=hash_key(limits, queue), prefix=queue.key_prefix),
        operations=build_board(OperationsSettings(), sessions),
        watch=JobWatch(redis, finished_channel(queue), snapshots),
    )


def build_seals(sessions: Sessions) -> Seals:
    settings = KeySettings()
    keys = open_keys(settings, StorageSettings())
    if keys is None or not settings.seal:
        get_logger().warning(events.NOTHING_SEALED)
    return Seals(keys, sessions, writes=settings.seal)


def build_uploads(settings: GatewaySettings, objects: Objects, sessions: Sessions) -> Uploads:
    secret = settings.upload_secret
    return Uploads(
        objects=objects,
        sessions=sessions,
        signer=UrlSigner(secret.get_secret_value().encode()) if secret else None,
        presign=settings.presign_uploads,
        expiry=settings.upload_expiry,
        idle=settings.upload_idle,
    )


def build_browser(settings: GatewaySettings, issuer: IssuerSettings, sign_in: SignInSettings) -> Browser:
    return Browser(
        str(settings.public_url) if settings.public_url else None,
        local=issuer.local,
        enabled=sign_in.client_id is not None,
    )


def build_sign_in(
    settings: SignInSettings, issuer: IssuerSettings, verifier: TokenVerifier, browser: Browser
) -> SignIn | None:
    if settings.client_id is None:
        return None
    return SignIn(settings, issuer, verifier=verifier, browser=browser, http=new_client(local=issuer.local))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    try:
        parts = build_parts(GatewaySettings())
    except Exception as error:
        get_logger().critical(events.SERVICE_BROKEN, exc_info=error)  # the server would quote it
        raise
    app.state.parts = parts
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(parts.engine.dispose)
        cleanup.push_async_callback(parts.redis.aclose)
        cleanup.push_async_callback(parts.operations.aclose)
        if parts.sign_in is not None:
            cleanup.push_async_callback(parts.sign_in.close)
        cleanup.push_async_callback(asyncio.to_thread, parts.traces.close)
        await cleanup.enter_async_context(parts.watch.listening())
        await cleanup.enter_async_context(parts.feeds.running())
        await cleanup.enter_async_context(parts.limiter.settling())
        yield


def create_app() -> FastAPI:
    # Offline: the docs pages bring their own scripts, and a visit to them tells no third party.
    app = FastAPIOffline(
        title="MindTrack",
        version=version("mindtrack-gateway"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # It would put paths with ids into spans; what we tell, we say ourselves.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in (
        recordings.router,
        upload_routes.router,
        analyze.router,
        listing.router,
        statuses.router,
        jobs.router,
        lifecycle.router,
        streams.router,
        feedback.router,
        trends.router,
        analyses.router,
        invitations.router,
        grants.router,
        accesses.router,
        emergencies.router,
        patients.router,
        history.router,
        notes.router,
        exports.router,
        fhir.router,
        alerts.router,
        notifications.router,
        webhooks.router,
        erasure.router,
        operations.router,
        signin.router,
        health.router,
        page.router,
    ):
        app.include_router(router)
    problems.install(app)
    app.add_middleware(Edge)
    app.add_middleware(RequestMetrics)
    app.add_middleware(CorrelationIdMiddleware, header_name=REQUEST_ID_HEADER, transformer=_bind_to_log)
    # Before all middleware: what it adds takes longer than some answers.
    short = ShortWay(app.build_middleware_stack(), Polls(jobs.POLLED), OwnTrends(trends.ASKED_OFTEN))
    app.middleware_stack = SecurityHeaders(short)
    return app


def release(app: FastAPI) -> None:
    """Have requests that are held answered at once: the process stops. Safe in signal handlers."""
    parts: Parts | None = getattr(app.state, "parts", None)
    if parts is not None:
        parts.watch.release()


def _bind_to_log(request_id: str) -> str:
    """Put the request's id into every line logged on its behalf."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id
