from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2 as httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Request, Response
from jwt.algorithms import ECAlgorithm
from pydantic import SecretStr, ValidationError

from mindtrack_gateway.identity import TokenVerifier
from mindtrack_gateway.problems import CrossSiteError
from mindtrack_gateway.settings import SignInSettings
from mindtrack_gateway.signin.attempts import Attempt
from mindtrack_gateway.signin.browser import LARGEST_COOKIE, Browser, CookieTooLargeError
from mindtrack_gateway.signin.flow import SignIn
from mindtrack_gateway.signin.id_tokens import IdTokenError, IdTokens
from mindtrack_gateway.signin.outcomes import Outcome, SignInError
from mindtrack_gateway.signin.paths import LONGEST, local_path
from mindtrack_gateway.signin.provider import FETCH_EVERY, Provider
from mindtrack_shared.settings import IssuerSettings

PAGE = "https://mindtrack.example.org"
ISSUER = "https://issuer.example"
CLIENT = "page"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
NOW = int(time.time())
NONCE = "nonce-1"
ACCESS_TOKEN = "an.access.token"  # noqa: S105 - nobody's


def request(
    method: str = "GET",
    path: str = "/v1/jobs",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Request:
    sent = {"host": "127.0.0.1:8000", **(headers or {})}
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": urlencode(query or {}).encode(),
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }
    )


# --- Where somebody comes back to -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/history",
        "/results/0198c6a1-0000-7000-8000-000000000000",
        "/patients?limit=5&order=urgency#first",
        "/results/a%20b",
        "/.well-known/x",
        "/sessions",
        "/x?next=https://evil.example",
    ],
)
def test_a_path_of_ours_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        7,
        "",
        "history",
        "https://evil.example/",
        "javascript:alert(1)",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "/\t/evil.example",
        "/\n/evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "/\x00",
        "/\x7f",
        " /history",
        "/his tory",
        "/ö",
        "/./session/sign-in",
        "/a/../session/sign-in",
        "/%2e%2e/session",
        "/session",
        "/session/sign-in?to=/",
        "/%73ession/sign-in",
        "/" + "a" * LONGEST,
    ],
)
def test_what_could_lead_elsewhere_is_not(path: object) -> None:
    assert local_path(path) is None


# --- The attempt ----------------------------------------------------------------------------------------


def test_the_challenge_is_pkces() -> None:
    """The example of RFC 7636, appendix B."""
    attempt = Attempt("s", "n", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "/")

    assert attempt.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_no_two_attempts_share_a_secret() -> None:
    attempts = [Attempt.new("/") for _ in range(50)]

    secrets = {value for each in attempts for value in (each.state, each.nonce, each.verifier)}

    assert len(secrets) == 150
    assert all(43 <= len(each.verifier) <= 128 for each in attempts)


def test_an_attempt_travels_in_a_cookie() -> None:
    attempt = Attempt.new("/patients?limit=5")

    assert Attempt.decode(attempt.encode()) == attempt
    assert set(attempt.encode()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _packed(**changed: object) -> str:
    values = {"state": "s", "nonce": "n", "verifier": "v", "to": "/", **changed}
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "!",
        "AAAA",
        "A",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"[" * 2000).decode(),
        _packed(state=7),
        _packed(verifier="ö"),
        _packed(more="x"),
        _packed(to="//evil.example"),
        _packed(state="s" * 5000),
    ],
)
def test_what_is_no_attempt_is_none(text: str | None) -> None:
    assert Attempt.decode(text) is None


def test_the_smallest_attempt_is_one() -> None:
    assert Attempt.decode(_packed()) == Attempt("s", "n", "v", "/")


# --- Cookies --------------------------------------------------------------------------------------------


def cookie(browser: Browser, token: str = "t") -> str:  # noqa: S107 - nobody's
    response = Response()
    browser.open(response, token, seconds=300)
    return response.headers["set-cookie"]


