"""How soon the page is there, and how fast it draws.

- `page`: seconds from opening its address until the history of two years can be used, in a browser that was
  never there before, beside the second that it may take (`ratio`, at most 1); told besides: the size of all
  that is loaded (at most 150 KiB), and milliseconds in which a trend of 700 days with three bands is drawn
  (at most 50).

Each round opens a new browser profile. The stack is one machine's, and so is the browser: both share its
cores.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from math import sin
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx2
import numpy as np
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine

from bench.outcome import report, require
from bench.sides import ROUNDS, Ratio, progress
from browser_support import ARGUMENTS, READY, chromium, visiting
from factories import add_history
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.settings import DatabaseSettings

DAYS = 700
WITHIN = 1.0  # seconds
TARGETS = {"kibibytes": 150.0, "draw_milliseconds": 50.0}
PATH = "/history?days=731"

#: Draws as often as it is told, and returns the milliseconds of each time, until the canvas holds it.
DRAW = """
async ([base, days, times]) => {
  const { plot } = await import(`${base}/core/chart.js`);
  const place = document.createElement("div");
  place.style.width = "1000px";
  document.getElementById("main").append(place);
  const at = Array.from({ length: days }, (_, n) => 1.7e9 + 86400 * n);
  const wave = (height) => at.map((_, n) => 0.5 + height * Math.sin(n / 20));
  const band = (half, colour) => ({
    low: wave(0.1).map((y) => y - half),
    high: wave(0.1).map((y) => y + half),
    colour,
  });
  const asked = {
    days: at,
    bands: [band(0.3, "line"), band(0.2, "accent-soft"), band(0.1, "band-usual")],
    lines: [{ values: wave(0.3), colour: "point", points: 6 }, { values: wave(0.2), colour: "accent" }],
    marks: [{ at: at[300], colour: "warn" }],
    range: [0, 1],
  };
  const took = [];
  for (let n = 0; n < times; n += 1) {
    const began = performance.now();
    const drawn = plot(place, asked);
    await new Promise((done) => queueMicrotask(() => queueMicrotask(done)));
    drawn.ctx.getImageData(0, 0, 1, 1); // waits until the canvas is drawn
    took.push(performance.now() - began);
    const { width, height } = drawn.ctx.canvas;
    if (!drawn.ctx.getImageData(0, 0, width, height).data.some(Boolean)) throw new Error("nothing was drawn");
    drawn.destroy();
  }
  return took;
}
"""


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds to measure ({ROUNDS})")
    rounds: int = arguments.parse_args().rounds
    program = chromium()
    require(program is not None, "there is a Chromium")
    with (
        TemporaryDirectory() as folder,
        Stack(StackConfig(var=Path(folder), durable=False, services=("gateway",))) as stack,
        sync_playwright() as playwright,
    ):
        token = stack.token("edith")
        _two_years(stack, token)
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS])
        _visit(browser, stack, token)
        visits = [_visit(browser, stack, token) for _ in range(rounds)]
        drawing = _draw(browser, stack, token, times=10 * rounds)
        browser.close()
    seconds, sizes = zip(*visits, strict=True)
    found = Ratio(*(float(each) / WITHIN for each in np.percentile(seconds, [50, 2.5, 97.5])))
    report(
        "page",
        found,
        1.0,
        at_most=True,
        ours="first visit to two years of history until it can be used, seconds",
        theirs="what it may take, seconds",
        rounds=rounds,
        threads=1,
        details={
            "targets": {**TARGETS},
            "kibibytes": round(max(sizes) / 1024, 1),
            "draw_milliseconds_p50": round(float(np.median(drawing)), 1),
            "draw_milliseconds_p95": round(float(np.percentile(drawing, 95)), 1),
        },
    )
    return 0


def _two_years(stack: Stack, token: str) -> None:
    with httpx2.Client(base_url=stack.base_url, headers={"Authorization": f"Bearer {token}"}) as api:
        user_id = UUID(api.get("/v1/users/me/trends").json()["user_id"])
        engine: Engine = sync_engine(
            stack.infrastructure.settings(DatabaseSettings), application_name="bench"
        )
        today = datetime.now(UTC).date()
        scores = {today - timedelta(days=each): 0.3 + 0.1 * sin(each / 7) for each in range(DAYS)}
        add_history(engine, user_id, scores)
        engine.dispose()
        points = api.get("/v1/users/me/trends", params={"days": 731}).json()["measures"][0]["points"]
    require(len(points) == DAYS, f"the trend has {DAYS} days")


def _visit(browser: Browser, stack: Stack, token: str) -> tuple[float, float]:
    """Return seconds until the page can be used, and bytes received."""
    with visiting(browser, stack.base_url, token) as visit:
        visit.weigh()
        visit.page.goto(stack.base_url + PATH)
        visit.page.wait_for_selector(f"{READY} canvas")
        seconds = visit.page.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000
        visit.settle()
    received = sum(visit.received)
    progress(f"ready after {seconds:.2f} s, {received / 1024:.0f} KiB")
    return seconds, received


def _draw(browser: Browser, stack: Stack, token: str, *, times: int) -> list[float]:
    with visiting(browser, stack.base_url, token) as visit:
        visit.expect("Canvas2D")  # told that reading it back is slow
        page = visit.go("/history")
        script = page.locator('script[type="module"]').get_attribute("src") or ""
        drawn: list[float] = page.evaluate(DRAW, [script.partition("/pages/")[0], DAYS, times])
        return drawn


if __name__ == "__main__":
    raise SystemExit(main())
