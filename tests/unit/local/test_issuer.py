from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from mindtrack_local.issuer import LIFE, Issuer


def decode(issuer: Issuer, token: str) -> dict[str, Any]:
    """Check a token as the gateway must: by the published keys and the settings alone."""
    settings = issuer.settings
    keys = jwt.PyJWKSet.from_dict(json.loads(settings.jwks_path.read_text()))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        issuer=settings.issuer,
        audience=settings.audience,
        options={"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"]},
    )


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "issuer")


def test_a_token_verifies_against_the_published_keys(issuer: Issuer) -> None:
    claims = decode(issuer, issuer.token("someone"))

    assert claims["sub"] == "someone"
    assert claims["roles"] == ["user"]
    assert claims["exp"] - claims["iat"] == LIFE.total_seconds()


def test_a_token_says_what_kind_it_is(issuer: Issuer) -> None:
    header = jwt.get_unverified_header(issuer.token("someone"))

    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": issuer.key_id}


def test_roles_are_as_asked(issuer: Issuer) -> None:
    assert decode(issuer, issuer.token("dr", "clinician", "operator"))["roles"] == ["clinician", "operator"]


def test_no_two_tokens_are_the_same(issuer: Issuer) -> None:
    first, second = (decode(issuer, issuer.token("someone"))["jti"] for _ in range(2))
    assert first != second


def test_an_expired_token_is_refused(issuer: Issuer) -> None:
    with pytest.raises(jwt.ExpiredSignatureError):
        decode(issuer, issuer.token("someone", life=timedelta(seconds=-1)))


def test_keys_survive_a_restart(issuer: Issuer, tmp_path: Path) -> None:
    later = Issuer(tmp_path / "issuer")

    assert decode(later, issuer.token("someone"))["sub"] == "someone"
    assert later.key_id == issuer.key_id


def test_another_issuers_token_is_refused(issuer: Issuer, tmp_path: Path) -> None:
    stranger = Issuer(tmp_path / "stranger")
    forged = jwt.encode({}, stranger.private_key, "ES256", headers={"kid": issuer.key_id})

    with pytest.raises(jwt.InvalidSignatureError):
        decode(issuer, forged)


def test_only_the_owner_can_read_the_private_key(issuer: Issuer, tmp_path: Path) -> None:
    assert issuer.settings.jwks_path.parent == tmp_path / "issuer"
    (key,) = (tmp_path / "issuer").glob("*.pem")
    assert key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in issuer.settings.jwks_path.read_text()
    assert '"d"' not in issuer.settings.jwks_path.read_text()