def test_over_https_the_cookie_is_bound_to_the_host() -> None:
    browser = Browser(PAGE, local=False, enabled=True)

    assert cookie(browser) == "__Host-mindtrack=t; HttpOnly; Max-Age=300; Path=/; SameSite=lax; Secure"


def test_over_http_it_has_another_name() -> None:
    browser = Browser(None, local=True, enabled=True)

    assert cookie(browser) == "mindtrack=t; HttpOnly; Max-Age=300; Path=/; SameSite=lax"


@pytest.mark.parametrize("local", [True, False])
def test_a_proxy_with_tls_counts_as_https(local: bool) -> None:  # noqa: FBT001 - a case
    assert Browser(PAGE, local=local, enabled=True).session_cookie == "__Host-mindtrack"


@pytest.mark.parametrize("public_url", [None, "http://mindtrack.example.org"])
def test_nobody_signs_in_without_tls_but_on_one_machine(public_url: str | None) -> None:
    with pytest.raises(ValueError, match="MINDTRACK_GATEWAY_PUBLIC_URL"):
        Browser(public_url, local=False, enabled=True)
    assert Browser(public_url, local=False, enabled=False).token("mindtrack=t; __Host-mindtrack=t") is None


def test_signing_out_deletes_the_very_cookie() -> None:
    response = Response()
    Browser(PAGE, local=False, enabled=True).close(response)

    assert response.headers["set-cookie"] == (
        '__Host-mindtrack=""; HttpOnly; Max-Age=0; Path=/; SameSite=lax; Secure'
    )


def test_a_cookie_that_browsers_would_drop_is_not_set() -> None:
    browser = Browser(PAGE, local=False, enabled=True)
    most = LARGEST_COOKIE - len(cookie(browser, ""))
    fits = "t" * (most + 2)  # an empty value is written in quotes

    assert len(cookie(browser, fits)) == LARGEST_COOKIE
    with pytest.raises(CookieTooLargeError, match="4097 bytes"):
        cookie(browser, fits + "t")


@pytest.mark.parametrize(
    ("sent", "token"),
    [
        ("__Host-mindtrack=a.b.c", "a.b.c"),
        ("other=1;__Host-mindtrack=a; more=2", "a"),
        ("mindtrack=a", None),
        ("__Host-mindtrack-sign-in=a", None),
        ("x__Host-mindtrack=a", None),
        ("__Host-mindtrack=", None),
        ("__Host-mindtrack", None),
        ("", None),
    ],
)
def test_the_session_is_found_by_its_whole_name(sent: str, token: str | None) -> None:
    assert Browser(PAGE, local=False, enabled=True).token(sent) == token


# --- Who may use it -------------------------------------------------------------------------------------

SITES = ("same-origin", "same-site", "cross-site", "none", "")
ORIGINS = (PAGE, "https://evil.example", "https://mindtrack.example.org.evil.example", "null", None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("site", [*SITES, None])
@pytest.mark.parametrize("origin", ORIGINS)
def test_what_changes_something_must_come_from_our_page(
    method: str, site: str | None, origin: str | None
) -> None:
    browser = Browser(PAGE, local=False, enabled=True)
    said = {"Cookie": "__Host-mindtrack=t", "Sec-Fetch-Site": site, "Origin": origin}
    asked = request(method, headers={name: value for name, value in said.items() if value is not None})
    own = site == "same-origin" or (site is None and origin == PAGE)

    if method in {"GET", "HEAD", "OPTIONS"} or own:
        assert browser.session(asked) == "t"
    else:
        with pytest.raises(CrossSiteError):
            browser.session(asked)


def test_without_a_cookie_nothing_is_asked_of_a_request() -> None:
    asked = request("POST", headers={"Sec-Fetch-Site": "cross-site"})

    assert Browser(PAGE, local=False, enabled=True).session(asked) is None


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        (None, "http://127.0.0.1:8000"),
        ("https://api.example.org/mindtrack/", "https://api.example.org"),
        ("https://api.example.org:8443/", "https://api.example.org:8443"),
    ],
)
def test_our_origin_is_that_of_the_address(public_url: str | None, origin: str) -> None:
    browser = Browser(public_url, local=True, enabled=True)

    browser.require_own_page(request("POST", headers={"Origin": origin}))
    with pytest.raises(CrossSiteError):
        browser.require_own_page(request("POST", headers={"Origin": origin + "0"}))


