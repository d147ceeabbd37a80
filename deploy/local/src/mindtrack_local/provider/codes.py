"""Authorization codes: each good for one client, once, for a minute (RFC 6749, section 4.1.2; RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

LIFE = 60.0  # seconds
MOST = 1_000
BYTES = 32


@dataclass(frozen=True)
class Grant:
    """What somebody agreed to, and with what it may be redeemed."""

    subject: str
    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str | None


class Codes:
    """Codes that were given out and not redeemed; lost when the process ends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._grants: dict[str, tuple[float, Grant]] = {}

    def give(self, grant: Grant) -> str:
        code = secrets.token_urlsafe(BYTES)
        while len(self._grants) >= MOST:
            self._grants.pop(next(iter(self._grants)))
        self._grants[code] = (self._clock() + LIFE, grant)
        return code

    def redeem(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> Grant | None:
        """Take a code back. It is spent by the first attempt, whether that was the right one or not."""
        until, grant = self._grants.pop(code, (0.0, None))
        if grant is None or self._clock() >= until:
            return None
        if (client_id, redirect_uri) != (grant.client_id, grant.redirect_uri):
            return None
        return grant if hmac.compare_digest(challenge_of(verifier), grant.challenge.encode()) else None


def challenge_of(verifier: str) -> bytes:
    """PKCE's S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
