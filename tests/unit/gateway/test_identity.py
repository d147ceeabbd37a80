from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from pydantic import ValidationError
from structlog.testing import capture_logs

from bad_tokens import BAD_TOKENS, LONG_LIVED, OTHER_KEY, Forge
from mindtrack_gateway import identity
from mindtrack_gateway.identity import LEEWAY, Principal, Role, TokenVerifier
from mindtrack_gateway.problems import DependencyUnavailableError, UnauthorizedError
from mindtrack_gateway.trusted_keys import (
    FETCH_AGAIN_AFTER,
    FETCH_EVERY,
    FETCH_FIRST_AGAIN_AFTER,
    LOOK_EVERY,
    PublishedKeys,
    TrustedKeys,
)
from mindtrack_shared.observability import events
from mindtrack_shared.settings import IssuerSettings

ISSUER = "https://issuer.example"
KEY = ec.generate_private_key(ec.SECP256R1())
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


async def test_a_good_token_names_its_principal(verifier: TokenVerifier) -> None:
    assert await verifier.verify(token()) == Principal("ada", frozenset({Role.USER}), NOW + 600)


@pytest.mark.parametrize(
    ("claimed", "roles"),
    [
        (None, {Role.USER}),
        ([], set()),
        (["clinician", "user"], {Role.CLINICIAN, Role.USER}),
        (["operator", "superuser", 7], {Role.OPERATOR}),
    ],
)
async def test_roles_are_those_that_mean_something(
    verifier: TokenVerifier, claimed: list[Any] | None, roles: set[Role]
) -> None:
    assert (await verifier.verify(token({"roles": claimed}))).roles == roles


async def test_a_verified_token_is_recalled_until_it_expires(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = token({"exp": int(time.time()) + 20, "jti": "short"})
    assert verifier.recall(short) is None
    found = await verifier.verify(short)
    assert verifier.recall(short) == found

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 20 + LEEWAY + 1)
    assert verifier.recall(short) is None


async def test_no_more_tokens_are_remembered_than_that(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "REMEMBERED_TOKENS", 3)
    monkeypatch.setattr(verifier, "_verified", {})
    tokens = [token({"jti": str(number)}) for number in range(5)]
    for each in tokens:
        await verifier.verify(each)
    assert [verifier.recall(each) is not None for each in tokens] == [False, False, True, True, True]


async def test_a_token_that_lives_too_long_is_refused(tmp_path: Path) -> None:
    """From `iat` to `exp`, however much of that is left."""
    path = tmp_path / "jwks.json"
    path.write_text(key_set(one=KEY))
    strict = TokenVerifier(IssuerSettings(jwks_file=path, issuer=ISSUER, longest_life=timedelta(minutes=15)))
    now = int(time.time())
    await strict.verify(token({"iat": now, "exp": now + 900}))
    for life in ({"iat": now, "exp": now + 901}, {"iat": now - 890, "exp": now + 20}):
        with pytest.raises(UnauthorizedError, match="valid for too long"):
            await strict.verify(token(life))


async def test_an_hour_is_the_longest_life_unless_told(verifier: TokenVerifier) -> None:
    now = int(time.time())
    await verifier.verify(token({"iat": now, "exp": now + 3600}))
    with pytest.raises(UnauthorizedError, match="valid for too long"):
        await verifier.verify(token({"iat": now, "exp": now + 3601}))