def test_home_is_where_the_page_is() -> None:
    assert Browser("https://a.example/mindtrack/", local=False, enabled=True).home(request()) == "/mindtrack/"
    assert Browser(None, local=True, enabled=True).home(request()) == "/"


# --- ID tokens ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> IssuerSettings:
    path = tmp_path_factory.mktemp("issuer") / "jwks.json"
    jwk = json.loads(ECAlgorithm.to_jwk(KEY.public_key()))
    path.write_text(json.dumps({"keys": [{**jwk, "kid": "one", "alg": "ES256"}]}))
    return IssuerSettings(jwks_file=path, issuer=ISSUER)


@pytest.fixture(scope="module")
def id_tokens(issuer: IssuerSettings) -> IdTokens:
    return IdTokens(TokenVerifier(issuer).keys, issuer=ISSUER, client_id=CLIENT, algorithm="ES256")


def at_hash(token: str = ACCESS_TOKEN) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).decode().rstrip("=")


def id_token(
    claims: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    key: Any = KEY,  # noqa: ANN401 - whatever kind of key an attacker tries
    algorithm: str = "ES256",
) -> str:
    good = {"iss": ISSUER, "aud": CLIENT, "sub": "ada", "iat": NOW, "exp": NOW + 300, "nonce": NONCE}
    merged = {name: value for name, value in {**good, **(claims or {})}.items() if value is not None}
    headers = {name: value for name, value in {"kid": "one", **(header or {})}.items() if value is not None}
    return jwt.encode(merged, key, algorithm, headers=headers)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": [CLIENT]},
        {"azp": CLIENT},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"at_hash": at_hash()},
    ],
)
async def test_a_good_id_token_is_accepted(id_tokens: IdTokens, claims: dict[str, Any]) -> None:
    await id_tokens.check(id_token(claims), nonce=NONCE, access_token=ACCESS_TOKEN)


BAD: dict[str, Callable[[], str]] = {
    "not a token": lambda: "abc",
    "unsigned": lambda: id_token(key="", algorithm="none"),
    "signed with a secret": lambda: id_token(key="x" * 64, algorithm="HS256"),
    "another's key": lambda: id_token(key=OTHER_KEY),
    "unknown kid": lambda: id_token(header={"kid": "two"}),
    "no kid": lambda: id_token(header={"kid": None}),
    "an access token": lambda: id_token(header={"typ": "at+jwt"}),
    "an access token in capitals": lambda: id_token(header={"typ": "AT+JWT"}),
    "another issuer": lambda: id_token({"iss": "https://elsewhere.example"}),
    "another audience": lambda: id_token({"aud": "another"}),
    "audiences without us": lambda: id_token({"aud": ["another", "mindtrack"], "azp": CLIENT}),
    "audiences besides us, for nobody": lambda: id_token({"aud": [CLIENT, "another"]}),
    "made for another party": lambda: id_token({"azp": "another"}),
    "party that is no name": lambda: id_token({"azp": [CLIENT]}),
    "expired": lambda: id_token({"exp": NOW - 60}),
    "issued in the future": lambda: id_token({"iat": NOW + 600}),
    "another nonce": lambda: id_token({"nonce": "nonce-2"}),
    "no nonce": lambda: id_token({"nonce": None}),
    "nonce that is no text": lambda: id_token({"nonce": 7}),
    "another access token": lambda: id_token({"at_hash": at_hash("another")}),
    "at_hash that is no text": lambda: id_token({"at_hash": 7}),
    "tampered": lambda: id_token()[:-4] + "AAAA",
    **{f"no {claim}": partial(id_token, {claim: None}) for claim in ("iss", "aud", "sub", "iat", "exp")},
}


