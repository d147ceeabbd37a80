"""Visits to the page, and what is held against every one of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request

#: Quiet: what Chromium would otherwise ask its makers by itself is none of ours.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
DESKTOP, PHONE = (1280, 900), (360, 780)  # pixels
READY = "html[data-ready]"
SERIOUS = frozenset({"serious", "critical"})

#: Tells of what the policy refused, also before any script of ours runs.
WATCH_POLICY = """
window.refused = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


def chromium() -> str | None:
    """Return the path of the browser, or None if there is none."""
    return shutil.which("chromium")


@dataclass
class Visit:
    """A page in a browser of its own, and what went wrong in it."""

    page: Page
    context: BrowserContext
    origin: str
    #: Errors of scripts and the console, in words.
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    #: Parts of errors that the test brings about.
    expected: tuple[str, ...] = ()

    def go(self, path: str, *, ready: bool = True) -> Page:
        """Open a path, and wait until its app is drawn."""
        self.page.goto(self.origin + path)
        if ready:
            self.page.wait_for_selector(READY)
            self.page.wait_for_load_state("networkidle")
        return self.page

    def expect(self, *parts: str) -> None:
        self.expected += parts

    def check(self) -> None:
        """Hold against it what no page may do."""
        assert self.foreign == [], "requests left the origin"
        unexpected = [each for each in self.errors if not any(part in each for part in self.expected)]
        assert unexpected == [], unexpected
        for page in self.context.pages:
            assert page.evaluate("window.refused ?? []") == [], (
                "the content security policy refused something"
            )

    def check_accessible(self) -> None:
        """Hold axe-core's rules against the page as it is now."""
        found = Axe().run(self.page).response["violations"]
        told = [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]
        assert told == [], "\n".join(told)

    def check_fits(self) -> None:
        """Nothing makes the page as a whole scroll sideways."""
        wide, window = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= window, f"{wide} pixels in a window of {window}"


@contextmanager
def visiting(  # noqa: PLR0913 - how a page can be looked at
    browser: Browser,
    origin: str,
    token: str | None,
    *,
    dark: bool = False,
    size: tuple[int, int] = DESKTOP,
    language: str = "en",
    permissions: tuple[str, ...] = ("microphone",),
) -> Iterator[Visit]:
    """Open a browser profile with a session, if there is a token for one."""
    context = browser.new_context(
        color_scheme="dark" if dark else "light",
        viewport={"width": size[0], "height": size[1]},
        locale=language,
        permissions=list(permissions),
        reduced_motion="reduce",
        accept_downloads=True,
    )
    if token is not None:
        context.add_cookies(
            [{"name": "mindtrack", "value": token, "url": origin, "httpOnly": True, "sameSite": "Lax"}]
        )
    context.add_init_script(WATCH_POLICY)
    visit = Visit(context.new_page(), context, origin)
    _listen(visit)
    try:
        yield visit
        visit.check()
    finally:
        context.close()


def _listen(visit: Visit) -> None:
    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            visit.errors.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def thrown(error: Error) -> None:
        visit.errors.append(f"thrown: {error}")

    def asked(request: Request) -> None:
        address: Any = urlsplit(request.url)
        own = urlsplit(visit.origin)
        if address.scheme not in {"data", "blob"} and (address.scheme, address.netloc) != (
            own.scheme,
            own.netloc,
        ):
            visit.foreign.append(request.url)

    visit.context.on("console", said)
    visit.page.on("pageerror", thrown)
    visit.context.on("request", asked)
