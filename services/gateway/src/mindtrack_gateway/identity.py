"""Who is asking: bearer tokens, verified against the issuer's public keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from fastapi import Request
from fastapi.security import HTTPBearer
from jwt import InvalidTokenError

from mindtrack_gateway.problems import UnauthorizedError
from mindtrack_gateway.trusted_keys import TrustedKeys
from mindtrack_shared.settings import IssuerSettings

#: One asymmetric family only: a token can never be verified with a public key taken for an HMAC secret.
ALGORITHM = "ES256"
#: RFC 9068: keeps an identity token from passing for an access token.
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
#: OpenID Connect Core, section 2: at most 255 characters.
LONGEST_SUBJECT = 255
LEEWAY = 30  # seconds of difference between the issuer's clock and ours
REQUIRED_CLAIMS = ["iss", "aud", "sub", "iat", "exp"]

#: Shown in OpenAPI; the check itself is `TokenVerifier`.
bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="Access token of the configured issuer."
)


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller."""

    #: The issuer's name for the person: `sub`.
    subject: str


class TokenVerifier:
    """Turns an access token into a principal, or refuses it. Errors at start as for `TrustedKeys`."""

    def __init__(self, settings: IssuerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._keys = TrustedKeys(settings.jwks_file, clock)

    def verify(self, token: str) -> Principal:
        """Check signature, type, issuer, audience and times.

        Raises:
            UnauthorizedError: the token is not one we accept; the answer does not say why.

        """
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(str(header.get("kid")))
            if key is None or header.get("typ") != TOKEN_TYPE:
                raise UnauthorizedError("The access token is not valid.")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY,
                options={"require": REQUIRED_CLAIMS},
            )
        except InvalidTokenError as error:
            raise UnauthorizedError("The access token is not valid.") from error
        if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT or "\0" in claims["sub"]:
            raise UnauthorizedError("The access token is not valid.")
        return Principal(subject=claims["sub"])


def bearer_token(request: Request) -> str:
    """Take the token out of the Authorization header.

    Raises:
        UnauthorizedError: there is none.

    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError("Send an access token: `Authorization: Bearer ...`.")
    return token.strip()