@pytest.mark.parametrize("forge", BAD.values(), ids=BAD.keys())
async def test_a_bad_id_token_is_refused(id_tokens: IdTokens, forge: Callable[[], str]) -> None:
    with pytest.raises(IdTokenError):
        await id_tokens.check(forge(), nonce=NONCE, access_token=ACCESS_TOKEN)


# --- The provider ---------------------------------------------------------------------------------------

DESCRIPTION: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize?tenant=1",
    "token_endpoint": f"{ISSUER}/token",
    "end_session_endpoint": f"{ISSUER}/logout",
}
TOKENS = {"access_token": "a", "id_token": "i", "token_type": "bearer", "expires_in": 300}
CALLBACK = f"{PAGE}/session/callback"


class Scripted:
    """A provider that says what it is told to."""

    def __init__(self) -> None:
        self.description: dict[str, Any] | None = DESCRIPTION
        self.answer = httpx.Response(200, json=TOKENS)
        self.seconds = 0.0
        self.asked: list[httpx.Request] = []

    def __call__(self, asked: httpx.Request) -> httpx.Response:
        self.asked.append(asked)
        if asked.method == "POST":
            return self.answer
        if self.description is None:
            raise httpx.ConnectError("nobody is there")
        return httpx.Response(200, json=self.description)

    def provider(self, **settings: Any) -> Provider:  # noqa: ANN401 - settings of all kinds
        return Provider(
            SignInSettings(**{"client_id": CLIENT, **settings}),
            IssuerSettings(jwks_file=Path("jwks.json"), issuer=ISSUER),
            httpx.AsyncClient(transport=httpx.MockTransport(self)),
            clock=lambda: self.seconds,
        )


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


async def test_the_browser_is_sent_with_all_that_the_flow_needs(scripted: Scripted) -> None:
    attempt = Attempt.new("/history")
    provider = scripted.provider(scope="openid api", resource="https://api.example", audience="mindtrack")

    url = await provider.authorization_url(attempt, CALLBACK)

    assert url.startswith(f"{ISSUER}/authorize?")
    assert {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()} == {
        "tenant": "1",
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": CALLBACK,
        "scope": "openid api",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
        "resource": "https://api.example",
        "audience": "mindtrack",
    }
    assert str(scripted.asked[0].url) == f"{ISSUER}/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("secret", "methods", "header", "fields"),
    [
        (None, None, None, {"client_id": CLIENT}),
        ("s:/ ", None, "Basic " + base64.b64encode(b"page:s%3A%2F+").decode(), {}),
        ("s", ["client_secret_post"], None, {"client_id": CLIENT, "client_secret": "s"}),
    ],
)
async def test_a_code_is_redeemed_as_the_provider_wants_it(
    scripted: Scripted,
    secret: str | None,
    methods: list[str] | None,
    header: str | None,
    fields: dict[str, str],
) -> None:
    attempt = Attempt.new("/")
    if methods:
        scripted.description = {**DESCRIPTION, "token_endpoint_auth_methods_supported": methods}

    tokens = await scripted.provider(client_secret=secret).redeem("code-1", attempt, CALLBACK)

    assert (tokens.access_token, tokens.id_token) == ("a", "i")
    asked = scripted.asked[-1]
    assert asked.headers.get("authorization") == header
    assert {name: value for name, (value,) in parse_qs(asked.content.decode()).items()} == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "redirect_uri": CALLBACK,
        "code_verifier": attempt.verifier,
        **fields,
    }


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), Outcome.EXPIRED),
        (httpx.Response(401, json={"error": "invalid_client"}), Outcome.REFUSED),
        (httpx.Response(400, text="no"), Outcome.REFUSED),
        (httpx.Response(302, headers={"Location": "https://evil.example"}), Outcome.REFUSED),
        (httpx.Response(503), Outcome.UNAVAILABLE),
        (httpx.Response(429), Outcome.UNAVAILABLE),
        (httpx.Response(200, text="{"), Outcome.REFUSED),
        (httpx.Response(200, json={**TOKENS, "token_type": "mac"}), Outcome.REFUSED),
        (httpx.Response(200, json={"access_token": "a", "token_type": "Bearer"}), Outcome.REFUSED),
        (httpx.Response(200, json={"id_token": "i", "token_type": "Bearer"}), Outcome.REFUSED),
    ],
)
async def test_what_the_token_endpoint_says_becomes_a_code(
    scripted: Scripted, answer: httpx.Response, outcome: Outcome
) -> None:
    scripted.answer = answer

    with pytest.raises(SignInError) as caught:
        await scripted.provider().redeem("code-1", Attempt.new("/"), CALLBACK)
    assert caught.value.outcome is outcome


