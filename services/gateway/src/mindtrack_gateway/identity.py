"""Who is asking: bearer tokens, verified against the issuer's public keys."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt
from fastapi import Request
from fastapi.security import HTTPBearer
from jwt.exceptions import PyJWTError

from mindtrack_gateway.problems import UnauthorizedError
from mindtrack_gateway.trusted_keys import KeySource, PublishedKeys, TrustedKeys
from mindtrack_shared.domain.service_keys import SUBJECT_PREFIX, KeyScope
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
MOMENTS = ("iat", "nbf", "exp")
LONGEST_TOKEN = 16 * 1024  # characters
#: Three parts of base64url, not padded (RFC 7515, section 7.1). Python's decoder would pass over the rest.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
#: What no text column holds: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

#: Shown in OpenAPI; the check itself is `TokenVerifier`.
bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="Access token of the configured issuer, or a service key.",
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
    #: A system that sends recordings, follows its jobs, and is told when they end.
    SERVICE = "service"


#: Roles that lead beyond what is one's own.
FOR_OTHERS = frozenset({Role.CLINICIAN, Role.OPERATOR, Role.EMERGENCY})


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller."""

    #: The issuer's name for the person: `sub`.
    subject: str
    roles: frozenset[Role]
    #: When their token does, in seconds since the epoch.
    expires: float
    #: What a system's key opens, within its role; a token is not narrower than its roles.
    scopes: frozenset[KeyScope] = frozenset(KeyScope)


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
        """Check signature, type, issuer, audience, times, life and second factor.

        Raises:
            UnauthorizedError: the token is not one we accept; the answer says why only if it is genuine.

        """
        known = self.recall(token)
        if known is not None:
            return known
        if len(token) > LONGEST_TOKEN or not _COMPACT.fullmatch(token):
            raise invalid_token()
        try:
            claims = await self._claims(token)
            _check_moments(claims)
            self._require_a_short_life(claims)
        except (PyJWTError, OverflowError) as error:
            raise invalid_token() from error
        principal = Principal(
            subject=_subject(claims["sub"]), roles=_roles(claims.get("roles")), expires=float(claims["exp"])
        )
        self._require_a_second_factor(principal.roles, claims)
        self._remember(token, principal)
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        # Before the key: what cannot be a token of ours must not have us ask the issuer for anything.
        if header.get("typ") != TOKEN_TYPE or header.get("alg") != self._settings.algorithm:
            raise invalid_token()
        key_id = header.get("kid")
        key = await self.keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise invalid_token()
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[self._settings.algorithm],
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=LEEWAY,
            options={"require": REQUIRED_CLAIMS},
        )
        return claims

    def _require_a_short_life(self, claims: dict[str, Any]) -> None:
        if claims["exp"] - claims["iat"] > self._settings.longest_life.total_seconds():
            raise UnauthorizedError("The access token is valid for too long to be accepted.")

    def _require_a_second_factor(self, roles: frozenset[Role], claims: dict[str, Any]) -> None:
        """Refuse who may see others' data by a password alone (RFC 8176; OpenID Connect Core, section 2)."""
        wanted = set(self._settings.second_factor)
        if not wanted or roles.isdisjoint(FOR_OTHERS):
            return
        methods = claims.get("amr")
        shown = [*(methods if isinstance(methods, list) else []), claims.get("acr")]
        if wanted.isdisjoint(name for name in shown if isinstance(name, str)):
            raise UnauthorizedError("Your role needs a second factor: sign in with one.")

    def _remember(self, token: str, principal: Principal) -> None:
        if len(self._verified) >= REMEMBERED_TOKENS:
            self._verified.pop(next(iter(self._verified)))
        until = min(principal.expires + LEEWAY, time.time() + REMEMBERED_SECONDS)
        self._verified[_digest(token)] = _Verified(principal, self.keys.generation, until)


def invalid_token() -> UnauthorizedError:
    """Refuse a token in the words of every other."""
    return UnauthorizedError("The access token is not valid.")


def _check_moments(claims: dict[str, Any]) -> None:
    """Hold claims to numbers of seconds, which the library takes from text, too.

    Raises:
        UnauthorizedError: they are something else.

    """
    moments = [claims[name] for name in MOMENTS if name in claims]
    if any(isinstance(moment, bool) or not isinstance(moment, int | float) for moment in moments):
        raise invalid_token()


def _digest(token: str) -> bytes:
    """Name a token in memory without keeping it there."""
    return hashlib.sha256(token.encode()).digest()


def _subject(claimed: str) -> str:
    if not 0 < len(claimed) <= LONGEST_SUBJECT or _UNSTORABLE.search(claimed):
        raise invalid_token()
    if claimed.startswith(SUBJECT_PREFIX):  # a system's, which no issuer speaks for
        raise invalid_token()
    return claimed


def _roles(claimed: object) -> frozenset[Role]:
    """Read the claim `roles`: a list of names, of which those that mean nothing here are passed over."""
    if claimed is None:
        return frozenset({Role.USER})
    if not isinstance(claimed, list):
        raise invalid_token()
    return frozenset(Role(name) for name in claimed if name in set(Role))


def bearer_token(request: Request) -> str:
    """Take the token out of the Authorization header.

    Raises:
        UnauthorizedError: there is none, or more than one.

    """
    sent = request.headers.getlist("Authorization")
    if len(sent) > 1:  # whoever stands between us and the client may have looked at another one
        raise invalid_token()
    scheme, _, token = "".join(sent).partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError("Send an access token: `Authorization: Bearer ...`.")
    return token.strip()
