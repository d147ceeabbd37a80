"""The page in Debian's Chromium, against the whole system as real processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import Engine

from browser_support import ARGUMENTS, Visit, as_somebody, chromium, visiting
from factories import add_history, rise
from mindtrack_local.config import StackConfig
from mindtrack_local.issuer import Role
from mindtrack_local.stack import Stack
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.settings import DatabaseSettings
from patience import eventually
from samples import SAMPLES

OPEN = 40  # days of a rise, by which an alert is open
SCREENSHOTS = Path(__file__).parents[2] / "var/screenshots"

Open = Callable[..., Visit]

#: Also where every core has other work to do; what is there is found at once.
expect.set_options(timeout=20_000)  # milliseconds


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(StackConfig(var=tmp_path_factory.mktemp("stack"), durable=False)) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser whose microphone hears a recording of ours, over and over."""
    program = chromium()
    if program is None:
        pytest.skip("Chromium is not installed; Debian has it")
    speech = f"--use-file-for-fake-audio-capture={SAMPLES / 'day-1.wav'}"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, speech])
        yield running
        running.close()


@pytest.fixture
def open_page(stack: Stack, browser: Browser) -> Iterator[Open]:
    """Visit the page as somebody; afterwards, nothing may have gone wrong that no test expected."""
    with ExitStack() as visits:

        def visit(subject: str | None = None, *roles: Role, **looks: Any) -> Visit:  # noqa: ANN401 - of `visiting`
            token = stack.token(subject, *roles) if subject else None
            return visits.enter_context(visiting(browser, stack.base_url, token, **looks))

        yield visit


@pytest.fixture(scope="session")
def engine(stack: Stack) -> Iterator[Engine]:
    engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="history")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def edith(stack: Stack, engine: Engine) -> UUID:
    """Somebody whose score has risen for weeks, and who granted all to Florence."""
    with as_somebody(stack, "edith") as api, as_somebody(stack, "florence", "clinician") as clinician:
        user_id = UUID(api.get("/v1/users/me/trends").json()["user_id"])
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        add_history(engine, user_id, rise(yesterday, days=OPEN), revision=revision(stack))
        eventually(lambda: api.get("/v1/users/me/alerts").json()["items"] != [], what="an alert opens")
        asked = {
            "purpose": "Care",
            "use_context": "healthcare",
            "scopes": ["trends", "analyses", "alerts", "notes"],
        }
        invited = api.post("/v1/invitations", json=asked)
        assert invited.status_code == 201, invited.text
        redeemed = clinician.post("/v1/grants", json={"code": invited.json()["code"]})
        assert redeemed.status_code == 201, redeemed.text
    return user_id


def revision(stack: Stack) -> str:
    """Of the bundle that the stack's worker has: a recording joins the history of its model only."""
    with as_somebody(stack, "probe") as api:
        with (SAMPLES / "day-1.wav").open("rb") as file:
            job = api.post("/v1/jobs", files={"file": ("log.wav", file, "audio/wav")}).json()
        ended = api.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"}, timeout=60).json()
        return str(ended["analysis"]["model"]["bundle_revision"])


@pytest.fixture(scope="session", autouse=True)
def screenshots() -> Path:
    """Where pictures of this run are kept; those of the one before are gone."""
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    SCREENSHOTS.mkdir(parents=True)
    return SCREENSHOTS


@pytest.fixture
def keep(screenshots: Path) -> Callable[[Page, str], None]:
    def picture(page: Page, name: str) -> None:
        page.screenshot(path=screenshots / f"{name}.png", full_page=True)

    return picture
