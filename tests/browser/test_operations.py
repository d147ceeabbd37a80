"""The operators' page, on real processes and in states that those are seldom in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from browser_support import ACCENT, PHONE, Visit, pixels
from mindtrack_local.stack import Stack
from patience import eventually

Keep = Callable[[Page, str], None]
Open = Callable[..., Visit]
Change = Callable[[dict[str, Any]], None]

#: Longer than a look takes, also at a process that does not answer.
LOOKED = 12_000  # milliseconds
#: Longer than the page waits between two looks.
A_WHILE = 10_000  # milliseconds
OPERATIONS = "**/v1/operations"


@pytest.fixture
def seen(stack: Stack) -> dict[str, Any]:
    """What the API tells while all is well."""
    headers = {"Authorization": f"Bearer {stack.token('otto', 'operator')}"}
    found: dict[str, Any] = {}

    def well() -> bool:
        found.update(httpx2.get(f"{stack.base_url}/v1/operations", headers=headers).json())
        everybody = found["workers"] + found["processes"]
        return all(each["up"] for each in everybody) and found["workers"][0]["engine"] is not None

    eventually(well, what="everybody is up")
    return found


def answering(visit: Visit, document: dict[str, Any], change: Change = lambda _: None) -> None:
    told = json.loads(json.dumps(document))
    change(told)
    visit.context.route(OPERATIONS, lambda route: route.fulfill(json=told))


def look(page: Page) -> None:
    """Have the page look now, as when somebody comes back to it."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def table(page: Page, name: str) -> Any:  # noqa: ANN401 - a Locator
    return page.get_by_role("table", name=name)


def test_queues_workers_and_throughput_are_shown(open_page: Open, seen: dict[str, Any], keep: Keep) -> None:
    visit = open_page("otto", "operator")
    page = visit.go("/operations")

    expect(page.get_by_role("status")).to_have_text(
        f"All {len(seen['workers'] + seen['processes'])} processes answer."
    )
    expect(page.get_by_role("region", name="Interactive")).to_contain_text("Time to drain")
    row = table(page, "Workers").get_by_role("row").nth(1)
    for name in ("service", "target", "engine", "precision", "bundle"):
        expect(row).to_contain_text(seen["workers"][0][name])
    expect(row).to_contain_text("up")
    expect(table(page, "Due")).to_contain_text("Webhooks")
    look(page)
    chart = page.get_by_role("img", name="Audio processed")
    expect(chart).to_be_visible(timeout=LOOKED)
    expect(chart.locator("canvas")).to_be_visible()
    page.get_by_text("Show as a table").click()
    expect(table(page, "Audio processed").get_by_role("row").nth(1)).to_contain_text("s per second")
    keep(page, "operations-drawn")
    visit.check_accessible()


def test_a_worker_that_is_silent_is_shown_until_it_answers(
    open_page: Open, stack: Stack, seen: dict[str, Any], keep: Keep
) -> None:
    visit = open_page("otto", "operator")
    page = visit.go("/operations")
    row = table(page, "Workers").get_by_role("row").nth(1)
    worker = stack.process("inference")
    worker.pause()
    try:
        look(page)
        expect(row).to_contain_text("answers too slowly", timeout=LOOKED)
        expect(row).to_contain_text(seen["workers"][0]["engine"])
        expect(page.get_by_role("status")).to_contain_text("One process does not answer: inference")
        expect(page.get_by_role("region", name="Worth a look")).to_contain_text("workers-unseen")
        keep(page, "operations-silent")
        visit.check_accessible()
    finally:
        worker.resume()
    look(page)
    expect(page.get_by_role("status")).to_contain_text("processes answer", timeout=LOOKED)


