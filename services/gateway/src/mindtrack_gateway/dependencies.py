"""What routes ask for: the caller, and the parts that `app.py` built."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from mindtrack_gateway import access
from mindtrack_gateway.access import Caller
from mindtrack_gateway.edge import ADMISSION, Admission
from mindtrack_gateway.identity import Principal, Role, TokenVerifier, bearer, bearer_token
from mindtrack_gateway.jobs.feeds import Feeds
from mindtrack_gateway.jobs.open_streams import OpenStreams
from mindtrack_gateway.jobs.snapshots import Snapshots
from mindtrack_gateway.jobs.waiting import JobWatch
from mindtrack_gateway.limits import Limiter
from mindtrack_gateway.operations.board import Board
from mindtrack_gateway.recordings.intake import Intake
from mindtrack_gateway.recordings.uploads import Uploads
from mindtrack_gateway.seals import Seals
from mindtrack_gateway.service_keys import ServiceKeys
from mindtrack_gateway.settings import GatewaySettings, LimitSettings
from mindtrack_gateway.signin.browser import Browser
from mindtrack_gateway.signin.flow import SignIn
from mindtrack_gateway.users import People
from mindtrack_shared.db.fence import Sessions
from mindtrack_shared.domain.notifications import Channel
from mindtrack_shared.domain.service_keys import PREFIX, KeyScope
from mindtrack_shared.observability.traces import JobTraces
from mindtrack_shared.outbound import Guard
from mindtrack_shared.storage import RecordingStore


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything concrete, built once per process."""

    settings: GatewaySettings
    engine: AsyncEngine
    sessions: Sessions
    store: RecordingStore
    seals: Seals
    redis: Redis
    verifier: TokenVerifier
    service_keys: ServiceKeys
    browser: Browser
    #: None if nobody can sign in here.
    sign_in: SignIn | None
    people: People
    intake: Intake
    snapshots: Snapshots
    watch: JobWatch
    feeds: Feeds
    streams: OpenStreams
    uploads: Uploads
    traces: JobTraces
    #: Says where webhooks may go.
    guard: Guard
    #: By which persons can be notified.
    channels: tuple[Channel, ...]
    limits: LimitSettings
    limiter: Limiter
    operations: Board


async def parts(request: Request) -> Parts:  # a plain function would be run in a thread
    found: Parts = request.app.state.parts
    return found


def admission(request: Request) -> Admission:
    """Return what the request has been charged; every limited one has it."""
    found: Admission = request.scope[ADMISSION]
    return found


async def principal(request: Request, parts: PartsDep) -> Principal:
    """Identify the caller, and charge them for the request.

    Raises:
        UnauthorizedError: there is no valid token.
        CrossSiteError: a cookie holds it, and another site made the browser send it.
        TooManyRequestsError: the caller has asked for too much.
        TooManyUploadsError: or for too much at a time.
        OverloadedError: everybody has.

    """
    token = access_token(request, parts.browser)
    verify = parts.service_keys.verify if token.startswith(PREFIX) else parts.verifier.verify
    found = await verify(token)
    await admission(request).admit(found.subject)
    return found


def access_token(request: Request, browser: Browser) -> str:
    """Take the token out of the Authorization header or, where there is none at all, the page's cookie."""
    if "authorization" not in request.headers:
        token = browser.session(request)
        if token is not None:
            return token
    return bearer_token(request)


async def current_user(principal: CurrentPrincipal, parts: PartsDep) -> UUID:
    """Return the user id of a caller who records; first-time callers get a row.

    Raises:
        UnauthorizedError: there is no valid token.
        ForbiddenError: the caller is here for something else.

    """
    access.require(principal, Role.USER)
    return await parts.people.user_id(principal.subject)


def sender(scope: KeyScope) -> Callable[..., Awaitable[UUID]]:
    """Make what identifies somebody who records, or a system that does, if its key has a scope.

    What it makes returns their user id; errors as for `current_user`.
    """

    async def current_sender(principal: CurrentPrincipal, parts: PartsDep) -> UUID:
        access.require(principal, Role.USER, Role.SERVICE)
        access.require_scope(principal, scope)
        return await parts.people.user_id(principal.subject)

    return current_sender


async def current_caller(principal: CurrentPrincipal, parts: PartsDep) -> Caller:
    """Identify who reads a person's data, their own or by a grant; for `access.reading`.

    Raises:
        UnauthorizedError: there is no valid token.
        ForbiddenError: the caller is here for something else.

    """
    access.require(principal, Role.USER, Role.CLINICIAN)
    return Caller(await parts.people.user_id(principal.subject), principal.roles)


async def current_reader(principal: CurrentPrincipal, parts: PartsDep) -> Caller:
    """As `current_caller`, and also who may read in an emergency; for routes that change nothing."""
    access.require(principal, Role.USER, Role.CLINICIAN, Role.EMERGENCY)
    return Caller(await parts.people.user_id(principal.subject), principal.roles)


async def current_emergency(principal: CurrentPrincipal, parts: PartsDep) -> Caller:
    """Identify who may break the glass. Errors as for `current_caller`."""
    access.require(principal, Role.EMERGENCY)
    return Caller(await parts.people.user_id(principal.subject), principal.roles)


async def current_clinician(principal: CurrentPrincipal, parts: PartsDep) -> Caller:
    """Identify a clinician; for `access.attending`. Errors as for `current_caller`."""
    access.require(principal, Role.CLINICIAN)
    return Caller(await parts.people.user_id(principal.subject), principal.roles)


async def current_operator(principal: CurrentPrincipal) -> Principal:
    """Identify somebody who runs the installation. Errors as for `current_caller`."""
    access.require(principal, Role.OPERATOR)
    return principal


PartsDep = Annotated[Parts, Depends(parts)]
CurrentPrincipal = Annotated[Principal, Depends(principal)]
CurrentUser = Annotated[UUID, Depends(current_user)]
#: Of whoever sends recordings, follows jobs, and has webhooks: a person, or a system.
CurrentSender = Annotated[UUID, Depends(sender(KeyScope.RECORDINGS))]
CurrentFollower = Annotated[UUID, Depends(sender(KeyScope.JOBS))]
CurrentSubscriber = Annotated[UUID, Depends(sender(KeyScope.WEBHOOKS))]
CurrentCaller = Annotated[Caller, Depends(current_caller)]
CurrentReader = Annotated[Caller, Depends(current_reader)]
CurrentEmergency = Annotated[Caller, Depends(current_emergency)]
CurrentClinician = Annotated[Caller, Depends(current_clinician)]
CurrentOperator = Annotated[Principal, Depends(current_operator)]

#: Put on routers so that OpenAPI shows the padlock; the check is `current_user`.
documented_bearer = Depends(bearer)
