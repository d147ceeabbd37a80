"""The API by the page's cookie: every route, from our own page and from another site's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from sqlalchemy import Engine

from integration_support import serving_gateway, upload
from mindtrack_gateway.app import create_app
from mindtrack_gateway.jobs import routes
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.settings import DatabaseSettings

UNKNOWN = "00000000-0000-7000-8000-000000000000"
OWN = {"Sec-Fetch-Site": "same-origin"}
FOREIGN = {"Sec-Fetch-Site": "cross-site"}


def operations() -> list[tuple[str, str]]:
    """Return method and path of every operation that wants a token."""
    return [
        (method.upper(), path)
        for path, item in create_app().openapi()["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "security" in operation
    ]


CHANGING = [(method, path) for method, path in operations() if method != "GET"]


@pytest.fixture(scope="module")
def page(infrastructure: Infrastructure, database: DatabaseSettings) -> Iterator[str]:
    """The base URL of a gateway where people can sign in."""
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as environment:  # read at start; nobody inherits it
            environment.setenv("MINDTRACK_SIGN_IN_CLIENT_ID", "page")
            base_url = running.enter_context(serving_gateway(infrastructure, database))
        yield base_url


def browser(page: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=page, headers={"Cookie": f"mindtrack={token}"}, timeout=30)


@pytest.fixture
def ada(page: str, infrastructure: Infrastructure, engine: Engine) -> Iterator[httpx.Client]:
    with browser(page, infrastructure.issuer.token("ada")) as opened:
        yield opened


def target(path: str) -> str:
    return "/".join(UNKNOWN if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_another_site_changes_nothing(ada: httpx.Client, method: str, path: str) -> None:
    refused = ada.request(method, target(path), headers=FOREIGN, json={})

    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:mindtrack:problem:cross-site"
    assert refused.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), operations())
def test_a_cookie_that_is_no_token_opens_nothing(page: str, engine: Engine, method: str, path: str) -> None:
    with browser(page, "made.up.token") as stranger:
        refused = stranger.request(method, target(path), headers=OWN, json={})

    assert refused.status_code == 401


def test_the_short_way_knows_the_cookie(ada: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = upload_by(ada)
    job = f"/v1/jobs/{accepted['id']}"
    ada.get(job)
    monkeypatch.setattr(routes, "reply", None)  # the long way's

    assert ada.get(job).json()["id"] == accepted["id"]
    assert ada.get(job, headers={"Authorization": "Bearer made-up"}).status_code == 401
    another = {"Cookie": "mindtrack=made-up"}
    assert httpx.get(f"{ada.base_url}{job}", headers=another).status_code == 401


def upload_by(client: httpx.Client) -> dict[str, str]:
    client.headers.update(OWN)
    answer = upload(client)
    assert answer.status_code == 202
    accepted: dict[str, str] = answer.json()
    return accepted


def test_who_is_there_is_told_to_the_page(ada: httpx.Client) -> None:
    told = ada.get("/session").json()

    assert (told["subject"], told["roles"]) == ("ada", ["user"])
    assert told["expires_at"].endswith("Z")


def test_where_nobody_can_sign_in_a_cookie_means_nothing(
    gateway: str, infrastructure: Infrastructure, engine: Engine
) -> None:
    with browser(gateway, infrastructure.issuer.token("ada")) as ada:
        assert ada.get("/v1/jobs").status_code == 401
        assert ada.get("/session").status_code == 401
        assert ada.get("/session/sign-in").headers["location"] == "/?sign_in=off"
        assert ada.get("/session/callback").headers["location"] == "/?sign_in=off"
        assert ada.post("/session/sign-out", headers=OWN).json() == {"location": "/"}


def test_what_narrows_an_address_outlasts_signing_in_and_a_change_of_language(page: str) -> None:
    there = "/patients?status=above&status=well_above"
    with httpx.Client(base_url=page) as stranger:
        sent = stranger.get(there).headers["Location"]
        chosen = stranger.get(f"{there}&language=de").headers["Location"]

    assert parse_qs(urlsplit(sent).query) == {"to": [there]}
    assert chosen == there
