"""What holds of each page: it draws, everybody can use it, it keeps to itself, and it is light."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from math import sin
from typing import Literal
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from browser_support import DESKTOP, PHONE, Visit, as_somebody
from factories import add_history
from mindtrack_local.issuer import Role
from mindtrack_local.stack import Stack

#: Of everything that a first visit loads, compressed.
FIRST_LOAD = 150 * 1024  # bytes
TWO_YEARS = 731  # days

PERSON = {"record": "/", "history": "/history", "sharing": "/sharing", "settings": "/settings"}
PAGES: dict[str, tuple[str, str, Role]] = {
    **{name: (path, "edith", "user") for name, path in PERSON.items()},
    "result": ("/results/{result}", "edith", "user"),
    "patients": ("/patients", "florence", "clinician"),
    "patient": ("/patients/{edith}", "florence", "clinician"),
    "operations": ("/operations", "otto", "operator"),
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WINDOWS = {"desktop": DESKTOP, "phone": PHONE}

Keep = Callable[[Page, str], None]
Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def addresses(stack: Stack, edith: UUID) -> dict[str, str]:
    """Fill in whose page, and which result."""
    with as_somebody(stack, "edith") as api:
        result = api.get("/v1/jobs", params={"limit": 1}).json()["items"][0]["id"]
    return {name: path.format(edith=edith, result=result) for name, (path, _, _) in PAGES.items()}


def check(visit: Visit, keep: Keep, name: str) -> None:
    """Hold everything against a page in each of its looks."""
    for scheme, (window, (width, height)) in product(SCHEMES, WINDOWS.items()):
        visit.page.emulate_media(color_scheme=scheme)
        visit.page.set_viewport_size({"width": width, "height": height})
        visit.settle()
        keep(visit.page, f"{name}-{scheme}-{window}")
        visit.check_fits()
        visit.check_accessible()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light_and_for_everybody_in_every_look(
    open_page: Open, keep: Keep, addresses: dict[str, str], name: str
) -> None:
    _, subject, role = PAGES[name]
    visit = open_page(subject, role)
    visit.weigh()
    visit.go(addresses[name])

    assert len(visit.received) > 5
    assert sum(visit.received) <= FIRST_LOAD
    check(visit, keep, name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_in_german(
    open_page: Open, keep: Keep, addresses: dict[str, str], name: str
) -> None:
    _, subject, role = PAGES[name]
    visit = open_page(subject, role, size=PHONE, language="de")
    page = visit.go(addresses[name])

    keep(page, f"{name}-german")
    visit.check_fits()
    expect(page.locator("html")).to_have_attribute("lang", "de")


@pytest.fixture(scope="session")
def years(stack: Stack, engine: Engine) -> str:
    """Somebody who has recorded every day for two years."""
    with as_somebody(stack, "methuselah") as api:
        user_id = UUID(api.get("/v1/users/me/trends").json()["user_id"])
    today = datetime.now(UTC).date()
    scores = {today - timedelta(days=each): 0.3 + 0.1 * sin(each / 7) for each in range(TWO_YEARS)}
    add_history(engine, user_id, scores)
    return "methuselah"


@pytest.mark.parametrize("path", ["/", "/history", f"/history?days={TWO_YEARS}"])
def test_a_first_visit_after_two_years_is_light(open_page: Open, years: str, path: str) -> None:
    visit = open_page(years)
    visit.weigh()
    page = visit.go(path)

    expect(page.locator("canvas").first).to_be_visible()
    assert sum(visit.received) <= FIRST_LOAD


@pytest.mark.parametrize("name", PERSON)
def test_somebody_who_is_new_finds_a_beginning(open_page: Open, keep: Keep, name: str) -> None:
    visit = open_page("newcomer")
    page = visit.go(PERSON[name])

    keep(page, f"{name}-new")
    visit.check_fits()
    visit.check_accessible()


def test_who_is_not_signed_in_is_welcomed(open_page: Open, keep: Keep) -> None:
    visit = open_page(None)
    page = visit.go("/", ready=False)

    check(visit, keep, "welcome")
    assert page.get_by_role("main").get_by_role("link").get_attribute("href") == "/session/sign-in?to=/"


def test_a_page_of_another_role_says_so(open_page: Open, keep: Keep) -> None:
    visit = open_page("ada")
    visit.expect("403")
    visit.go("/patients", ready=False)

    check(visit, keep, "not-yours")


def test_a_language_is_remembered(open_page: Open) -> None:
    visit = open_page(None)
    page = visit.go("/", ready=False)
    page.get_by_role("link", name="Deutsch").click()

    assert page.locator("html").get_attribute("lang") == "de"
    visit.go("/", ready=False)
    assert page.locator("html").get_attribute("lang") == "de"
