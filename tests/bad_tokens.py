"""Access tokens that must open nothing: each way of forging one that is known to have worked somewhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm
from jwt.utils import base64url_encode

#: Of whoever forges.
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P384_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


@dataclass(frozen=True)
class Forge:
    """Makes tokens that are right but for what it is told to get wrong.

    Args:
        key: of the issuer.
        key_id: under which it is published.
        issuer: and by whom.
        audience: for whom.

    """

    key: ec.EllipticCurvePrivateKey
    key_id: str
    issuer: str
    audience: str = "mindtrack"
    now: int = field(default_factory=lambda: int(time.time()))

    @property
    def claims(self) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "ada",
            "iat": self.now,
            "exp": self.now + 600,
        }

    def header(self, algorithm: str = "ES256", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        return _without({"alg": algorithm, "kid": self.key_id, "typ": "at+jwt", **changes})

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:  # noqa: ANN401 - JSON
        """Sign with the issuer's key; claims and members of the header that are None are left out."""
        signed = self.signed_part(self.header(**(header or {})), _without({**self.claims, **claims}))
        return self.by(self.key, signed)

    def signed_part(self, header: dict[str, Any], claims: dict[str, Any] | bytes) -> bytes:
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        return base64url_encode(json.dumps(header).encode()) + b"." + base64url_encode(payload)

    def by(self, key: Any, signed: bytes, algorithm: str = "ES256") -> str:  # noqa: ANN401 - of any kind
        signature = jwt.get_algorithm_by_name(algorithm).sign(signed, key)
        return (signed + b"." + base64url_encode(signature)).decode()

    def swapped(self, key: Any, algorithm: str, **header: Any) -> str:  # noqa: ANN401 - of any kind
        """Sign by another key or algorithm, under the issuer's name for its own."""
        return self.by(key, self.signed_part(self.header(algorithm, **header), self.claims), algorithm)

    def unsigned(self, algorithm: str) -> str:
        return self.signed_part(self.header(algorithm), self.claims).decode() + "."

    def public_key_as_secret(self, encoding: Encoding, form: PublicFormat) -> str:
        """Sign with HMAC, taking the public key for the secret."""
        secret = self.key.public_key().public_bytes(encoding, form)
        signed = self.signed_part(self.header("HS256"), self.claims)
        return (signed + b"." + base64url_encode(hmac.new(secret, signed, hashlib.sha256).digest())).decode()

    def parts(self) -> list[str]:
        return self.token().split(".")

    def with_payload(self, **claims: Any) -> str:  # noqa: ANN401 - JSON
        """Exchange the claims beneath a good signature."""
        header, _, signature = self.parts()
        payload = base64url_encode(json.dumps({**self.claims, **claims}).encode()).decode()
        return f"{header}.{payload}.{signature}"


def _without(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _jwk() -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True), "kid": "mine", "alg": "ES256"}


def _header(**members: Any) -> Callable[[Forge], str]:  # noqa: ANN401 - JSON
    return lambda forge: forge.token(header=members)


def _of_mine(**members: Any) -> Callable[[Forge], str]:  # noqa: ANN401 - JSON
    """Sign by a key of the forger's, and say in the header where to find it."""
    return lambda forge: forge.swapped(OTHER_KEY, "ES256", **members)


def _claims(**changes: Any) -> Callable[[Forge], str]:  # noqa: ANN401 - JSON
    return lambda forge: forge.token(**changes)


def _at(name: str, seconds: float) -> Callable[[Forge], str]:
    return lambda forge: forge.token(None, **{name: forge.now + seconds})


def _raw(payload: bytes) -> Callable[[Forge], str]:
    return lambda forge: forge.by(forge.key, forge.signed_part(forge.header(), payload))


def _endless(forge: Forge) -> str:
    claims = json.dumps(forge.claims).replace(str(forge.now + 600), "1" + "0" * 400)
    return forge.by(forge.key, forge.signed_part(forge.header(), claims.encode()))


def _infinite(forge: Forge) -> str:
    return forge.token(exp=float("inf"))


def _nested(forge: Forge) -> str:
    signed = forge.signed_part(forge.header(cty="JWT"), forge.token().encode())
    return forge.by(forge.key, signed)


def _encrypted(forge: Forge) -> str:
    header = base64url_encode(json.dumps({"alg": "dir", "enc": "A256GCM", "kid": forge.key_id}).encode())
    return header.decode() + "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"


def _changed(change: Callable[[str, str, str], str]) -> Callable[[Forge], str]:
    """Take a good token apart, and put it together some other way."""
    return lambda forge: change(*forge.parts())


PEM, DER = Encoding.PEM, Encoding.DER
SPKI = PublicFormat.SubjectPublicKeyInfo
JKU = "https://issuer.example.net/jwks.json"