def test_last_figures_stay_while_the_service_is_away(
    open_page: Open, seen: dict[str, Any], keep: Keep
) -> None:
    visit = open_page("otto", "operator")
    visit.expect("ERR_CONNECTION_REFUSED")
    answering(visit, seen, lambda told: told["lanes"][0].update(queued=4321))
    page = visit.go("/operations")
    figure = page.get_by_role("region", name="Interactive").get_by_text("4,321")
    expect(figure).to_be_visible()
    visit.context.unroute_all()
    visit.context.route(OPERATIONS, lambda route: route.abort("connectionrefused"))
    look(page)

    expect(page.get_by_role("status")).to_contain_text("cannot be reached")
    expect(page.get_by_text("These figures are")).to_contain_text("old")
    expect(figure).to_be_visible()
    keep(page, "operations-away")
    visit.check_accessible()

    visit.context.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_contain_text("processes answer")
    expect(figure).to_have_count(0)


def test_nobody_looks_while_the_page_is_hidden(open_page: Open, seen: dict[str, Any]) -> None:
    asked: list[str] = []
    visit = open_page("otto", "operator")
    visit.context.on(
        "request", lambda request: asked.append(request.url) if "operations" in request.url else None
    )
    visit.page.clock.install()
    page = visit.go("/operations")

    def hide(*, hidden: bool) -> None:
        page.evaluate(
            """(hidden) => {
                Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    hide(hidden=True)
    asked.clear()
    page.clock.run_for(A_WHILE)
    assert asked == []
    with page.expect_response(OPERATIONS):
        hide(hidden=False)
    visit.settle()
    with page.expect_request(OPERATIONS):
        page.clock.run_for(A_WHILE)


def test_only_changes_of_state_are_read_out(open_page: Open, seen: dict[str, Any]) -> None:
    visit = open_page("otto", "operator")
    looks: list[int] = []

    def fulfil(route: Route) -> None:
        looks.append(1)
        moved = {**seen, "observed_at": f"2026-01-01T00:00:{len(looks):02}Z"}
        route.fulfill(json=moved)

    visit.context.route(OPERATIONS, fulfil)
    page = visit.go("/operations")
    page.evaluate("""() => {
        window.said = 0;
        const watch = new MutationObserver((changes) => { window.said += changes.length; });
        for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]"))
            watch.observe(region, { childList: true, characterData: true, subtree: true });
    }""")
    before = len(looks)
    for _ in range(2):
        with page.expect_response(OPERATIONS):
            look(page)
        visit.settle()

    assert len(looks) == before + 2
    assert page.evaluate("window.said") == 0


def late(told: dict[str, Any]) -> None:
    told["incidents"] = [{"name": "people-wait", "priority": "interactive", "seconds": 600, "share": None}]
    told["window_seconds"] = 120
    told["lanes"][0] |= {
        "processed_audio_seconds_per_second": 0,
        "queued": 12,
        "audio_seconds": 800,
        "seconds_to_drain": None,
        "oldest_queued_seconds": 600,
    }
    told["ended"] = [{"status": "failed", "code": "made_up", "total": 3, "per_second": 0.05}]
    told["workers"] += [
        {**told["workers"][0], "target": "10.0.0.9:9464", "up": False, "reason": "gone"},
        {
            **told["workers"][0],
            "service": "inference-bulk",
            "target": "inference-bulk:9464",
            "up": False,
            "reason": "absent",
            "seen_at": None,
            "engine": None,
            "bundle": None,
            "precision": None,
            "revision": None,
        },
    ]


def test_what_is_worth_a_look_leads_to_its_page(open_page: Open, seen: dict[str, Any], keep: Keep) -> None:
    visit = open_page("otto", "operator")
    seen["runbook_url"] = "https://example.org/runbook"
    answering(visit, seen, late)
    page = visit.go("/operations")

    note = page.get_by_role("region", name="Worth a look")
    expect(note).to_contain_text("Somebody has waited for 10 min.")
    assert (
        note.get_by_role("link").get_attribute("href")
        == "https://example.org/runbook/incidents/people-wait.md"
    )
    expect(page.get_by_role("region", name="Interactive")).to_contain_text("stands still")
    expect(table(page, "Jobs that ended")).to_contain_text("made_up")
    expect(table(page, "Jobs that ended").get_by_role("row").nth(1)).to_contain_text("3")
    expect(table(page, "Workers")).to_contain_text("gone")
    expect(page.get_by_text("None runs as inference-bulk.")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("One process does not answer: inference 10.0.0.9:9464.")
    keep(page, "operations-late")
    visit.check_accessible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_trouble_fits_a_phone(open_page: Open, seen: dict[str, Any], keep: Keep, *, dark: bool) -> None:
    visit = open_page("otto", "operator", size=PHONE, language="de", dark=dark)
    answering(visit, seen, late)
    page = visit.go("/operations")

    note = page.get_by_role("region", name="Einen Blick wert")
    expect(note.get_by_text("docs/runbook/incidents/people-wait.md")).to_be_visible()
    keep(page, f"operations-late-phone-{'dark' if dark else 'light'}")
    visit.check_fits()
    visit.check_accessible()


def test_many_looks_become_a_line(open_page: Open, seen: dict[str, Any], keep: Keep) -> None:
    visit = open_page("otto", "operator")
    looks = 0

    def fulfil(route: Route) -> None:
        nonlocal looks
        looks += 1
        told = json.loads(json.dumps(seen))
        told["observed_at"] = f"2026-01-01T00:{looks // 12:02}:{looks % 12 * 5:02}Z"
        for index, lane in enumerate(told["lanes"]):
            lane["processed_audio_seconds"] = looks * 5 * (12 if index == 0 else 4 + looks % 3)
        route.fulfill(json=told)

    visit.context.route(OPERATIONS, fulfil)
    page = visit.go("/operations")
    for _ in range(60):  # five minutes, in little time
        with page.expect_response(OPERATIONS):
            look(page)

    chart = page.get_by_role("img", name="Interactive 12 s per second")
    expect(chart).to_be_visible()
    drawn = pixels(chart.locator("canvas"), ACCENT)
    keep(page, "operations-line")

    assert drawn > 200, "pixels in the colour of the line"


def test_who_is_no_operator_any_more_is_told(open_page: Open) -> None:
    visit = open_page("otto", "operator")
    visit.expect("403")
    problem = {"type": "about:blank", "title": "No", "status": 403, "detail": "No."}
    visit.context.route(
        OPERATIONS,
        lambda route: route.fulfill(
            status=403, content_type="application/problem+json", body=json.dumps(problem)
        ),
    )
    page = visit.go("/operations")

    expect(page.get_by_role("alert").filter(has_text="role operator")).to_be_visible()


def test_throughput_is_drawn_from_looks_that_can_be_compared(open_page: Open, seen: dict[str, Any]) -> None:
    visit = open_page("otto", "operator")
    page = visit.go("/operations")
    looks = [
        {"observed_at": f"2026-01-01T00:00:{at:02}Z", "counted_since": since, "lanes": [lane]}
        for at, since, lane in (
            (0, "a", {"priority": "bulk", "processed_audio_seconds": 100}),
            (5, "a", {"priority": "bulk", "processed_audio_seconds": 120}),
            (10, "b", {"priority": "bulk", "processed_audio_seconds": 20}),
            (15, "b", {"priority": "bulk", "processed_audio_seconds": 20}),
            (20, "b", {"priority": "bulk", "processed_audio_seconds": 10}),
        )
    ]
    script = page.locator("script[src*='pages/operations.js']").get_attribute("src") or ""
    module = script.replace("pages/operations.js", "operations/looks.js")

    drawn = page.evaluate(
        "async ([module, looks]) => (await import(module)).throughput(looks)", [module, looks]
    )

    assert drawn["lanes"]["bulk"] == [4, None, 0, None]
    assert len(drawn["times"]) == 4
