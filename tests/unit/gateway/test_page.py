"""The page's files, texts and shells, before any browser sees them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from mindtrack_gateway.identity import Principal, Role
from mindtrack_gateway.page.assets import assets
from mindtrack_gateway.page.headers import POLICY
from mindtrack_gateway.page.languages import LANGUAGES, language_for
from mindtrack_gateway.page.shells import PAGES, Page, render
from mindtrack_gateway.signin.outcomes import Outcome

PAGE = Path(str(files("mindtrack_gateway.page")))
STATIC, CATALOGUES = PAGE / "static", PAGE / "catalogues"
AREAS = sorted(path.stem for path in (CATALOGUES / "en").glob("*.json"))
OWN = sorted(path for path in STATIC.rglob("*.js") if "vendor" not in path.parts)
ADA = Principal("ada", frozenset(Role), expires=0.0)

Texts = dict[str, "str | dict[str, str]"]


def catalogue(language: str, area: str) -> Texts:
    found: Texts = json.loads((CATALOGUES / language / f"{area}.json").read_text(encoding="utf-8"))
    return found


def forms(text: str | dict[str, str]) -> dict[str, str]:
    return {"": text} if isinstance(text, str) else text


# --- files ----------------------------------------------------------------------------------------------


def test_what_others_made_is_as_they_published_it() -> None:
    told = (STATIC / "vendor/README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([\w.-]+)` \|.*`([0-9a-f]{64})`", told, flags=re.MULTILINE))

    there = {path.name for path in (STATIC / "vendor").iterdir() if path.suffix in {".js", ".css"}}
    assert listed.keys() == there
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name
    for licence in re.findall(r"`([\w.-]+\.LICENSE)`", told):
        assert (STATIC / "vendor" / licence).stat().st_size > 500


def test_an_address_names_what_is_in_all_files() -> None:
    found = assets()

    assert re.fullmatch(r"[0-9a-f]{16}", found.digest)
    assert found.address("core/api.js") == f"/static/{found.digest}/core/api.js"
    with pytest.raises(KeyError):
        found.address("core/none.js")
    for asset in found.by_path.values():
        assert gzip.decompress(asset.compressed) == asset.body


@pytest.mark.parametrize("script", OWN, ids=lambda path: str(path.relative_to(STATIC)))
def test_modules_import_what_is_there_and_nothing_of_others(script: Path) -> None:
    body = script.read_text(encoding="utf-8")

    for address in re.findall(r'from "([^"]+)"|import "([^"]+)"|import\("([^"]+)"\)', body):
        (named,) = (each for each in address if each)
        assert named.startswith("."), named
        assert (script.parent / named).resolve().is_relative_to(STATIC)
        assert (script.parent / named).is_file(), named
    assert not re.search(r"https?://(?!www\.w3\.org)", body)
    assert not re.search(r"\.innerHTML|dangerouslySetInnerHTML|\beval\(|new Function", body)


@pytest.mark.parametrize("sheet", sorted(STATIC.rglob("*.css")), ids=lambda path: path.name)
def test_styles_fetch_nothing(sheet: Path) -> None:
    assert not re.search(r"@import|url\(", sheet.read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", OWN, ids=lambda path: str(path.relative_to(STATIC)))
def test_every_import_is_found(script: Path) -> None:
    """Those that a page announces are fetched at once; any other, only when its importer is there."""
    body = script.read_text(encoding="utf-8")
    named = re.findall(r'(?:from|import) "(\.[^"]+)";', body)
    direct = {str((script.parent / name).resolve().relative_to(STATIC.resolve())) for name in named}

    assert direct <= set(assets().imported(str(script.relative_to(STATIC))))


def test_a_page_announces_what_its_module_needs() -> None:
    html = render("shell.html", "en", page=next(page for page in PAGES if page.name == "history"))
    announced = re.findall(r'modulepreload" href="/static/\w+/([^"]+)"', html)

    assert {"core/start.js", "core/trend.js", "vendor/htm-preact.js"} <= set(announced)
    assert re.search(r'<script defer src="/static/\w+/vendor/uplot.js"></script>', html)
    assert len(announced) == len(set(announced))


# --- texts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_catalogues_say_the_same(language: str, area: str) -> None:
    english, other = catalogue("en", area), catalogue(language, area)

    assert english.keys() == other.keys()
    for key, text in english.items():
        said = {name for form in forms(text).values() for name in re.findall(r"\{(\w+)\}", form)}
        says = {name for form in forms(other[key]).values() for name in re.findall(r"\{(\w+)\}", form)}
        assert said == says, key
        assert isinstance(text, str) == isinstance(other[key], str), key


def test_what_others_do_has_a_name_for_the_person() -> None:
    sources = "".join(path.read_text() for path in PAGE.parent.rglob("*.py"))
    of_others = set(re.findall(r"(?:attending|reading)\([^()]*action=\"(\w+)\"", sources))

    assert {"getTrends", "acknowledgeAlert"} <= of_others
    named = {key.rpartition(".")[2] for key in catalogue("en", "person") if key.startswith("sharing.action.")}
    assert of_others <= named


def test_areas_share_no_key() -> None:
    keys = [key for area in AREAS for key in catalogue("en", area)]

    assert len(keys) == len(set(keys))


def test_scripts_and_templates_ask_for_texts_that_are_there() -> None:
    known = {key for area in AREAS for key in catalogue("en", area)}
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in OWN)
    templates = "\n".join(path.read_text(encoding="utf-8") for path in (PAGE / "templates").glob("*.html"))
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"', scripts))
    asked |= set(re.findall(r"""\bt\[["']([^"']+)["']\]""", templates))

    assert asked - known == set()
    assert len(asked) > 20


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "de", "de"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "en-GB,de;q=0.5", "en"),
        (None, "fr,de;q=0.3,en;q=0.7", "en"),
        (None, "fr", "en"),
        (None, "de;q=0,en;q=0.1", "en"),
        (None, "de;q=nonsense", "en"),
        (None, "*", "en"),
        ("de", "en", "de"),
        ("xx", "de", "de"),
        ("../../etc", "", "en"),
        (None, "de," * 100_000, "de"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_browsers(
    chosen: str | None, accepted: str, language: str
) -> None:
    assert language_for(chosen, accepted) == language


# --- shells ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shells_hold_nothing_inline(page: Page, language: str) -> None:
    html = render("shell.html", language, page=page, principal=ADA)

    assert f'<html lang="{language}">' in html
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", html)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', html)) <= {
        *(address for address in re.findall(r'"(/[^"]*|\?[^"]*|#main)"', html))
    }
    assert html.count('aria-current="page"') == page.in_menu
    assert "ada" not in html.replace("adaptive", "")


def test_the_menu_is_by_role() -> None:
    def entries(*roles: Role) -> list[str]:
        html = render("welcome.html", "en", principal=Principal("x", frozenset(roles), expires=0.0))
        return re.findall(r'<li><a href="([^"]+)"', html)

    assert entries(Role.USER) == ["/", "/history", "/sharing", "/settings"]
    assert entries(Role.CLINICIAN) == ["/patients"]
    assert entries(Role.OPERATOR) == ["/operations"]
    assert entries(Role.SERVICE) == []


@pytest.mark.parametrize("failure", Outcome)
def test_a_failed_sign_in_is_told(failure: Outcome) -> None:
    told = str(catalogue("en", "common")[f"welcome.{failure}"])
    assert told in render("welcome.html", "en", failure=failure)


def test_the_policy_allows_own_files_only() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))

    assert rules.pop("default-src") == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
