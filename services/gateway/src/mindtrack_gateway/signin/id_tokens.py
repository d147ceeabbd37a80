"""ID tokens: that the provider's answer is meant for us, and for this attempt."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import jwt
from jwt import PyJWTError

from mindtrack_gateway.identity import LEEWAY, REQUIRED_CLAIMS, TOKEN_TYPE
from mindtrack_gateway.signin.attempts import unpadded
from mindtrack_gateway.trusted_keys import KeySource

#: What `at_hash` is made with, by the ID token's algorithm (OpenID Connect Core, section 3.1.3.6).
HASHES = {
    "ES256": hashlib.sha256,
    "RS256": hashlib.sha256,
    "PS256": hashlib.sha256,
    "ES384": hashlib.sha384,
    "EdDSA": hashlib.sha512,
}


class IdTokenError(Exception):
    """The ID token is not one we accept; the message names the rule, and nothing of the token."""


class IdTokens:
    """Checks ID tokens as OpenID Connect Core, section 3.1.3.7, says.

    Args:
        keys: of the issuer.
        issuer: its name.
        client_id: ours at the provider.
        algorithm: the one that is accepted.

    """

    def __init__(self, keys: KeySource, *, issuer: str, client_id: str, algorithm: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._client_id = client_id
        self._algorithm = algorithm

    async def check(self, token: str, *, nonce: str, access_token: str) -> None:
        """Check signature, issuer, audience, times, and that it belongs to this attempt and access token.

        Raises:
            IdTokenError: it does not.

        """
        claims = await self._claims(token)
        self._check_party(claims)
        if not _same(claims.get("nonce"), nonce):
            raise IdTokenError("nonce")
        if "at_hash" in claims and not _same(claims["at_hash"], self._hash(access_token)):
            raise IdTokenError("at_hash")

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.get(str(header.get("kid")))
            if key is None:
                raise IdTokenError("kid")
            if (
                str(header.get("typ", "")).lower() == TOKEN_TYPE
            ):  # an access token, which nobody bound to a nonce
                raise IdTokenError("typ")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[self._algorithm],
                audience=self._client_id,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": REQUIRED_CLAIMS},
            )
        except PyJWTError as error:
            raise IdTokenError(type(error).__name__) from None
        return claims

    def _check_party(self, claims: dict[str, Any]) -> None:
        """With audiences besides us, the token must say that it was made for us."""
        audience, party = claims["aud"], claims.get("azp")
        if isinstance(audience, list) and len(audience) > 1 and party is None:
            raise IdTokenError("aud")
        if party is not None and party != self._client_id:
            raise IdTokenError("azp")

    def _hash(self, access_token: str) -> str:
        digest = HASHES[self._algorithm](access_token.encode()).digest()
        return unpadded(digest[: len(digest) // 2])


def _same(claimed: object, expected: str) -> bool:
    return isinstance(claimed, str) and hmac.compare_digest(claimed.encode(), expected.encode())