@pytest.mark.parametrize(
    "description",
    [
        None,
        {},
        {**DESCRIPTION, "issuer": f"{ISSUER}/"},
        {**DESCRIPTION, "issuer": "https://elsewhere.example"},
        {**DESCRIPTION, "token_endpoint": "http://issuer.example/token"},
        {**DESCRIPTION, "authorization_endpoint": "javascript:alert(1)"},
        {**DESCRIPTION, "end_session_endpoint": "http://issuer.example/logout"},
    ],
)
async def test_a_description_that_cannot_be_trusted_is_none(
    scripted: Scripted, description: dict[str, Any] | None
) -> None:
    scripted.description = description
    provider = scripted.provider()

    with pytest.raises(SignInError) as caught:
        await provider.authorization_url(Attempt.new("/"), CALLBACK)
    assert caught.value.outcome is Outcome.UNAVAILABLE
    assert await provider.end_session_url(f"{PAGE}/") is None

    scripted.description = DESCRIPTION
    assert await provider.authorization_url(Attempt.new("/"), CALLBACK)


async def test_the_description_is_kept_for_an_hour_and_while_the_provider_is_away(scripted: Scripted) -> None:
    provider = scripted.provider()
    for _ in range(3):
        await provider.describe()
    assert len(scripted.asked) == 1

    scripted.seconds, scripted.description = FETCH_EVERY, None
    await provider.describe()
    assert len(scripted.asked) == 2
    await provider.describe()
    assert len(scripted.asked) == 2, "nor is it asked again at once"

    scripted.seconds, scripted.description = 2 * FETCH_EVERY, {**DESCRIPTION, "token_endpoint": f"{ISSUER}/t"}
    assert str((await provider.describe()).token_endpoint) == f"{ISSUER}/t"


async def test_signing_out_leads_back(scripted: Scripted) -> None:
    url = await scripted.provider().end_session_url(f"{PAGE}/")

    assert (
        url
        == f"{ISSUER}/logout?client_id=page&post_logout_redirect_uri=https%3A%2F%2Fmindtrack.example.org%2F"
    )


async def test_where_there_is_nothing_to_sign_out_of(scripted: Scripted) -> None:
    scripted.description = {
        name: value for name, value in DESCRIPTION.items() if "end" not in name.split("_")
    }

    assert await scripted.provider().end_session_url(f"{PAGE}/") is None


def test_a_description_without_tls_is_not_fetched(scripted: Scripted) -> None:
    with pytest.raises(ValueError, match="https"):
        scripted.provider(discovery_url="http://issuer.example/x")


def test_a_scope_that_asks_for_no_id_token_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="openid"):
        SignInSettings(client_id=CLIENT, scope="profile")
    assert SignInSettings(client_secret=SecretStr("s")).client_id is None


# --- The whole way back ---------------------------------------------------------------------------------

ATTEMPT = Attempt("state-1", NONCE, "v" * 43, "/history")
CAME_BACK = {"code": "code-1", "state": "state-1", "iss": ISSUER}


def access_token(claims: dict[str, Any] | None = None) -> str:
    return id_token({"aud": "mindtrack", "nonce": None, **(claims or {})}, {"typ": "at+jwt"})


