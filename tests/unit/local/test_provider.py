"""The embedded stack's provider, asked as browsers and gateways do; and as they should not."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from starlette.testclient import TestClient

from mindtrack_local import identities
from mindtrack_local.histories import people
from mindtrack_local.issuer import ISSUER, Issuer
from mindtrack_local.provider import CLIENT_ID, DISCOVERY
from mindtrack_local.provider.app import Client, Provider
from mindtrack_local.provider.codes import LIFE, MOST, Codes, Grant
from mindtrack_local.seed import CLINICIAN, shown

#: Of RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
CALLBACK = "http://127.0.0.1:8000/session/callback"
ASKED = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": CALLBACK,
    "scope": "openid",
    "state": "state-1",
    "nonce": "nonce-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "issuer")


@pytest.fixture
def browser(issuer: Issuer, tmp_path: Path, clock: Clock) -> Iterator[TestClient]:
    base_url = "http://127.0.0.1:8090"
    provider = Provider(issuer, Client.of(8000), tmp_path / "identities.json", base_url, Codes(clock))
    with TestClient(provider.app(), base_url=base_url, follow_redirects=False) as client:
        yield client


def told(location: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


def code_for(browser: TestClient, subject: str = "ada", **changed: str) -> str:
    answer = browser.post("/authorize", data={**ASKED, **changed, "choice": subject})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    return told(answer.headers["location"])["code"]


def redeem(browser: TestClient, given: str, **changed: str) -> Any:  # noqa: ANN401 - a response of either client
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "code": given,
        "code_verifier": VERIFIER,
    }
    return browser.post("/token", data={**form, **changed})


def test_everybody_can_be_chosen_and_nothing_runs(browser: TestClient) -> None:
    page = browser.get("/authorize", params=ASKED)

    assert page.status_code == 200
    assert re.findall(r'name="choice" value="([^"]*)"', page.text) == ["ada", "florence", "otto", ""]
    hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    assert {name: html.unescape(value) for name, value in hidden} == ASKED
    assert "<script" not in page.text
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self';"
        " form-action 'self' http://127.0.0.1:8000 http://localhost:8000;"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    assert page.headers["cache-control"] == "no-store"
    assert browser.get("/style.css").headers["content-type"].startswith("text/css")


def test_what_was_asked_cannot_become_markup(browser: TestClient) -> None:
    page = browser.get("/authorize", params={**ASKED, "state": '"><script>alert(1)</script>'})

    assert "<script" not in page.text


def test_made_up_people_can_be_chosen_once_they_are_there(browser: TestClient, tmp_path: Path) -> None:
    identities.save(tmp_path / "identities.json", shown(people()))

    page = browser.get("/authorize", params=ASKED)

    chosen = re.findall(r'name="choice" value="(seed[^"]*)"', page.text)
    assert chosen == ["seed-steady-01", "seed-rising-01", CLINICIAN]
    token = redeem(browser, code_for(browser, CLINICIAN)).json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["roles"] == ["clinician"]


@pytest.mark.parametrize(
    ("subject", "role"), [("ada", "user"), ("florence", "clinician"), ("otto", "operator")]
)
def test_a_code_is_redeemed_for_two_tokens(
    browser: TestClient, issuer: Issuer, subject: str, role: str
) -> None:
    answer = redeem(browser, code_for(browser, subject))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    key = jwt.PyJWKSet.from_dict(browser.get("/jwks.json").json())[issuer.key_id]
    access = jwt.decode(tokens["access_token"], key, ["ES256"], audience="mindtrack", issuer=ISSUER)
    identity = jwt.decode(tokens["id_token"], key, ["ES256"], audience=CLIENT_ID, issuer=ISSUER)
    assert (access["sub"], access["roles"]) == (subject, [role])
    assert (identity["sub"], identity["nonce"]) == (subject, "nonce-1")
    assert tokens["token_type"].lower() == "bearer"
    assert access["exp"] - access["iat"] == tokens["expires_in"]


def test_a_code_is_good_once(browser: TestClient) -> None:
    code = code_for(browser)

    assert [redeem(browser, code).status_code for _ in range(2)] == [200, 400]


def test_a_code_is_good_for_a_minute(browser: TestClient, clock: Clock) -> None:
    first, second = code_for(browser), code_for(browser)

    clock.seconds = LIFE - 1
    assert redeem(browser, first).status_code == 200
    clock.seconds = LIFE
    assert redeem(browser, second).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"redirect_uri": "http://localhost:8000/session/callback"}, "invalid_grant"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"client_id": "another"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_a_code_is_bound_to_what_it_was_given_for(
    browser: TestClient, changed: dict[str, str], error: str
) -> None:
    assert redeem(browser, code_for(browser), **changed).json() == {"error": error}


def test_a_wrong_verifier_spends_the_code(browser: TestClient) -> None:
    code = code_for(browser)

    assert redeem(browser, code, code_verifier="x" * 43).status_code == 400
    assert redeem(browser, code).status_code == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/session/callback"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": ""},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_sent_to_an_address_that_is_not_registered(
    browser: TestClient, method: str, changed: dict[str, str]
) -> None:
    asked = {**ASKED, **changed, "choice": "ada"}
    answer = (
        browser.get("/authorize", params=asked) if method == "GET" else browser.post("/authorize", data=asked)
    )

    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_what_is_wrong_is_told_to_the_page(browser: TestClient, changed: dict[str, str], error: str) -> None:
    answer = browser.get("/authorize", params={**ASKED, **changed})

    assert answer.status_code == 303
    assert told(answer.headers["location"]) == {"error": error, "state": "state-1", "iss": ISSUER}


@pytest.mark.parametrize("choice", ["", "eve"])
def test_who_is_nobody_is_denied(browser: TestClient, choice: str) -> None:
    answer = browser.post("/authorize", data={**ASKED, "choice": choice})

    assert told(answer.headers["location"])["error"] == "access_denied"


def test_signing_out_leads_back_to_the_page_and_nowhere_else(browser: TestClient) -> None:
    after = "http://127.0.0.1:8000/"
    answer = browser.get("/end_session", params={"post_logout_redirect_uri": after})
    assert (answer.status_code, answer.headers["location"]) == (303, after)

    for elsewhere in ("https://evil.example/", "", None):
        query = {} if elsewhere is None else {"post_logout_redirect_uri": elsewhere}
        assert browser.get("/end_session", params=query).status_code == 400


def test_its_description_says_what_is_there(browser: TestClient) -> None:
    described = browser.get(DISCOVERY).json()

    assert described["issuer"] == ISSUER
    for endpoint in ("authorization_endpoint", "jwks_uri", "end_session_endpoint"):
        path = described[endpoint].removeprefix("http://127.0.0.1:8090")
        assert browser.get(path).status_code in {200, 400}
    assert json.dumps(described)


def test_another_machines_name_is_refused(browser: TestClient) -> None:
    assert browser.get(DISCOVERY, headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("uri", ["https://mindtrack.example.org/", "http://127.0.0.1.evil.example/", "/"])
def test_a_page_on_another_machine_is_refused_at_start(uri: str) -> None:
    with pytest.raises(ValueError, match="not on this machine"):
        Client(redirect_uris=(uri,), after_sign_out=())
    with pytest.raises(ValueError, match="not on this machine"):
        Client(redirect_uris=(), after_sign_out=(uri,))


def test_no_more_codes_are_kept_than_that() -> None:
    codes = Codes()
    grant = Grant("ada", CLIENT_ID, CALLBACK, CHALLENGE, None)
    first, *_, last = (codes.give(grant) for _ in range(MOST + 1))

    where = {"client_id": CLIENT_ID, "redirect_uri": CALLBACK, "verifier": VERIFIER}
    assert codes.redeem(first, **where) is None
    assert codes.redeem(last, **where) == grant
