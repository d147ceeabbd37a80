"""What every answer tells browsers to refuse; `test_access` holds answers to who has a token to it, too."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from integration_support import SECURITY_HEADERS, serving_gateway, unguarded
from mindtrack_gateway.app import create_app
from mindtrack_gateway.page.shells import PAGES
from mindtrack_gateway.settings import LimitSettings
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.settings import DatabaseSettings

METHODS = {"get", "post", "put", "patch", "delete"}
PATHS = {path: set(item) & METHODS for path, item in create_app().openapi()["paths"].items()}
HSTS = "strict-transport-security"


@pytest.fixture(scope="module")
def nobody(gateway: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for path, methods in PATHS.items() for method in sorted(methods)]
)
def test_whoever_is_refused_is_told(nobody: httpx.Client, method: str, path: str) -> None:
    response = nobody.request(method.upper(), path)
    assert unguarded(response) == set()
    assert HSTS not in response.headers, "not by https"


@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_a_path_does_not_have_is_told(nobody: httpx.Client, path: str) -> None:
    response = nobody.request("TRACE", path)
    assert response.status_code == 405
    assert unguarded(response) == set()


@pytest.mark.parametrize(
    "path",
    ["/v1/nothing", "/nothing", "/static/0/nothing", "/openapi.json", "/docs", "/redoc", "/metrics"]
    + [page.path for page in PAGES]
    + ["/session", "/session/sign-in", "/session/callback", "/?language=de"],
)
def test_pages_and_what_is_none_are_told(nobody: httpx.Client, path: str) -> None:
    assert unguarded(nobody.get(path)) == set()


def test_faults_of_ours_and_of_the_body_are_told(ada: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("mindtrack_gateway.jobs.listing.jobs.page", bug)
    ada.headers["Connection"] = "close"  # as the server does after each of these
    faulty = ada.get("/v1/jobs")
    malformed = ada.post("/v1/webhooks", content=b"{", headers={"Content-Type": "application/json"})
    large = ada.post("/v1/webhooks", content=b" " * (LimitSettings().body_bytes + 1))

    for response, status in ((faulty, 500), (large, 413), (malformed, 422)):
        assert response.status_code == status
        assert unguarded(response) == set()


def test_a_poll_is_told_on_its_short_way(ada: httpx.Client) -> None:
    accepted = ada.post(
        "/v1/jobs", content=b"RIFF\x24\x00\x00\x00WAVEfmt ", headers={"Content-Type": "audio/wav"}
    )
    job = f"/v1/jobs/{accepted.json()['id']}"
    for _ in range(2):
        response = ada.get(job)
        assert response.status_code == 200
        assert unguarded(response) == set()


def test_files_may_be_kept_and_are_nobody_elses(nobody: httpx.Client) -> None:
    page = nobody.get("/").text
    start = page.index("/static/")
    file = page[start : page.index('"', start)]

    response = nobody.get(file)

    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    for name, value in SECURITY_HEADERS.items():
        assert response.headers.get_list(name) == [value]


def test_where_people_come_by_https_they_stay(
    infrastructure: Infrastructure, database: DatabaseSettings
) -> None:
    public = {"PUBLIC_URL": "https://mindtrack.example.org"}
    with serving_gateway(infrastructure, database, **public) as base_url:
        for path in ("/v1/jobs", "/", "/healthz", "/v1/nothing"):
            assert httpx.get(f"{base_url}{path}").headers[HSTS] == "max-age=63072000"
