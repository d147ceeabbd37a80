from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm
from structlog.testing import capture_logs

from mindtrack_gateway.identity import TokenVerifier
from mindtrack_gateway.problems import UnauthorizedError
from mindtrack_gateway.trusted_keys import LOOK_EVERY, TrustedKeys
from mindtrack_shared.observability import events
from mindtrack_shared.settings import IssuerSettings

ISSUER = "https://issuer.example"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
NOW = int(time.time())
CLAIMS: dict[str, Any] = {"iss": ISSUER, "aud": "mindtrack", "sub": "ada", "iat": NOW, "exp": NOW + 600}
HEADER: dict[str, Any] = {"kid": "one", "typ": "at+jwt"}


def key_set(**keys: ec.EllipticCurvePrivateKey) -> str:
    """Publish keys by their names."""
    jwks = [
        {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": name, "alg": "ES256", "use": "sig"}
        for name, key in keys.items()
    ]
    return json.dumps({"keys": jwks})


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> TokenVerifier:
    path = tmp_path_factory.mktemp("issuer") / "jwks.json"
    path.write_text(key_set(one=KEY))
    return TokenVerifier(IssuerSettings(jwks_file=path, issuer=ISSUER))


def token(
    claims: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    key: Any = KEY,  # noqa: ANN401 - whatever kind of key an attacker tries
    algorithm: str = "ES256",
) -> str:
    merged = {name: value for name, value in {**CLAIMS, **(claims or {})}.items() if value is not None}
    headers = {name: value for name, value in {**HEADER, **(header or {})}.items() if value is not None}
    return jwt.encode(merged, key, algorithm, headers=headers)


def public_key_as_secret() -> str:
    """Forge the classic: sign with HMAC, taking the public key for the secret."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    def part(value: dict[str, Any]) -> bytes:
        return jwt.utils.base64url_encode(json.dumps(value).encode())

    secret = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = part({**HEADER, "alg": "HS256"}) + b"." + part(CLAIMS)
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + jwt.utils.base64url_encode(signature)).decode()


def test_a_good_token_names_its_principal(verifier: TokenVerifier) -> None:
    assert verifier.verify(token({"roles": ["user"]})).subject == "ada"


class Rotation:
    """A key set that changes, and a clock by which the gateway looks at it for every token."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "jwks.json"
        self._seconds = 0.0
        self.path.write_text(key_set(one=KEY))
        self._verifier = TokenVerifier(IssuerSettings(jwks_file=self.path, issuer=ISSUER), self._later)

    def _later(self) -> float:
        self._seconds += LOOK_EVERY
        return self._seconds

    def write(self, text: str) -> None:
        """Put another file in its place, as a ConfigMap does."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.path)

    @property
    def accepted(self) -> tuple[bool, bool]:
        """Whether tokens of the old key and of the new one are."""
        return self._accepts("one", KEY), self._accepts("two", OTHER_KEY)

    def _accepts(self, key_id: str, key: ec.EllipticCurvePrivateKey) -> bool:
        try:
            return self._verifier.verify(token(header={"kid": key_id}, key=key)).subject == "ada"
        except UnauthorizedError:
            return False


@pytest.fixture
def rotation(tmp_path: Path) -> Rotation:
    return Rotation(tmp_path)


def test_a_rotation_refuses_nobody_until_the_old_key_is_retired(rotation: Rotation) -> None:
    assert rotation.accepted == (True, False)

    with capture_logs() as log:
        rotation.write(key_set(one=KEY, two=OTHER_KEY))
        assert rotation.accepted == (True, True)
    assert [(line["event"], line["key_ids"]) for line in log] == [(events.KEYS_CHANGED, ["one", "two"])]

    rotation.write(key_set(two=OTHER_KEY))
    assert rotation.accepted == (False, True)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"keys": []}', '{"keys": [{"kty": "EC"}]}', None])
def test_a_key_set_that_breaks_changes_nothing(rotation: Rotation, broken: str | None) -> None:
    with capture_logs() as log:
        if broken is None:
            rotation.path.unlink()
        else:
            rotation.write(broken)
        assert [rotation.accepted for _ in range(3)] == [(True, False)] * 3
    assert [line["event"] for line in log] == [events.KEYS_REFUSED], "said once"

    rotation.write(key_set(two=OTHER_KEY))
    assert rotation.accepted == (False, True)


def test_the_file_is_not_looked_at_for_every_request(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(key_set(one=KEY))
    keys = TrustedKeys(path, clock=lambda: 0.0)
    path.write_text(key_set(two=KEY))

    assert keys.get("one")
    assert keys.get("two") is None


def test_a_key_set_without_usable_keys_is_refused_at_start(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    jwk = {**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "alg": "ES256"}
    path.write_text(json.dumps({"keys": [jwk]}))

    with pytest.raises(ValueError, match="no key with a `kid`"):
        TokenVerifier(IssuerSettings(jwks_file=path, issuer=ISSUER))


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "not a token": lambda: "abc",
    "unsigned": lambda: token(key="", algorithm="none"),
    "public key taken for a secret": public_key_as_secret,
    "another issuer's key": lambda: token(key=OTHER_KEY),
    "unknown kid": lambda: token(header={"kid": "two"}),
    "no kid": lambda: token(header={"kid": None}),
    "identity token": lambda: token(header={"typ": "JWT"}),
    "expired": lambda: token({"exp": NOW - 60}),
    "not yet valid": lambda: token({"nbf": NOW + 600}),
    "issued in the future": lambda: token({"iat": NOW + 600}),
    "another audience": lambda: token({"aud": "elsewhere"}),
    "another issuer": lambda: token({"iss": "https://elsewhere.example"}),
    **{f"no {claim}": partial(token, {claim: None}) for claim in ("iss", "aud", "sub", "iat", "exp")},
    "empty subject": lambda: token({"sub": ""}),
    "endless subject": lambda: token({"sub": "x" * 256}),
    "subject that no text column holds": lambda: token({"sub": "a\0b"}),
    "tampered": lambda: token()[:-4] + "AAAA",
}


@pytest.mark.parametrize("forge", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_bad_token_is_refused_without_a_hint(verifier: TokenVerifier, forge: Callable[[], str]) -> None:
    with pytest.raises(UnauthorizedError, match=r"^The access token is not valid\.$"):
        verifier.verify(forge())
