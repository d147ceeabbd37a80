"""What people come for, from signing in to the end, as they would do it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from playwright.sync_api import Page, expect

from browser_support import READY, WARNING, Visit, pixels
from mindtrack_local.stack import Stack

Keep = Callable[[Page, str], None]
Open = Callable[..., Visit]

#: For upload, queue, analysis and trend, on a busy machine.
ANALYSED = 60_000  # milliseconds


def sign_in(visit: Visit, name: str) -> Page:
    """Sign in as the embedded stack offers it: by the identity provider's page, with a click."""
    page = visit.go("/", ready=False)
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    page.get_by_role("button", name=name).click()
    page.wait_for_selector(READY)
    return page


def test_a_person_records_and_sees_what_came_of_it(open_page: Open, keep: Keep) -> None:
    visit = open_page()
    visit.provider = True
    page = sign_in(visit, "ada")

    page.get_by_role("button", name="Record", exact=True).click()
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_enabled(timeout=15_000)  # once it is long enough
    keep(page, "recording")
    stop.click()
    keep(page, "recorded")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="See the result").click(timeout=ANALYSED)
    page.wait_for_selector(READY)

    expect(page.get_by_role("heading", name="Stress score")).to_be_visible()
    keep(page, "result")
    visit.check_accessible()
    page.get_by_role("link", name="History").click()
    page.wait_for_selector(READY)
    expect(page.get_by_role("region", name="Recordings").get_by_role("listitem")).to_have_count(1)

    page.get_by_role("region", name="Recordings").get_by_role("link").first.click()
    page.wait_for_selector(READY)
    page.get_by_role("button", name="Delete this recording").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Delete this recording")).to_be_focused()
    page.get_by_role("button", name="Delete this recording").click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="This recording was deleted")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    visit.go("/history", ready=False)
    assert "/history" not in page.url, "whoever comes after is asked to sign in"


def test_a_clinician_sees_an_alert_until_the_person_revokes(
    open_page: Open, keep: Keep, stack: Stack, edith: UUID
) -> None:
    visit = open_page()
    visit.provider = True
    clinician = sign_in(visit, "florence")
    expect(clinician).to_have_url(f"{stack.base_url}/patients")
    row = clinician.get_by_role("row").filter(has=clinician.get_by_role("link"))
    expect(row.first).to_contain_text("1 open")
    keep(clinician, "patients-alert")
    row.first.get_by_role("link").click()
    clinician.wait_for_selector(READY)
    expect(clinician.get_by_role("region", name="Alerts")).to_contain_text("Stress score")
    keep(clinician, "patient-alert")
    assert pixels(clinician.locator("canvas"), WARNING) > 100, "the day on which it opened is marked"

    person = open_page("edith").go("/sharing")
    person.get_by_role("button", name="Revoke: Care").click()
    person.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(person.get_by_text("Nobody but you sees anything.")).to_be_visible()
    keep(person, "sharing-revoked")

    visit.expect("404")
    clinician.get_by_role("combobox", name="Measure").select_option("anxiety_index")
    expect(clinician.get_by_text("You have no access to this person")).to_be_visible()
    keep(clinician, "patient-gone")
    visit.go("/patients")
    expect(clinician.get_by_role("heading", name="No patients yet")).to_be_visible()


def test_a_code_that_is_none_is_refused(open_page: Open) -> None:
    visit = open_page("grace", "clinician")
    visit.expect("404")
    page = visit.go("/patients")
    page.get_by_role("button", name="Redeem an invitation").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Code").fill("AAAA-AAAA-AAAA-AAAA")
    dialog.get_by_role("button", name="Redeem", exact=True).click()

    expect(dialog.get_by_role("alert")).to_contain_text("This code does not work")
    expect(dialog.get_by_label("Code")).to_be_focused()
    visit.check_accessible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Redeem an invitation")).to_be_focused()
