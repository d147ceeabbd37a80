"""Signing in as a browser does: the real gateway, the real local provider, and every way it can go wrong."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import psutil
import pytest

from faults_support import another
from mindtrack_gateway.signin.attempts import Attempt
from mindtrack_local.issuer import LIFE
from mindtrack_local.stack import Stack
from mindtrack_local.welcome import welcome
from samples import SAMPLES

COOKIE = "mindtrack"
ATTEMPT = "mindtrack-sign-in"
OWN = {"Sec-Fetch-Site": "same-origin"}
FOREIGN = {"Sec-Fetch-Site": "cross-site"}
SAMPLE = SAMPLES / "day-1.wav"


class Browser:
    """An HTTP client that goes where it is sent, submits forms and keeps cookies."""

    def __init__(self, page: str) -> None:
        self.http = httpx.Client(base_url=page, timeout=30, trust_env=False)

    def to_provider(self, to: str | None = None) -> httpx.Response:
        """Go to the provider's page."""
        begun = self.http.get("/session/sign-in", params={} if to is None else {"to": to})
        assert begun.status_code == 303
        assert begun.headers["cache-control"] == "no-store"
        return self.http.get(begun.headers["location"])

    def choose(self, shown: httpx.Response, subject: str) -> str:
        """Press somebody's button; return where the provider sends the browser."""
        form = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', shown.text))
        form = {name: html.unescape(value) for name, value in form.items()}
        answer = self.http.post(str(shown.url.join("/authorize")), data={**form, "choice": subject})
        assert answer.status_code == 303
        return str(answer.headers["location"])

    def sign_in(self, subject: str = "ada", to: str | None = None) -> httpx.Response:
        """Sign in, and return the answer that opened the session."""
        answer = self.http.get(self.choose(self.to_provider(to), subject))
        assert answer.headers["cache-control"] == "no-store"
        return answer

    @property
    def session(self) -> str | None:
        return next((cookie.value for cookie in self.http.cookies.jar if cookie.name == COOKIE), None)


@pytest.fixture
def browser(stack: Stack) -> Iterator[Browser]:
    opened = Browser(stack.base_url)
    yield opened
    opened.http.close()


def test_somebody_signs_in_and_out(stack: Stack, browser: Browser) -> None:
    assert browser.http.get("/session").status_code == 401

    opened = browser.sign_in("florence", to="/patients?limit=5")

    assert (opened.status_code, opened.headers["location"]) == (303, "/patients?limit=5")
    session = browser.http.get("/session")
    assert session.headers["cache-control"] == "no-store"
    told = session.json()
    assert (told["subject"], told["roles"]) == ("florence", ["clinician"])
    (cookie,) = (
        cookie for cookie in opened.headers.get_list("set-cookie") if cookie.startswith(f"{COOKIE}=")
    )
    (seconds,) = re.findall(r"; HttpOnly; Max-Age=(\d+); Path=/; SameSite=lax$", cookie)
    assert LIFE.total_seconds() - 60 < int(seconds) <= LIFE.total_seconds()
    assert ATTEMPT not in browser.http.cookies

    out = browser.http.post("/session/sign-out", headers=OWN)
    assert out.status_code == 200
    assert out.headers["cache-control"] == "no-store"
    assert browser.session is None
    assert browser.http.get("/session").status_code == 401
    back = browser.http.get(out.json()["location"])
    assert back.headers["location"] == f"{stack.base_url}/"


def test_refusals_are_not_kept_either(browser: Browser) -> None:
    assert browser.http.get("/session").headers["cache-control"] == "no-store"
    refused = browser.http.post("/session/sign-out", headers=FOREIGN)
    assert (refused.status_code, refused.headers["cache-control"]) == (403, "no-store")
    assert refused.json()["type"] == "urn:mindtrack:problem:cross-site"


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example/", "/\\evil.example", "/session/sign-in"]
)
def test_nobody_is_sent_elsewhere(browser: Browser, to: str) -> None:
    assert browser.sign_in(to=to).headers["location"] == "/"


def test_who_does_not_want_to_is_told_so(browser: Browser) -> None:
    answer = browser.http.get(browser.choose(browser.to_provider(), ""))

    assert answer.headers["location"] == "/?sign_in=denied"
    assert browser.session is None
    assert ATTEMPT not in browser.http.cookies


def test_an_answer_without_its_attempt_opens_nothing(stack: Stack, browser: Browser) -> None:
    """A stolen link, sent to somebody else: they would act for the thief."""
    link = browser.choose(browser.to_provider(), "ada")
    victim = Browser(stack.base_url)

    assert victim.http.get(link).headers["location"] == "/?sign_in=expired"
    victim.to_provider()
    assert victim.http.get(link).headers["location"] == "/?sign_in=expired", "nor with another attempt"
    assert victim.session is None
    assert ATTEMPT in victim.http.cookies, "their own goes on"
    victim.http.close()


def test_a_code_is_taken_once(browser: Browser) -> None:
    shown = browser.to_provider()
    attempt = browser.http.cookies[ATTEMPT]
    link = browser.choose(shown, "ada")
    assert browser.http.get(link).headers["location"] == "/"
    assert browser.http.get(link).headers["location"] == "/?sign_in=expired"

    browser.http.cookies.delete(COOKIE)
    browser.http.cookies.set(ATTEMPT, attempt, domain="127.0.0.1")
    assert browser.http.get(link).headers["location"] == "/?sign_in=expired"
    assert browser.session is None


