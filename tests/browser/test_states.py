"""What a page says when something is away, broken, over or not allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import sounds
from browser_support import ARGUMENTS, Visit, chromium, visiting
from mindtrack_local.issuer import Role
from mindtrack_local.stack import Stack

Keep = Callable[[Page, str], None]
Open = Callable[..., Visit]

PAGES: list[tuple[str, str, Role]] = [
    ("/", "edith", "user"),
    ("/history", "edith", "user"),
    ("/sharing", "edith", "user"),
    ("/settings", "edith", "user"),
    ("/patients", "florence", "clinician"),
    ("/operations", "otto", "operator"),
]
every_page = pytest.mark.parametrize("whose", PAGES, ids=lambda whose: whose[0].strip("/") or "home")


def away(context: BrowserContext) -> None:
    context.route("**/v1/**", lambda route: route.abort("connectionrefused"))


def failing(context: BrowserContext, status: int, title: str) -> None:
    problem = f'{{"type": "about:blank", "title": "{title}", "status": {status}, "detail": "{title}"}}'
    context.route(
        "**/v1/**",
        lambda route: route.fulfill(status=status, content_type="application/problem+json", body=problem),
    )


@every_page
def test_an_outage_and_a_failure_are_told_and_pass(
    open_page: Open, keep: Keep, edith: UUID, whose: tuple[str, str, Role]
) -> None:
    path, subject, role = whose
    visit = open_page(subject, role)
    visit.expect("ERR_CONNECTION_REFUSED", "503")
    away(visit.context)
    page = visit.go(path)

    told = page.get_by_role("alert").filter(has_text="cannot be reached")
    expect(told.first).to_be_visible()
    keep(page, f"outage-{path.strip('/') or 'home'}")
    visit.check_accessible()

    visit.context.unroute_all()
    failing(visit.context, 503, "away")
    buttons = page.get_by_role("button", name="Try again")
    buttons.first.click()
    failed = page.get_by_role("alert").filter(has_text="does not answer right now")
    expect(failed.first).to_be_visible()

    visit.context.unroute_all()
    while buttons.count():  # what one brings back may have another
        with page.expect_response("**/v1/**"):
            buttons.first.click()
        visit.settle()
    expect(told).to_have_count(0)
    expect(failed).to_have_count(0)
    expect(page.locator("#fault")).to_be_hidden()


@every_page
def test_a_session_that_is_over_is_told(
    open_page: Open, keep: Keep, edith: UUID, whose: tuple[str, str, Role]
) -> None:
    path, subject, role = whose
    visit = open_page(subject, role)
    visit.expect("401")
    failing(visit.context, 401, "over")
    page = visit.go(path)

    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You were signed out")
    link = dialog.get_by_role("link", name="Sign in").get_attribute("href")
    assert link == f"/session/sign-in?to={path.replace('/', '%2F')}"
    keep(page, f"session-over-{path.strip('/') or 'home'}")
    visit.check_accessible()


def test_a_script_that_breaks_is_told(open_page: Open, keep: Keep, edith: UUID) -> None:
    visit = open_page("edith")
    visit.expect("made up")
    page = visit.go("/history")
    page.evaluate("setTimeout(() => { throw new Error('made up'); })")

    fault = page.locator("#fault")
    expect(fault).to_be_visible()
    keep(page, "fault")
    visit.check_accessible()
    fault.get_by_role("button", name="Reload").click()
    expect(page.locator("#fault")).to_be_hidden()


def test_what_is_held_against_pages_is_found(open_page: Open) -> None:
    """The checks themselves: a page that breaks every rule breaks every check."""
    visit = open_page("ada")
    page = visit.go("/history")
    page.evaluate("""() => {
        const image = document.createElement("img");
        image.src = "https://example.org/pixel.png";
        const nameless = document.createElement("button");
        nameless.style.width = "3000px";
        document.getElementById("main").append(image, nameless);
        console.error("made up");
    }""")
    page.wait_for_function("window.refused.length > 0")

    with pytest.raises(AssertionError, match="content security policy"):
        Visit(page, visit.context, visit.origin).check()
    with pytest.raises(AssertionError, match="left the origin"):
        visit.check()
    visit.foreign.clear()
    with pytest.raises(AssertionError, match="made up"):
        visit.check()
    with pytest.raises(AssertionError, match="button-name"):
        visit.check_accessible()
    with pytest.raises(AssertionError, match="pixels in a window"):
        visit.check_fits()
    visit.expect("made up", "example.org")
    page.reload()


@pytest.fixture
def shy(browser: Browser) -> Iterator[Browser]:
    """The browser of somebody who lets no page hear them."""
    asking = [each for each in ARGUMENTS if each != "--use-fake-ui-for-media-stream"]
    running = browser.browser_type.launch(executable_path=chromium(), args=asking)
    yield running
    running.close()


ADVICE = {
    "quiet": ("Very quiet.", "This is very quiet."),
    "loud": ("Too loud, parts are cut off.", "Loud parts are cut off."),
}


@pytest.fixture(params=ADVICE)
def hearing(
    request: pytest.FixtureRequest, browser: Browser, tmp_path: Path
) -> Iterator[tuple[str, Browser]]:
    """A browser whose microphone hears something that is not well audible."""
    sound = sounds.write(tmp_path / "heard.wav", getattr(sounds, request.param)())
    running = browser.browser_type.launch(
        executable_path=chromium(), args=[*ARGUMENTS, f"--use-file-for-fake-audio-capture={sound}"]
    )
    yield request.param, running
    running.close()


def test_a_recording_that_is_not_well_audible_is_told_before_it_is_sent(
    hearing: tuple[str, Browser], stack: Stack, keep: Keep
) -> None:
    how, browser = hearing
    meanwhile, afterwards = ADVICE[how]
    with visiting(browser, stack.base_url, stack.token("ada")) as visit:
        page = visit.go("/")
        page.get_by_role("button", name="Record", exact=True).click()
        expect(page.get_by_text(meanwhile)).to_be_visible(timeout=10_000)
        keep(page, f"recording-{how}")
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_role("status").filter(has_text=afterwards)).to_be_visible()
        keep(page, f"recorded-{how}")


def test_a_recording_that_is_too_noisy_is_refused_with_advice(
    open_page: Open, keep: Keep, tmp_path: Path
) -> None:
    visit = open_page("ada")
    page = visit.go("/")
    page.get_by_text("Send a file instead").click()
    page.get_by_label("A recording of your voice").set_input_files(
        sounds.write(tmp_path / "noisy.wav", sounds.noisy())
    )
    page.get_by_role("button", name="Send").click()

    expect(page.get_by_text("Please record in a quieter place.")).to_be_visible(timeout=60_000)
    keep(page, "too-noisy")
    visit.check_accessible()


def test_a_denied_microphone_is_told(shy: Browser, stack: Stack, keep: Keep) -> None:
    with visiting(shy, stack.base_url, stack.token("ada"), permissions=()) as visit:
        page = visit.go("/")
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_role("alert")).to_contain_text("microphone")
        keep(page, "microphone-denied")
        visit.check_accessible()
