"""A token issuer for one machine: the part of an identity provider that the gateway relies on.

Its name has no TLS, so gateways refuse it unless they were told that they serve one machine only. It is a
name and no address: tokens stay good whatever port the provider of `mindtrack_local.provider` gets.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

from mindtrack_local.files import write_private
from mindtrack_shared.settings import IssuerSettings

Role = Literal["user", "clinician", "operator", "service", "emergency"]

ISSUER = "http://127.0.0.1/mindtrack-local"
AUDIENCE = "mindtrack"
ALGORITHM = "ES256"
#: Long, because nothing here renews a token while a developer works through a day. A production issuer hands
#: out access tokens for minutes: they cannot be called back.
LIFE = timedelta(hours=12)
#: That gateways are told to accept.
LONGEST_LIFE = timedelta(days=1)
#: Of an ID token, which is read once.
ID_TOKEN_LIFE = timedelta(minutes=5)


class Issuer:
    """Signs access tokens (RFC 9068) with a key pair that is generated once and kept in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._jwks = folder / "jwks.json"
        self.private_key = _load_or_create(folder / "private-key.pem")
        public: dict[str, Any] = ECAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        self.key_id = _thumbprint(public)
        if not self._jwks.exists():  # a gateway may be reading it
            jwks = {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": ALGORITHM}]}
            self._jwks.write_text(json.dumps(jwks, indent=2), encoding="utf-8")

    @property
    def settings(self) -> IssuerSettings:
        return IssuerSettings(
            jwks_file=self._jwks, issuer=ISSUER, audience=AUDIENCE, local=True, longest_life=LONGEST_LIFE
        )

    def token(self, subject: str, *roles: Role, life: timedelta = LIFE) -> str:
        """Sign an access token; without roles, for a user."""
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + life,
            "jti": str(uuid.uuid4()),
            "roles": list(roles or ("user",)),
        }
        headers = {"typ": "at+jwt", "kid": self.key_id}
        return jwt.encode(claims, self.private_key, algorithm=ALGORITHM, headers=headers)

    def id_token(self, subject: str, client_id: str, *, nonce: str | None, access_token: str) -> str:
        """Sign an ID token (OpenID Connect Core, section 2) that belongs to an access token."""
        now = datetime.now(UTC)
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": client_id,
            "sub": subject,
            "iat": now,
            "auth_time": int(now.timestamp()),
            "exp": now + ID_TOKEN_LIFE,
            "at_hash": _unpadded(half),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode(claims, self.private_key, algorithm=ALGORITHM, headers={"kid": self.key_id})


def _load_or_create(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        created = ec.generate_private_key(ec.SECP256R1())
        pem = created.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem.decode("ascii"))
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no elliptic curve key")
    return key


def _thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638: the same key has the same name everywhere."""
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return _unpadded(hashlib.sha256(members.encode()).digest())


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