def test_another_verifier_opens_nothing(browser: Browser) -> None:
    """Who has the code and not the verifier."""
    shown = browser.to_provider()
    other = browser.http.cookies[ATTEMPT]
    link = browser.choose(browser.to_provider(), "ada")
    mixed = _mixed(browser.http.cookies[ATTEMPT], verifier_of=other)
    browser.http.cookies.delete(ATTEMPT)
    browser.http.cookies.set(ATTEMPT, mixed, domain="127.0.0.1")

    assert shown.status_code == 200
    assert browser.http.get(link).headers["location"] == "/?sign_in=expired"
    assert browser.session is None


def _mixed(attempt: str, *, verifier_of: str) -> str:
    ours, others = Attempt.decode(attempt), Attempt.decode(verifier_of)
    assert ours is not None
    assert others is not None
    return Attempt(ours.state, ours.nonce, others.verifier, ours.to).encode()


def test_another_issuers_answer_is_refused(browser: Browser) -> None:
    link = browser.choose(browser.to_provider(), "ada")
    mixed_up = re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Fevil.example", link)
    assert mixed_up != link

    assert browser.http.get(mixed_up).headers["location"] == "/?sign_in=refused"


def test_the_page_may_use_the_api(browser: Browser, tmp_path: Path) -> None:
    """Upload, poll by either way, follow and delete, by the cookie alone."""
    browser.sign_in("ada")
    upload: Any = {"files": {"file": ("day.wav", another(SAMPLE, tmp_path).read_bytes(), "audio/wav")}}

    assert browser.http.post("/v1/jobs", headers=FOREIGN, **upload).status_code == 403
    assert browser.http.post("/v1/jobs", **upload).status_code == 403, "a browser that says nothing"
    accepted = browser.http.post("/v1/jobs", headers=OWN, **upload)
    assert accepted.status_code == 202
    job = f"/v1/jobs/{accepted.json()['id']}"
    polls = [browser.http.get(job) for _ in range(2)]
    assert [poll.status_code for poll in polls] == [200, 200]
    assert "Cookie" in polls[1].headers["vary"]
    with browser.http.stream("GET", f"{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        last = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")][-1]
    assert last["status"] == "succeeded"
    assert browser.http.get("/v1/jobs").headers["cache-control"] == "no-store"

    assert browser.http.delete(job, headers=FOREIGN).status_code == 403
    same_site = {"Sec-Fetch-Site": "same-site", "Origin": str(browser.http.base_url).rstrip("/")}
    assert browser.http.delete(job, headers=same_site).status_code == 403, "another port of this machine"
    by_origin = {"Origin": str(browser.http.base_url).rstrip("/")}
    assert browser.http.delete(job, headers=by_origin).status_code == 200


def test_a_header_wins_over_the_cookie(stack: Stack, browser: Browser) -> None:
    browser.sign_in("ada")
    bearer = {"Authorization": f"Bearer {stack.token('grace')}"}

    assert browser.http.get("/session", headers=bearer).json()["subject"] == "grace"
    answer = browser.http.post("/v1/jobs/status", headers={**bearer, **FOREIGN}, json={"ids": []})
    assert answer.status_code != 403
    for broken in ("Bearer nonsense", "Basic YTpi", ""):
        assert browser.http.get("/session", headers={"Authorization": broken}).status_code == 401


@contextmanager
def provider_away(stack: Stack) -> Iterator[None]:
    part = stack.process("provider")
    part.stop()
    try:
        yield
    finally:
        part.start()
        part.wait_ready()


def test_while_the_provider_is_away(stack: Stack, browser: Browser) -> None:
    """Who is signed in stays so; nobody else can sign in, and the page can say why."""
    link = browser.choose(browser.to_provider(), "ada")
    with provider_away(stack):
        assert browser.http.get(link).headers["location"] == "/?sign_in=unavailable"
    browser.sign_in()
    with provider_away(stack):
        assert browser.http.get("/session").status_code == 200
        assert browser.http.post("/session/sign-out", headers=OWN).status_code == 200
    assert browser.session is None


def test_nothing_of_it_is_logged(stack: Stack, browser: Browser) -> None:
    link = browser.choose(browser.to_provider(), "ada")
    browser.http.get(link)
    said = {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}
    secrets = [browser.session, said["code"], said["state"]]

    for part in ("gateway", "provider"):
        lines = "\n".join(stack.infrastructure.supervisor.log_lines(part))
        assert all(secret and secret not in lines for secret in secrets)
    assert any("signed_in" in line for line in stack.infrastructure.supervisor.log_lines("gateway"))


def test_the_provider_listens_to_this_machine_only(stack: Stack) -> None:
    connections = psutil.Process(stack.process("provider").pid).net_connections("tcp")

    assert {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_welcome_names_the_page(stack: Stack) -> None:
    assert f"MindTrack runs at {stack.base_url}" in welcome(stack)
    assert "sign in" in welcome(stack)
