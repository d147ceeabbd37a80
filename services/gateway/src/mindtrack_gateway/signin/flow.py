"""Signing in: an authorization code with PKCE, state and nonce, for a session in a cookie (decision 32)."""

from __future__ import annotations

import hmac
import time
from http import HTTPStatus
from urllib.parse import urlencode

import httpx2 as httpx
from fastapi import Request
from fastapi.responses import RedirectResponse

from mindtrack_gateway.identity import TokenVerifier
from mindtrack_gateway.problems import UnauthorizedError
from mindtrack_gateway.settings import SignInSettings
from mindtrack_gateway.signin.attempts import Attempt
from mindtrack_gateway.signin.browser import Browser, CookieTooLargeError
from mindtrack_gateway.signin.id_tokens import IdTokenError, IdTokens
from mindtrack_gateway.signin.outcomes import Outcome, SignInError
from mindtrack_gateway.signin.paths import local_path
from mindtrack_gateway.signin.provider import Provider, Tokens
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.settings import IssuerSettings

CALLBACK = "/session/callback"
#: What the provider says for a person who does not want to, or may not (RFC 6749, section 4.1.2.1).
DENIALS = frozenset({"access_denied"})
ABSENCES = frozenset({"temporarily_unavailable", "server_error"})


class SignIn:
    """Takes a browser to the provider, and checks what it comes back with."""

    def __init__(
        self,
        settings: SignInSettings,
        issuer: IssuerSettings,
        *,
        verifier: TokenVerifier,
        browser: Browser,
        http: httpx.AsyncClient,
    ) -> None:
        self._http = http
        self._provider = Provider(settings, issuer, http)
        self._issuer = issuer.issuer
        self._verifier = verifier
        self._browser = browser
        self._id_tokens = IdTokens(
            verifier.keys,
            issuer=issuer.issuer,
            client_id=self._provider.client_id,
            algorithm=settings.id_token_algorithm or issuer.algorithm,
        )

    async def begin(self, request: Request, to: str | None) -> RedirectResponse:
        """Send the browser to the provider. What it takes along comes back as it is, or is refused.

        Raises:
            SignInError: the provider cannot be asked.

        """
        attempt = Attempt.new(local_path(to) or self._browser.home(request))
        answer = redirect(await self._provider.authorization_url(attempt, self._redirect_uri(request)))
        self._browser.begin(answer, attempt.encode())
        return answer

    def attempt(self, request: Request) -> Attempt:
        """Return the attempt that an answer of the provider's belongs to.

        Raises:
            SignInError: this browser made none, or it was another.

        """
        found = Attempt.decode(self._browser.attempt(request))
        if found is None:
            raise SignInError(Outcome.EXPIRED, "no_attempt")
        given = request.query_params.get("state", "")
        if not hmac.compare_digest(given.encode(), found.state.encode()):
            raise SignInError(Outcome.EXPIRED, "state")
        return found

    async def finish(self, request: Request, attempt: Attempt) -> RedirectResponse:
        """Redeem the code, check both tokens, and open the session.

        Raises:
            SignInError: anything about it is not as it should be.

        """
        code = await self._code(request)
        tokens = await self._provider.redeem(code, attempt, self._redirect_uri(request))
        seconds = await self._check(tokens, attempt)
        answer = redirect(attempt.to)
        try:
            self._browser.open(answer, tokens.access_token, seconds=seconds)
        except CookieTooLargeError as error:
            raise SignInError(Outcome.REFUSED, f"token_too_large: a cookie of {error.size} bytes") from None
        return answer

    async def end(self, request: Request) -> str:
        """Return where somebody goes who has signed out here: to the provider, to sign out there."""
        after = f"{self._browser.base_url(request)}/"
        return await self._provider.end_session_url(after) or self._browser.home(request)

    async def close(self) -> None:
        await self._http.aclose()

    async def _code(self, request: Request) -> str:
        said = request.query_params
        error = said.get("error")
        if error is not None:
            raise _failure(error)
        described = await self._provider.describe()
        # RFC 9207: an answer of another provider's, mixed up with ours.
        issuer = said.get("iss")
        if issuer != self._issuer and (
            issuer is not None or described.authorization_response_iss_parameter_supported
        ):
            raise SignInError(Outcome.REFUSED, "iss")
        code = said.get("code")
        if not code:
            raise SignInError(Outcome.REFUSED, "no_code")
        return code

    async def _check(self, tokens: Tokens, attempt: Attempt) -> int:
        """Return for how many seconds the access token is still valid."""
        try:
            await self._id_tokens.check(
                tokens.id_token, nonce=attempt.nonce, access_token=tokens.access_token
            )
        except IdTokenError as error:
            raise SignInError(Outcome.REFUSED, f"id_token:{error}") from None
        try:
            principal = await self._verifier.verify(tokens.access_token)
        except UnauthorizedError:
            raise SignInError(Outcome.REFUSED, "access_token") from None
        seconds = int(principal.expires - time.time())
        if seconds <= 0:  # within what clocks may differ by
            raise SignInError(Outcome.REFUSED, "access_token")
        return seconds

    def _redirect_uri(self, request: Request) -> str:
        return self._browser.base_url(request) + CALLBACK


def redirect(to: str) -> RedirectResponse:
    return RedirectResponse(to, HTTPStatus.SEE_OTHER)


def failed(error: SignInError, home: str) -> RedirectResponse:
    """Take somebody who could not sign in to the page, which says why, and write it down."""
    log = get_logger()
    tell = log.info if error.outcome in {Outcome.DENIED, Outcome.EXPIRED, Outcome.OFF} else log.error
    tell(events.SIGN_IN_FAILED, code=error.outcome.value, reason=error.reason)
    return redirect(f"{home}?{urlencode({'sign_in': error.outcome.value})}")


def _failure(error: str) -> SignInError:
    if error in DENIALS:
        return SignInError(Outcome.DENIED, "provider")
    return SignInError(Outcome.UNAVAILABLE if error in ABSENCES else Outcome.REFUSED, "provider")
