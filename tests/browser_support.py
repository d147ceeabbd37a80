"""Visits to the page, and what is held against every one of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Request

from mindtrack_local.issuer import Role
from mindtrack_local.stack import Stack

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
#: Colours of lines in the light scheme.
ACCENT, WARNING = (0x14, 0x62, 0x6B), (0x9A, 0x4A, 0x00)
SERIOUS = frozenset({"serious", "critical"})

#: Tells of what the policy refused, also before any script of ours runs.
WATCH_POLICY = """
window.refused = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


#: Resolves once effects of what was drawn have run: a page asks for more in these.
DRAWN = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"""
SETTLED_WITHIN = 20.0  # seconds


def chromium() -> str | None:
    """Return the path of the browser, or None if there is none."""
    return shutil.which("chromium")


#: Counts what is alike, as edges are smoothed.
COUNT = """(canvas, colour) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    const alike = colour.every((part, index) => Math.abs(data[at + index] - part) < 24);
    if (alike && data[at + 3] > 200) found += 1;
  }
  return found;
}"""


def pixels(canvas: Locator, colour: tuple[int, int, int]) -> int:
    """Count a canvas's pixels in a colour."""
    found: int = canvas.evaluate(COUNT, list(colour))
    return found


@contextmanager
def as_somebody(stack: Stack, subject: str, *roles: Role) -> Iterator[httpx2.Client]:
    """Ask the API as somebody would."""
    headers = {"Authorization": f"Bearer {stack.token(subject, *roles)}"}
    with httpx2.Client(base_url=stack.base_url, headers=headers, timeout=60) as client:
        yield client


@dataclass
class Visit:
    """A page in a browser of its own, and what went wrong in it."""

    page: Page
    context: BrowserContext
    origin: str
    #: Errors of scripts and the console, in words.
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    #: Requests that are under way.
    open: set[Request] = field(default_factory=set)
    #: Bytes that came over the network, compressed as they came.
    received: list[float] = field(default_factory=list)
    #: Parts of errors that the test brings about.
    expected: tuple[str, ...] = ()
    #: Whether somebody signs in meanwhile: then the browser is with the identity provider for a moment.
    provider: bool = False

    def go(self, path: str, *, ready: bool = True) -> Page:
        """Open a path, and wait until its app is drawn."""
        self.page.goto(self.origin + path)
        if ready:
            self.page.wait_for_selector(READY)
            self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until all that the page asked for has come and is drawn."""
        deadline = time.monotonic() + SETTLED_WITHIN
        self.page.evaluate(DRAWN)
        while self.open:
            assert time.monotonic() < deadline, [each.url for each in self.open]
            self.page.evaluate(DRAWN)

    def weigh(self) -> None:
        """Count what is received from now on."""
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event: self.received.append(event["encodedDataLength"]))

    def expect(self, *parts: str) -> None:
        self.expected += parts

    def check(self) -> None:
        """Hold against it what no page may do."""
        own = ("http://127.0.0.1:",) if self.provider else ()
        assert [each for each in self.foreign if not each.startswith(own)] == [], "requests left the origin"
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
        visit.open.add(request)
        address: Any = urlsplit(request.url)
        own = urlsplit(visit.origin)
        if address.scheme not in {"data", "blob"} and (address.scheme, address.netloc) != (
            own.scheme,
            own.netloc,
        ):
            visit.foreign.append(request.url)

    def ended(request: Request) -> None:
        visit.open.discard(request)

    visit.context.on("requestfinished", ended)
    visit.context.on("requestfailed", ended)
    visit.context.on("console", said)
    visit.page.on("pageerror", thrown)
    visit.context.on("request", asked)
