"""Bad tokens over a real connection: all get the same answer, whichever way they are bad."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from bad_tokens import BAD_TOKENS, Forge
from mindtrack_gateway.protocol import LONGEST_HEAD
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_local.issuer import ISSUER

PATH = "/v1/jobs"
CHALLENGE = 'Bearer realm="mindtrack"'


@pytest.fixture(scope="module")
def forge(infrastructure: Infrastructure) -> Forge:
    return Forge(infrastructure.issuer.private_key, infrastructure.issuer.key_id, ISSUER)


@pytest.fixture(scope="module")
def nobody(gateway: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway, timeout=30) as client:
        yield client


def asked(client: httpx.Client, *authorizations: str, path: str = PATH) -> httpx.Response:
    fields = [(b"Authorization", value.encode("latin-1")) for value in authorizations]
    return client.get(path, headers=fields)


@pytest.fixture(scope="module")
def refusal(nobody: httpx.Client) -> bytes:
    """What every bad token is told."""
    response = asked(nobody, "Bearer nonsense")
    assert response.status_code == 401
    return response.content


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_is_good_however_its_scheme_is_spelled(
    nobody: httpx.Client, forge: Forge, scheme: str
) -> None:
    assert asked(nobody, f"{scheme} {forge.token()}").status_code == 200


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_every_bad_token_gets_the_same_answer(
    nobody: httpx.Client, forge: Forge, refusal: bytes, bad: Callable[[Forge], str]
) -> None:
    response = asked(nobody, f"Bearer {bad(forge)}")

    assert response.status_code == 401
    assert response.content == refusal
    assert response.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize("order", [("Bearer {}", "Bearer nonsense"), ("Bearer nonsense", "Bearer {}")])
@pytest.mark.parametrize("path", [PATH, f"{PATH}/00000000-0000-7000-8000-000000000000"])
def test_of_two_tokens_none_counts(
    nobody: httpx.Client, forge: Forge, order: tuple[str, str], path: str
) -> None:
    """Whoever stands in front of us may look at the other one. Also not for polls, which take a short way."""
    good = forge.token()
    assert asked(nobody, f"Bearer {good}", path=path).status_code in {200, 404}, "known from now on"

    response = asked(nobody, *(each.format(good) for each in order), path=path)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic YWRhOmFkYQ==", "Token abc", "Bearer\t{}"])
def test_what_is_no_bearer_token_is_none(nobody: httpx.Client, forge: Forge, authorization: str) -> None:
    response = asked(nobody, authorization.format(forge.token()))

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE


def test_a_head_that_a_token_makes_too_long_is_not_read(gateway: str) -> None:
    address = urlsplit(gateway)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        head = f"GET {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
        connection.sendall(head.encode() + b"A" * (LONGEST_HEAD + 1024) + b"\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.1 400 ")
