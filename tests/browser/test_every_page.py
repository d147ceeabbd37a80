"""What holds of each page: it draws, everybody can use it, it keeps to itself, and it is light."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import Page

from browser_support import DESKTOP, PHONE, READY, Visit
from mindtrack_local.issuer import Role

#: Of everything that a first visit loads, compressed.
FIRST_LOAD = 150 * 1024  # bytes

PERSON = {"record": "/", "history": "/history", "sharing": "/sharing", "settings": "/settings"}
OTHERS: dict[str, tuple[str, str, Role]] = {
    "patients": ("/patients", "florence", "clinician"),
    "operations": ("/operations", "otto", "operator"),
}
LOOKS = {
    "light": {"dark": False, "size": DESKTOP},
    "dark": {"dark": True, "size": DESKTOP},
    "phone": {"dark": False, "size": PHONE},
    "phone-dark": {"dark": True, "size": PHONE, "language": "de"},
}

Keep = Callable[[Page, str], None]
Open = Callable[..., Visit]

every_look = pytest.mark.parametrize("look", LOOKS)


def check(visit: Visit, keep: Keep, name: str) -> None:
    keep(visit.page, name)
    visit.check_fits()
    visit.check_accessible()


@every_look
@pytest.mark.parametrize("name", PERSON)
def test_a_persons_pages(open_page: Open, keep: Keep, edith: UUID, name: str, look: str) -> None:
    visit = open_page("edith", **LOOKS[look])
    visit.go(PERSON[name])

    check(visit, keep, f"{name}-{look}")


@every_look
@pytest.mark.parametrize("name", OTHERS)
def test_others_pages(open_page: Open, keep: Keep, edith: UUID, name: str, look: str) -> None:
    path, subject, role = OTHERS[name]
    visit = open_page(subject, role, **LOOKS[look])
    visit.go(path)

    check(visit, keep, f"{name}-{look}")


@every_look
def test_a_patients_page(open_page: Open, keep: Keep, edith: UUID, look: str) -> None:
    visit = open_page("florence", "clinician", **LOOKS[look])
    visit.go(f"/patients/{edith}")

    check(visit, keep, f"patient-{look}")


@pytest.mark.parametrize("name", PERSON)
def test_somebody_who_is_new_finds_a_beginning(open_page: Open, keep: Keep, name: str) -> None:
    visit = open_page("newcomer")
    visit.go(PERSON[name])

    check(visit, keep, f"{name}-new")


@every_look
def test_who_is_not_signed_in_is_welcomed(open_page: Open, keep: Keep, look: str) -> None:
    visit = open_page(None, **LOOKS[look])
    visit.go("/", ready=False)

    check(visit, keep, f"welcome-{look}")
    assert visit.page.get_by_role("main").get_by_role("link").get_attribute("href") == "/session/sign-in?to=/"


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


@pytest.mark.parametrize(
    "whose",
    [(path, "edith", "user") for path in PERSON.values()] + [*OTHERS.values()],
    ids=lambda whose: whose[0],
)
def test_a_first_visit_is_light(open_page: Open, edith: UUID, whose: tuple[str, str, Role]) -> None:
    path, subject, role = whose
    visit = open_page(subject, role)
    session = visit.context.new_cdp_session(visit.page)
    session.send("Network.enable")
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))

    visit.go(path)
    visit.page.wait_for_selector(READY)

    assert len(received) > 5
    assert sum(received) <= FIRST_LOAD
