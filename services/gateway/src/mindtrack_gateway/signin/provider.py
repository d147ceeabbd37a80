"""The identity provider, as OpenID Connect describes it: where to send people, and where to redeem a code."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote_plus

import httpx2 as httpx
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from mindtrack_gateway.settings import SignInSettings
from mindtrack_gateway.signin.attempts import Attempt
from mindtrack_gateway.signin.outcomes import Outcome, SignInError
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.settings import IssuerSettings

WELL_KNOWN = "/.well-known/openid-configuration"
#: How old its description may become before it is fetched again.
FETCH_EVERY = 3600.0  # seconds
TIMEOUT = 5.0  # seconds
BASIC = "client_secret_basic"
#: What the token endpoint says of a code that was used, or has run out (RFC 6749, section 5.2).
USED_OR_OLD = "invalid_grant"


class Description(BaseModel):
    """What we need of the provider's metadata (OpenID Connect Discovery)."""

    issuer: str
    authorization_endpoint: HttpUrl
    token_endpoint: HttpUrl
    end_session_endpoint: HttpUrl | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = (BASIC,)
    #: RFC 9207.
    authorization_response_iss_parameter_supported: bool = False

    @property
    def endpoints(self) -> tuple[HttpUrl, ...]:
        found = (self.authorization_endpoint, self.token_endpoint, self.end_session_endpoint)
        return tuple(endpoint for endpoint in found if endpoint is not None)


class Tokens(BaseModel):
    """What a code is redeemed for. What does not fit is a secret, too."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str
    id_token: str
    token_type: Annotated[str, Field(pattern="^(?i:bearer)$")]


class _Refusal(BaseModel):
    error: str = ""


class Provider:
    """Asks the provider. It is described when somebody first signs in, then every hour.

    While it cannot be reached, its last good description stays.

    Args:
        settings: ours at the provider.
        issuer: who it must be.
        http: for its endpoints.
        clock: seconds that only rise, for tests.

    Raises:
        ValueError: its description would be fetched without TLS.

    """

    def __init__(
        self,
        settings: SignInSettings,
        issuer: IssuerSettings,
        http: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if settings.client_id is None:
            raise ValueError("nobody can sign in without MINDTRACK_SIGN_IN_CLIENT_ID")
        self.client_id = settings.client_id
        self._settings = settings
        self._issuer = issuer
        self._http = http
        self._clock = clock
        self._url = str(settings.discovery_url or issuer.issuer.rstrip("/") + WELL_KNOWN)
        self._description: Description | None = None
        self._fetched = 0.0
        if not self._is_safe(self._url):
            raise ValueError("MINDTRACK_SIGN_IN_DISCOVERY_URL must be https")

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Say where a browser goes to sign in.

        Raises:
            SignInError: the provider cannot be asked.

        """
        described = await self.describe()
        wanted = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
            **self._resource(),
        }
        if self._settings.audience:
            wanted["audience"] = self._settings.audience
        return _with(described.authorization_endpoint, wanted)

    async def redeem(self, code: str, attempt: Attempt, redirect_uri: str) -> Tokens:
        """Exchange a code for tokens, which nobody has checked yet.

        Raises:
            SignInError: the provider is away, or does not take the code.

        """
        described = await self.describe()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
            **self._resource(),
        }
        response = await self._post(described, form)
        if response.status_code != HTTPStatus.OK:
            raise _refused(response)
        try:
            return Tokens.model_validate_json(response.content)
        except ValidationError:
            raise SignInError(Outcome.REFUSED, "token_answer") from None

    async def end_session_url(self, after: str) -> str | None:
        """Say where the session at the provider ends, if we may end it; `after` is where it leads back."""
        try:
            described = await self.describe()
        except SignInError:
            return None
        if described.end_session_endpoint is None:
            return None
        wanted = {"client_id": self.client_id, "post_logout_redirect_uri": after}
        return _with(described.end_session_endpoint, wanted)

    async def describe(self) -> Description:
        """Return the provider's description.

        Raises:
            SignInError: there is none, or none that can be used.

        """
        known = self._description
        if known is not None and self._clock() - self._fetched < FETCH_EVERY:
            return known
        try:
            self._description = known = self._usable(await self._fetch())
        except (httpx.HTTPError, ValueError) as error:
            get_logger().error(events.PROVIDER_UNAVAILABLE, error=type(error).__name__)
            if known is None:
                raise SignInError(Outcome.UNAVAILABLE, "discovery") from None
        self._fetched = self._clock()
        return known

    async def _fetch(self) -> Description:
        response = await self._http.get(self._url, headers={"Accept": "application/json"})
        response.raise_for_status()
        return Description.model_validate_json(response.content)

    def _usable(self, described: Description) -> Description:
        if described.issuer != self._issuer.issuer:
            raise _AnotherIssuerError
        if not all(self._is_safe(str(endpoint)) for endpoint in described.endpoints):
            raise _NoTlsError
        return described

    async def _post(self, described: Description, form: dict[str, str]) -> httpx.Response:
        secret = self._settings.client_secret
        auth = httpx.Auth()  # none
        if secret is None:
            form["client_id"] = self.client_id
        elif BASIC in described.token_endpoint_auth_methods_supported:
            # RFC 6749, section 2.3.1, has them encoded first.
            auth = httpx.BasicAuth(quote_plus(self.client_id), quote_plus(secret.get_secret_value()))
        else:
            form |= {"client_id": self.client_id, "client_secret": secret.get_secret_value()}
        headers = {"Accept": "application/json"}
        try:
            return await self._http.post(str(described.token_endpoint), data=form, headers=headers, auth=auth)
        except httpx.HTTPError:
            raise SignInError(Outcome.UNAVAILABLE, "token_endpoint") from None

    def _resource(self) -> dict[str, str]:
        return {"resource": self._settings.resource} if self._settings.resource else {}

    def _is_safe(self, url: str) -> bool:
        return self._issuer.local or url.startswith("https://")


class _AnotherIssuerError(ValueError):
    """The description is of another issuer than tokens are accepted from."""


class _NoTlsError(ValueError):
    """An endpoint is not https."""


def new_client(*, local: bool) -> httpx.AsyncClient:
    """Make what asks the provider. One on this machine is behind no proxy."""
    return httpx.AsyncClient(timeout=TIMEOUT, trust_env=not local)


def _with(endpoint: HttpUrl, wanted: dict[str, str]) -> str:
    return str(httpx.URL(str(endpoint)).copy_merge_params(wanted))


def _refused(response: httpx.Response) -> SignInError:
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code in {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }:
        return SignInError(Outcome.UNAVAILABLE, "token_endpoint")
    try:
        said = _Refusal.model_validate_json(response.content)
    except ValidationError:
        return SignInError(Outcome.REFUSED, "token_endpoint")
    if said.error == USED_OR_OLD:
        return SignInError(Outcome.EXPIRED, "code")
    return SignInError(Outcome.REFUSED, "token_endpoint")