BAD_TOKENS: dict[str, Callable[[Forge], str]] = {
    # The algorithm.
    **{
        f"alg {name}": partial(lambda forge, alg: forge.unsigned(alg), alg=name)
        for name in ("none", "None", "NONE")
    },
    "alg none, signed": _header(algorithm="none"),
    "no alg": lambda forge: forge.by(
        forge.key, forge.signed_part({"kid": forge.key_id, "typ": "at+jwt"}, forge.claims)
    ),
    "HS256 under the public key's PEM": lambda forge: forge.public_key_as_secret(PEM, SPKI),
    "HS256 under its DER": lambda forge: forge.public_key_as_secret(DER, SPKI),
    "HS256 under its point": lambda forge: forge.public_key_as_secret(
        Encoding.X962, PublicFormat.UncompressedPoint
    ),
    "HS256 under nothing": lambda forge: forge.by(
        b"", forge.signed_part(forge.header("HS256"), forge.claims), "HS256"
    ),
    "RS256": lambda forge: forge.swapped(RSA_KEY, "RS256"),
    "PS256": lambda forge: forge.swapped(RSA_KEY, "PS256"),
    "ES384": lambda forge: forge.swapped(P384_KEY, "ES384"),
    "EdDSA": lambda forge: forge.swapped(ED_KEY, "EdDSA"),
    "ES256 said, RS256 done": lambda forge: forge.by(
        RSA_KEY, forge.signed_part(forge.header(), forge.claims), "RS256"
    ),
    # Keys that the token brings along.
    "another's key": _of_mine(),
    "embedded jwk": _of_mine(jwk=_jwk()),
    "embedded jwk, without kid": _of_mine(jwk=_jwk(), kid=None),
    "jku": _of_mine(jku=JKU, kid="mine"),
    "x5u": _of_mine(x5u=JKU, kid="mine"),
    "x5c": _of_mine(x5c=["MIIB"], kid="mine"),
    # The key's name.
    "no kid": _header(kid=None),
    "unknown kid": _header(kid="unknown"),
    "empty kid": _header(kid=""),
    "kid is a number": _header(kid=7),
    "kid is a list": _header(kid=["one"]),
    "kid is a path": _header(kid="../../../../dev/null"),
    "kid is a statement": _header(kid="' or '1'='1' --"),
    "kid is an address": _header(kid=JKU),
    "kid is a template": _header(kid="${jndi:ldap://127.0.0.1/a}"),
    # What it is.
    "ID token": _header(typ="JWT"),
    "no typ": _header(typ=None),
    "typ of a logout token": _header(typ="logout+jwt"),
    "unknown crit": _header(crit=["shape"], shape="round"),
    "empty crit": _header(crit=[]),
    "payload that is not encoded": _header(b64=False, crit=["b64"]),
    "JWT in a JWT": _nested,
    "JWE": _encrypted,
    # For whom, and from whom.
    "another audience": _claims(aud="elsewhere"),
    "audiences without ours": _claims(aud=["elsewhere", "mindtrack2"]),
    "no audiences": _claims(aud=[]),
    "audience is an object": _claims(aud={"mindtrack": True}),
    "another issuer": _claims(iss="https://elsewhere.example"),
    "issuer with a slash": lambda forge: forge.token(iss=forge.issuer + "/"),
    "issuer in capitals": lambda forge: forge.token(iss=forge.issuer.upper()),
    "issuers": lambda forge: forge.token(iss=[forge.issuer]),
    **{f"no {claim}": _claims(**{claim: None}) for claim in ("iss", "aud", "sub", "iat", "exp")},
    # When.
    "expired": _at("exp", -60),
    "expires as text": lambda forge: forge.token(exp=str(forge.now + 600)),
    "expires truly": _claims(exp=True),
    "expires never": _infinite,
    "expires as a list": _claims(exp=[1]),
    "not yet valid": _at("nbf", 600),
    "valid from a text": lambda forge: forge.token(nbf=str(forge.now)),
    "issued in the future": _at("iat", 600),
    "issued as text": lambda forge: forge.token(iat=str(forge.now)),
    # Who, and as what.
    "empty subject": _claims(sub=""),
    "endless subject": _claims(sub="x" * 256),
    "subject is a number": _claims(sub=7),
    "subject is an object": _claims(sub={"eq": "ada"}),
    "subject that no text column holds": _claims(sub="a\0b"),
    "subject that no encoding holds": _claims(sub="a\ud800b"),
    "roles that are no list": _claims(roles="user"),
    # The bytes.
    "no token": lambda _: "abc",
    "a word": lambda _: "null",
    "dots": lambda _: "..",
    "no signature": _changed(lambda header, payload, _: f"{header}.{payload}"),
    "empty signature": _changed(lambda header, payload, _: f"{header}.{payload}."),
    "half a signature": _changed(lambda header, payload, signature: f"{header}.{payload}.{signature[:43]}"),
    "a signature of noughts": _changed(lambda header, payload, _: f"{header}.{payload}.{'A' * 86}"),
    "another token's signature": lambda forge: ".".join(
        [*forge.parts()[:2], forge.token(sub="eve").split(".")[2]]
    ),
    "another payload": lambda forge: forge.with_payload(sub="eve"),
    "more roles": lambda forge: forge.with_payload(roles=["operator"]),
    "four parts": lambda forge: forge.token() + ".AAAA",
    "padding": lambda forge: forge.token() + "==",
    "a space within": _changed(lambda header, payload, signature: f"{header}. {payload}.{signature}"),
    "a line within": _changed(lambda header, payload, signature: f"{header}.{payload}\t.{signature}"),
    "junk that decoders pass over": lambda forge: forge.token() + "!",
    "Bearer twice": lambda forge: f"Bearer {forge.token()}",
    "two tokens": lambda forge: f"{forge.token()}, {forge.token()}",
    "quoted": lambda forge: f'"{forge.token()}"',
    "letters beyond ASCII": lambda forge: forge.token() + "é",
    "header is no JSON": lambda forge: f"AAAA.{forge.parts()[1]}.{forge.parts()[2]}",
    "header is a list": lambda forge: f"{base64url_encode(b'[]').decode()}.{forge.parts()[1]}.AAAA",
    "payload is a list": _raw(b"[]"),
    "payload is deep": _raw(b"[" * 5000 + b"]" * 5000),
    "longer than any token": _claims(note="x" * 20_000),
}

#: Genuine, but accepted for as long as they say they could not be called back.
LONG_LIVED: dict[str, Callable[[Forge], str]] = {
    "expires in a year": _at("exp", 365 * 86400),
    "expires beyond numbers": _endless,
}
