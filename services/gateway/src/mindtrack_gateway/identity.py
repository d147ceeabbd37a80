"""Who is asking: bearer tokens, verified against the issuer's public keys."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import jwt
from fastapi import Request
from fastapi.security import HTTPBearer
from jwt import InvalidTokenError

from mindtrack_gateway.problems import UnauthorizedError
from mindtrack_gateway.trusted_keys import KeySource, PublishedKeys, TrustedKeys
from mindtrack_shared.settings import IssuerSettings

#: RFC 9068: keeps an identity token from passing for an access token.
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
#: OpenID Connect Core, section 2: at most 255 characters.
LONGEST_SUBJECT = 255
LEEWAY = 30  # seconds of difference between the issuer's clock and ours
#: How many tokens are remembered, and for how long at most.
REMEMBERED_TOKENS = 100_000
REMEMBERED_SECONDS = 60.0
REQUIRED_CLAIMS = ["iss", "aud", "sub", "iat", "exp"]

#: Shown in OpenAPI; the check itself is `TokenVerifier`.
bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="Access token of the configured issuer."
)


class Role(StrEnum):
    """What a caller is here for; a token may name several."""

    #: Somebody who records. What a token without roles stands for.
    USER = "user"
    #: Reads what persons granted them.
    CLINICIAN = "clinician"
    #: Watches queues and workers, and reads nobody's data.
    OPERATOR = "operator"
    #: May open one person's data for an hour without a grant, for a reason: break-glass.
    EMERGENCY = "emergency"
    #: A system that is told when jobs end.
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller."""

    #: The issuer's name for the person: `sub`.
    subject: str
    roles: frozenset[Role]
    #: When their token does, in seconds since the epoch.
    expires: float


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    generation: int
    #: By the clock of the epoch.
    until: float


class TokenVerifier:
    """Turns an access token into a principal, or refuses it. Errors at start as for `TrustedKeys`.

    A token that was verified is remembered for up to a minute by its digest, until it expires or keys change:
    whoever polls sends the same one over and over.
    """

    def __init__(self, settings: IssuerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        #: The issuer's, which sign its ID tokens, too.
        self.keys: KeySource = (
            PublishedKeys(str(settings.jwks_url), clock)
            if settings.jwks_url is not None
            else TrustedKeys(settings.jwks_path, clock)
        )
        self._verified: dict[bytes, _Verified] = {}

    def recall(self, token: str) -> Principal | None:
        """Return whose token this is if it was verified a moment ago."""
        known = self._verified.get(_digest(token))
        if known is None or known.generation != self.keys.generation or known.until <= time.time():
            return None
        return known.principal

    async def verify(self, token: str) -> Principal:
        """Check signature, type, issuer, audience and times.

        Raises:
            UnauthorizedError: the token is not one we accept; the answer does not say why.

        """
        known = self.recall(token)
        if known is not None:
            return known
        try:
            header = jwt.get_unverified_header(token)
            key = await self.keys.get(str(header.get("kid")))
            if key is None or header.get("typ") != TOKEN_TYPE:
                raise UnauthorizedError("The access token is not valid.")
            claims = jwt.decode(
                token,
                key,
                algorithms=[self._settings.algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY,
                options={"require": REQUIRED_CLAIMS},
            )
        except InvalidTokenError as error:
            raise UnauthorizedError("The access token is not valid.") from error
        principal = Principal(
            subject=_subject(claims["sub"]), roles=_roles(claims.get("roles")), expires=float(claims["exp"])
        )
        self._remember(token, principal)
        return principal

    def _remember(self, token: str, principal: Principal) -> None:
        if len(self._verified) >= REMEMBERED_TOKENS:
            self._verified.pop(next(iter(self._verified)))
        until = min(principal.expires + LEEWAY, time.time() + REMEMBERED_SECONDS)
        self._verified[_digest(token)] = _Verified(principal, self.keys.generation, until)


def _digest(token: str) -> bytes:
    """Name a token in memory without keeping it there."""
    return hashlib.sha256(token.encode()).digest()


def _subject(claimed: str) -> str:
    if not 0 < len(claimed) <= LONGEST_SUBJECT or "\0" in claimed:
        raise UnauthorizedError("The access token is not valid.")
    return claimed


def _roles(claimed: object) -> frozenset[Role]:
    """Read the claim `roles`: a list of names, of which those that mean nothing here are passed over."""
    if claimed is None:
        return frozenset({Role.USER})
    if not isinstance(claimed, list):
        raise UnauthorizedError("The access token is not valid.")
    return frozenset(Role(name) for name in claimed if name in set(Role))


def bearer_token(request: Request) -> str:
    """Take the token out of the Authorization header.

    Raises:
        UnauthorizedError: there is none.

    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError("Send an access token: `Authorization: Bearer ...`.")
    return token.strip()