class Flow:
    """Signing in at a scripted provider."""

    def __init__(self, scripted: Scripted, issuer: IssuerSettings) -> None:
        self._scripted = scripted
        self._sign_in = SignIn(
            SignInSettings(client_id=CLIENT),
            issuer,
            verifier=TokenVerifier(issuer),
            browser=Browser(PAGE, local=False, enabled=True),
            http=httpx.AsyncClient(transport=httpx.MockTransport(scripted)),
        )

    def answers(self, *, access: str | None = None, identity: str | None = None) -> None:
        tokens = {**TOKENS, "access_token": access or access_token(), "id_token": identity or id_token()}
        self._scripted.answer = httpx.Response(200, json=tokens)

    async def finish(self, query: Mapping[str, str] = CAME_BACK) -> Response:
        return await self._sign_in.finish(request(path="/session/callback", query=query), ATTEMPT)

    async def refused(self, query: Mapping[str, str] = CAME_BACK) -> SignInError:
        with pytest.raises(SignInError) as caught:
            await self.finish(query)
        return caught.value


@pytest.fixture
def flow(scripted: Scripted, issuer: IssuerSettings) -> Flow:
    made = Flow(scripted, issuer)
    made.answers()
    return made


async def test_a_session_lasts_as_long_as_its_token(flow: Flow) -> None:
    flow.answers(access=access_token({"exp": int(time.time()) + 120}))

    answer = await flow.finish()

    assert (answer.status_code, answer.headers["location"]) == (303, "/history")
    seconds = re.search(r"Max-Age=(\d+);", answer.headers["set-cookie"])
    assert seconds
    assert 115 < int(seconds[1]) <= 120


@pytest.mark.parametrize(
    ("access", "identity", "reason"),
    [
        ("opaque", None, "access_token"),
        (access_token({"aud": "another"}), None, "access_token"),
        (access_token({"exp": NOW - 5}), None, "access_token"),  # within what clocks may differ by
        (id_token({"aud": "mindtrack"}), None, "access_token"),
        (None, id_token({"nonce": "another"}), "id_token:nonce"),
        (None, id_token({"at_hash": at_hash("another")}), "id_token:at_hash"),
        (None, access_token(), "id_token:typ"),
        (access_token({"roles": ["user"] * 500}), None, "token_too_large: a cookie of"),
    ],
)
async def test_tokens_that_are_not_for_us_open_nothing(
    flow: Flow, access: str | None, identity: str | None, reason: str
) -> None:
    flow.answers(access=access, identity=identity)

    error = await flow.refused()

    assert error.outcome is Outcome.REFUSED
    assert error.reason.startswith(reason)


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ({"error": "access_denied"}, Outcome.DENIED),
        ({"error": "temporarily_unavailable"}, Outcome.UNAVAILABLE),
        ({"error": "server_error"}, Outcome.UNAVAILABLE),
        ({"error": "invalid_scope"}, Outcome.REFUSED),
        ({"error": "<script>"}, Outcome.REFUSED),
        ({**CAME_BACK, "iss": "https://elsewhere.example"}, Outcome.REFUSED),
        ({"iss": ISSUER}, Outcome.REFUSED),
        ({"code": "", "iss": ISSUER}, Outcome.REFUSED),
    ],
)
async def test_what_the_provider_says_becomes_a_code(
    flow: Flow, query: dict[str, str], outcome: Outcome
) -> None:
    error = await flow.refused(query)

    assert error.outcome is outcome
    assert "<" not in error.reason


@pytest.mark.parametrize("names_itself", [True, False])
async def test_a_provider_that_says_it_names_itself_must(
    scripted: Scripted,
    issuer: IssuerSettings,
    names_itself: bool,  # noqa: FBT001 - a case
) -> None:
    scripted.description = {
        **DESCRIPTION,
        "authorization_response_iss_parameter_supported": names_itself,
    }
    flow = Flow(scripted, issuer)
    flow.answers()
    unnamed = {name: value for name, value in CAME_BACK.items() if name != "iss"}

    assert (await flow.finish()).status_code == 303
    if names_itself:
        assert (await flow.refused(unnamed)).reason == "iss"
    else:
        assert (await flow.finish(unnamed)).status_code == 303
