"""What the way back must fit: kept in the browser that began to sign in, for a few minutes."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from binascii import Error as Base64Error
from dataclasses import asdict, dataclass
from typing import Self

from mindtrack_gateway.signin.paths import local_path

#: Of chance, in each value.
BYTES = 32
#: The longest cookie that is looked into.
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to the provider and back."""

    #: Binds the answer to this browser.
    state: str
    #: Binds the ID token to this attempt.
    nonce: str
    #: The secret of PKCE (RFC 7636): whoever steals the code does not have it.
    verifier: str
    #: Where the person wanted to go.
    to: str

    @classmethod
    def new(cls, to: str) -> Self:
        state, nonce, verifier = (secrets.token_urlsafe(BYTES) for _ in range(3))
        return cls(state, nonce, verifier, to)

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier (S256)."""
        return unpadded(hashlib.sha256(self.verifier.encode("ascii")).digest())

    def encode(self) -> str:
        return unpadded(json.dumps(asdict(self), separators=(",", ":")).encode())

    @classmethod
    def decode(cls, text: str | None) -> Self | None:
        """Read what `encode` wrote; None if it is anything else."""
        if text is None or len(text) > LONGEST:
            return None
        try:
            found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (Base64Error, ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or found.keys() != set(cls.__slots__):
            return None
        if not all(isinstance(value, str) and value.isascii() for value in found.values()):
            return None
        return cls(**found) if local_path(found["to"]) else None


def unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
