"""A browser's session: `docs/sign-in.md`. For our page, so none of it is in the API's description."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from mindtrack_gateway.dependencies import CurrentPrincipal, Parts, PartsDep
from mindtrack_gateway.identity import Role
from mindtrack_gateway.signin.flow import CALLBACK, SignIn, failed
from mindtrack_gateway.signin.outcomes import Outcome, SignInError
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

router = APIRouter(include_in_schema=False)


class SessionView(BaseModel):
    """Who is signed in, and until when."""

    subject: str
    roles: list[Role]
    expires_at: datetime


class Next(BaseModel):
    """Where the page goes from here: a path, or an address of the provider's."""

    location: str


@router.get("/session")
async def session(principal: CurrentPrincipal) -> SessionView:
    """Tell the page who is there.

    Raises:
        UnauthorizedError: nobody.

    """
    return SessionView(
        subject=principal.subject,
        roles=sorted(principal.roles),
        expires_at=datetime.fromtimestamp(principal.expires, UTC),
    )


@router.get("/session/sign-in")
async def sign_in(request: Request, parts: PartsDep, to: Annotated[str | None, Query()] = None) -> Response:
    """Take a browser to the provider, and then to `to`, if that is a path of ours."""
    try:
        return await _configured(parts).begin(request, to)
    except SignInError as error:
        return failed(error, parts.browser.home(request))


@router.get(CALLBACK)
async def callback(request: Request, parts: PartsDep) -> Response:
    """Take a browser that comes from the provider to where it wanted to go, with a session."""
    home = parts.browser.home(request)
    try:
        flow = _configured(parts)
        attempt = flow.attempt(request)
    except SignInError as error:
        return failed(error, home)
    try:
        response: Response = await flow.finish(request, attempt)
        get_logger().info(events.SIGNED_IN)
    except SignInError as error:
        response = failed(error, home)
    parts.browser.forget_attempt(response)  # it was used
    return response


def _configured(parts: Parts) -> SignIn:
    if parts.sign_in is None:
        raise SignInError(Outcome.OFF, "not_configured")
    return parts.sign_in


@router.post("/session/sign-out")
async def sign_out(request: Request, response: Response, parts: PartsDep) -> Next:
    """Forget the session, and say where it ends at the provider, too.

    Raises:
        CrossSiteError: it is not our page that asks.

    """
    parts.browser.require_own_page(request)
    parts.browser.close(response)
    get_logger().info(events.SIGNED_OUT)
    location = await parts.sign_in.end(request) if parts.sign_in else parts.browser.home(request)
    return Next(location=location)
