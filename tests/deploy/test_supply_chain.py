"""Nothing is installed below its floor, or at all if it is forbidden; and what wheels hide is listed."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

import bundled
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
RULES: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "deploy/docker/floors.toml").read_text())
PINNED = re.compile(r"^([\w.-]+)==([^\s\\;]+)", re.MULTILINE)
PINNING = [CONSTRAINTS, *bundled.locks()]
#: Named where people and programs look for what to install.
PROJECTS = sorted(path for path in ROOT.glob("**/pyproject.toml") if ".venv" not in path.parts)
DECODERS = {"soundfile", "audioread", "pydub", "librosa", "imageio-ffmpeg", "miniaudio"}


def pins(path: Path) -> dict[str, str]:
    return {canonicalize_name(name): pinned for name, pinned in PINNED.findall(path.read_text())}


def below(pinned: dict[str, str]) -> list[str]:
    """Say what is older than its floor."""
    return [
        f"{name} {pinned[name]} < {rule['version']}: {rule['mends']}"
        for name, rule in RULES["floors"].items()
        if name in pinned and Version(pinned[name]) < Version(rule["version"])
    ]


def forbidden(path: Path, names: set[str]) -> set[str]:
    return {
        name
        for name, rule in RULES["forbidden"].items()
        if name in names and (isinstance(rule, str) or path.name not in rule["except"])
    }


@pytest.mark.parametrize("path", PINNING, ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_that_is_installed_is_above_its_floor(path: Path) -> None:
    found = pins(path)
    assert found
    assert below(found) == []


def test_floors_are_about_something() -> None:
    """Most are of what is installed; and what is below one would be noticed."""
    known = pins(CONSTRAINTS)
    assert len(RULES["floors"].keys() & known.keys()) >= 10
    for name, rule in RULES["floors"].items():
        assert name == canonicalize_name(name)
        assert below({name: "0.0.1"}), name
        assert below({name: rule["version"]}) == []


@pytest.mark.parametrize("path", PINNING, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_forbidden_is_nowhere(path: Path) -> None:
    assert forbidden(path, set(pins(path))) == set()
    assert forbidden(path, {"python-jose"}) == {"python-jose"}


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_asks_for_what_is_forbidden(path: Path) -> None:
    project = tomllib.loads(path.read_text()).get("project", {})
    extras = project.get("optional-dependencies", {}).values()
    wanted = [*project.get("dependencies", ()), *chain.from_iterable(extras)]
    names: set[str] = {canonicalize_name(Requirement(line).name) for line in wanted}
    assert forbidden(path, names) == set()


def test_no_image_holds_another_decoder() -> None:
    held = {canonicalize_name(name) for name in bundled.images_hold()}
    assert "av" in held
    assert held & DECODERS == set()


# --- What wheels hide -----------------------------------------------------------------------------------


def listed() -> dict[str, tuple[str, str, str]]:
    page = bundled.PAGE.read_text(encoding="utf-8")
    rows = page.partition(bundled.BEGIN)[2].partition(bundled.END)[0].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| ")]
    return {name: (pinned, held, told) for name, pinned, held, told in cells[2:]}


def test_the_list_is_of_the_versions_that_are_pinned() -> None:
    """Whoever raises a version writes the list anew, on whatever machine."""
    known = pins(CONSTRAINTS)
    stale = {name: pinned for name, (pinned, _, _) in listed().items() if known.get(name, pinned) != pinned}
    assert stale == {}, "run `make bundled`"
    assert {"av", "cryptography", "psycopg-binary", "numpy", "uvloop"} <= listed().keys()


@pytest.mark.parametrize("name", sorted(bundled.ASKED))
def test_libraries_say_what_is_listed(name: str) -> None:
    """Where the very version is installed that is listed; wheels of other machines may differ."""
    pinned, held, told = listed()[name]
    assert held
    try:
        installed = version(name).partition("+")[0]
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed here")
    if installed != pinned or not bundled.is_listed_machine():
        pytest.skip("another version, or another machine's wheel")
    assert bundled.ASKED[name]() == told, "run `make bundled`"


def test_ffmpeg_is_new_enough() -> None:
    """CVE-2026-40962 is in releases before 8.1."""
    found = re.search(r"FFmpeg n?(\d+)\.(\d+)", bundled.ASKED["av"]())
    assert found
    assert (int(found[1]), int(found[2])) >= (8, 1)
