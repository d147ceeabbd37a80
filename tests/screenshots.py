"""Writes docs/images, the page as made-up people and those who look after them see it: `make screenshots`."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from browser_support import ARGUMENTS, DESKTOP, PHONE, as_somebody, chromium, visiting
from mindtrack_local.config import StackConfig
from mindtrack_local.histories import Pattern, people
from mindtrack_local.issuer import Role
from mindtrack_local.seed import CLINICIAN, fill
from mindtrack_local.stack import Stack
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.settings import DatabaseSettings, StorageSettings
from mindtrack_shared.storage import open_store
from patience import eventually
from samples import SAMPLES

IMAGES = Path(__file__).parents[1] / "docs/images"
#: Every second of the made-up people: they fit one page of a list.
EVERYBODY = people()[::2]
#: What a clinician may call made-up people.
LABELS = ("A. Lovelace", "J. Snow", "R. Franklin", "I. Semmelweis", "E. Blackwell", "L. Pasteur", "G. Cori")
COLOURS = 256
#: A picture's length, above which a page of prose and pictures would load slowly.
LONGEST = 120_000  # bytes
#: Between two recordings while operators watch, and after the last.
PAUSE = 6_000  # milliseconds


@dataclass(frozen=True)
class Picture:
    name: str
    subject: str
    role: Role
    path: str
    size: tuple[int, int] = DESKTOP
    dark: bool = False
    first: Callable[[Stack, Page], None] = lambda _, __: None


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        Stack(StackConfig(var=Path(folder), durable=False)) as stack,
    ):
        with browsing() as browser:  # before people are made up, of whom there is no audio
            take(browser, stack, Picture("operations", "otto", "operator", "/operations", first=work))
        prepare(stack)
        with browsing() as browser:
            for picture in pictures(stack):
                take(browser, stack, picture)


@contextmanager
def browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS])
        yield browser
        browser.close()


def prepare(stack: Stack) -> None:
    """Make everybody up, and wait until trends are looked at and alerts are open."""
    engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="screenshots")
    for _ in fill(engine, open_store(stack.infrastructure.settings(StorageSettings)), EVERYBODY):
        pass
    engine.dispose()
    with as_somebody(stack, CLINICIAN, "clinician") as api:

        def told() -> bool:
            overview = api.get("/v1/patients/overview").json()
            return bool(overview["not_evaluated"] == 0 and overview["alerts"]["persons"] > 0)

        eventually(told, within=300, what="every trend is looked at")
        for patient, label in zip(patients(api), LABELS, strict=False):
            api.put(f"/v1/patients/{patient}/label", json={"label": label}).raise_for_status()


def pictures(stack: Stack) -> Iterator[Picture]:
    person = alarmed(stack)
    with as_somebody(stack, person) as api:
        result = api.get("/v1/jobs", params={"limit": 1}).json()["items"][0]["id"]
    with as_somebody(stack, CLINICIAN, "clinician") as api:
        patient = patients(api)[0]
    yield Picture("home", person, "user", "/")
    yield Picture("result", person, "user", f"/results/{result}")
    yield Picture("history", person, "user", "/history")
    yield Picture("phone", person, "user", "/", PHONE)
    yield Picture("phone-dark", person, "user", "/history", PHONE, dark=True)
    yield Picture("patients", CLINICIAN, "clinician", "/patients")
    yield Picture("patient", CLINICIAN, "clinician", f"/patients/{patient}", dark=True)


def alarmed(stack: Stack) -> str:
    """Return somebody who is well above what is usual for them, and whose alert is open."""
    for person in EVERYBODY:
        if person.pattern is Pattern.RISING:
            with as_somebody(stack, person.subject) as api:
                trend = api.get("/v1/users/me/trends").json()["measures"][0]
                alerts = api.get("/v1/users/me/alerts", params={"open": True}).json()["items"]
                if alerts and trend["status"] == "well_above":
                    return person.subject
    raise LookupError("no alert is open")


def patients(api: httpx2.Client) -> list[str]:
    """List who stands highest, first."""
    asked: dict[str, str | int] = {"sort": "status", "order": "desc", "limit": len(LABELS)}
    found = api.get("/v1/patients", params=asked).raise_for_status().json()["items"]
    return [patient["user_id"] for patient in found]


def work(stack: Stack, page: Page) -> None:
    """Have recordings analysed while the page watches."""
    with as_somebody(stack, "ada") as api:
        for number, sample in enumerate(sorted(SAMPLES.glob("day-*"))):
            fields = {"priority": "bulk" if number % 2 else "interactive"}
            files = {"file": (sample.name, sample.read_bytes())}
            job = api.post("/v1/jobs", data=fields, files=files).raise_for_status().json()
            api.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"}).raise_for_status()
            page.wait_for_timeout(PAUSE)


def take(browser: Browser, stack: Stack, picture: Picture) -> None:
    token = stack.token(picture.subject, picture.role)
    with visiting(browser, stack.base_url, token, dark=picture.dark, size=picture.size) as visit:
        page = visit.go(picture.path)
        picture.first(stack, page)
        drawn = Image.open(io.BytesIO(page.screenshot()))
    path = IMAGES / f"{picture.name}.png"
    few = drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    assert path.stat().st_size < LONGEST, f"{path.name} is too long"


if __name__ == "__main__":
    main()