@pytest.mark.parametrize(
    ("claims", "enough"),
    [
        ({"roles": ["clinician"]}, False),
        ({"roles": ["clinician"], "amr": ["pwd"], "acr": "1"}, False),
        ({"roles": ["clinician"], "amr": "mfa"}, False),
        ({"roles": ["clinician"], "amr": [["mfa"], {"mfa": 1}]}, False),
        ({"roles": ["user", "operator"], "amr": []}, False),
        ({"roles": ["emergency"], "amr": ["pwd"]}, False),
        ({"roles": ["emergency"], "amr": ["mfa"]}, True),
        ({"roles": ["clinician"], "amr": ["pwd", "mfa"]}, True),
        ({"roles": ["clinician"], "acr": "urn:example:two"}, True),
        ({"roles": ["user"]}, True),
        ({}, True),
    ],
)
async def test_who_reads_of_others_may_need_a_second_factor(
    tmp_path: Path, claims: dict[str, Any], *, enough: bool
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(key_set(one=KEY))
    strict = TokenVerifier(
        IssuerSettings(jwks_file=path, issuer=ISSUER, second_factor=("mfa", "urn:example:two"))
    )
    if enough:
        await strict.verify(token(claims))
    else:
        with pytest.raises(UnauthorizedError, match="second factor"):
            await strict.verify(token(claims))


async def test_nobody_needs_one_unless_told(verifier: TokenVerifier) -> None:
    await verifier.verify(token({"roles": ["clinician"], "jti": "one factor"}))


class Address:
    """An issuer's `jwks_uri`, and a clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.keys: str | None = key_set(one=KEY)
        self.asked = 0
        #: Real seconds that an answer takes.
        self.takes = 0.0

    @contextmanager
    def serving(self) -> Iterator[str]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                time.sleep(outer.takes)
                self.send_response(200 if outer.keys else 503)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write((outer.keys or "").encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/jwks"
            finally:
                server.shutdown()


async def test_keys_are_fetched_from_the_issuers_address() -> None:
    address = Address()
    with address.serving() as url:
        keys = PublishedKeys(url, clock=lambda: address.seconds)
        assert await keys.get("one")
        assert await keys.get("two") is None
        assert await keys.get("two") is None
        assert address.asked == 1, "a made-up key asks for nothing so soon"

        address.keys, address.seconds = key_set(one=KEY, two=OTHER_KEY), FETCH_AGAIN_AFTER
        before = keys.generation
        assert await keys.get("two")
        assert keys.generation > before

        address.keys, address.seconds = key_set(two=OTHER_KEY), address.seconds + FETCH_EVERY
        assert await keys.get("one") is None


async def test_the_last_good_keys_stay_while_the_issuer_is_away() -> None:
    address = Address()
    with address.serving() as url:
        keys = PublishedKeys(url, clock=lambda: address.seconds)
        assert await keys.get("one")
        for broken in (None, "{", '{"keys": []}'):
            address.keys, address.seconds = broken, address.seconds + FETCH_EVERY
            with capture_logs() as log:
                assert await keys.get("one")
            assert [line["event"] for line in log] == [events.KEYS_REFUSED]


async def test_before_the_first_keys_nothing_is_said_about_tokens() -> None:
    address = Address()
    address.keys = None
    with address.serving() as url:
        keys = PublishedKeys(url, clock=lambda: address.seconds)
        for _ in range(3):
            with pytest.raises(DependencyUnavailableError):
                await keys.get("one")
        assert address.asked == 1

        address.keys, address.seconds = key_set(one=KEY), FETCH_FIRST_AGAIN_AFTER
        assert await keys.get("one")


async def test_who_gives_up_waiting_for_a_slow_issuer_takes_its_answer_from_nobody() -> None:
    address = Address()
    address.takes = 0.5
    with address.serving() as url:
        keys = PublishedKeys(url, clock=lambda: address.seconds)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keys.known(), 0.1)
        assert await keys.known()
    assert address.asked == 1


async def test_many_callers_fetch_once() -> None:
    address = Address()
    with address.serving() as url:
        keys = PublishedKeys(url, clock=lambda: address.seconds)
        assert all(await asyncio.gather(*(keys.get("one") for _ in range(50))))
    assert address.asked == 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"jwks_file": "a", "jwks_url": "https://issuer.example/jwks"},
        {"jwks_url": "http://issuer.example/jwks"},
        {"jwks_file": "a", "issuer": "http://127.0.0.1/mindtrack-local"},
        {"jwks_file": "a", "algorithm": "HS256"},
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused_at_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IssuerSettings(**{"issuer": ISSUER, **settings})


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

    async def accepted(self) -> tuple[bool, bool]:
        """Whether tokens of the old key and of the new one are."""
        return await self._accepts("one", KEY), await self._accepts("two", OTHER_KEY)

    async def _accepts(self, key_id: str, key: ec.EllipticCurvePrivateKey) -> bool:
        try:
            await self._verifier.verify(token(header={"kid": key_id}, key=key))
        except UnauthorizedError:
            return False
        return True


@pytest.fixture
def rotation(tmp_path: Path) -> Rotation:
    return Rotation(tmp_path)


async def test_a_rotation_refuses_nobody_until_the_old_key_is_retired(rotation: Rotation) -> None:
    assert await rotation.accepted() == (True, False)

    with capture_logs() as log:
        rotation.write(key_set(one=KEY, two=OTHER_KEY))
        assert await rotation.accepted() == (True, True)
    assert [(line["event"], line["key_ids"]) for line in log] == [(events.KEYS_CHANGED, ["one", "two"])]

    rotation.write(key_set(two=OTHER_KEY))
    assert await rotation.accepted() == (False, True)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"keys": []}', '{"keys": [{"kty": "EC"}]}', None])
async def test_a_key_set_that_breaks_changes_nothing(rotation: Rotation, broken: str | None) -> None:
    with capture_logs() as log:
        if broken is None:
            rotation.path.unlink()
        else:
            rotation.write(broken)
        assert [await rotation.accepted() for _ in range(3)] == [(True, False)] * 3
    assert [line["event"] for line in log] == [events.KEYS_REFUSED], "said once"

    rotation.write(key_set(two=OTHER_KEY))
    assert await rotation.accepted() == (False, True)


async def test_the_file_is_not_looked_at_for_every_request(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(key_set(one=KEY))
    keys = TrustedKeys(path, clock=lambda: 0.0)
    path.write_text(key_set(two=KEY))

    assert await keys.get("one")
    assert await keys.get("two") is None


def test_a_key_set_without_usable_keys_is_refused_at_start(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    jwk = {**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "alg": "ES256"}
    path.write_text(json.dumps({"keys": [jwk]}))

    with pytest.raises(ValueError, match="no key has a `kid`"):
        TokenVerifier(IssuerSettings(jwks_file=path, issuer=ISSUER))


FORGE = Forge(KEY, "one", ISSUER)


async def test_what_the_forge_gets_right_is_good(verifier: TokenVerifier) -> None:
    assert (await verifier.verify(FORGE.token())).subject == "ada"
    assert (await verifier.verify(FORGE.token(aud=["elsewhere", "mindtrack"]))).subject == "ada"


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_a_bad_token_is_refused_without_a_hint(
    verifier: TokenVerifier, bad: Callable[[Forge], str]
) -> None:
    with pytest.raises(UnauthorizedError, match=r"^The access token is not valid\.$"):
        await verifier.verify(bad(FORGE))


@pytest.mark.parametrize("long", LONG_LIVED.values(), ids=LONG_LIVED.keys())
async def test_one_that_lives_too_long_is_told_so(
    verifier: TokenVerifier, long: Callable[[Forge], str]
) -> None:
    with pytest.raises(UnauthorizedError, match="valid for too long"):
        await verifier.verify(long(FORGE))


@pytest.fixture
def published() -> Iterator[tuple[Address, TokenVerifier]]:
    """A verifier that fetches its keys from the issuer's address, and the address."""
    address = Address()
    with address.serving() as url:
        settings = IssuerSettings(jwks_url=url, issuer=ISSUER, local=True)
        yield address, TokenVerifier(settings, clock=lambda: address.seconds)


async def test_bad_tokens_fetch_keys_once_in_a_while_at_most(
    published: tuple[Address, TokenVerifier],
) -> None:
    address, verifier = published
    await verifier.verify(FORGE.token())
    for _ in range(3):
        address.seconds += FETCH_AGAIN_AFTER
        before = address.asked
        forged = [bad(FORGE) for bad in BAD_TOKENS.values()]
        forged += [FORGE.token(header={"kid": f"made up {number}"}) for number in range(100)]
        answers = await asyncio.gather(*map(verifier.verify, forged), return_exceptions=True)
        assert all(isinstance(answer, UnauthorizedError) for answer in answers)
        assert address.asked == before + 1


async def test_what_cannot_be_a_token_of_ours_fetches_nothing(
    published: tuple[Address, TokenVerifier],
) -> None:
    address, verifier = published
    for bad in (
        FORGE.token(header={"kid": "unknown", "typ": "JWT"}),
        FORGE.swapped(OTHER_KEY, "ES256", kid=None),
        FORGE.unsigned("none"),
        "abc",
    ):
        with pytest.raises(UnauthorizedError):
            await verifier.verify(bad)
    assert address.asked == 0


async def test_a_token_of_a_retired_key_is_refused_although_it_was_good_a_moment_ago(
    published: tuple[Address, TokenVerifier],
) -> None:
    address, verifier = published
    good = FORGE.token()
    await verifier.verify(good)
    assert verifier.recall(good) is not None

    address.keys, address.seconds = key_set(two=OTHER_KEY), FETCH_EVERY
    await verifier.verify(FORGE.by(OTHER_KEY, FORGE.signed_part(FORGE.header(kid="two"), FORGE.claims)))
    assert verifier.recall(good) is None
    with pytest.raises(UnauthorizedError):
        await verifier.verify(good)
