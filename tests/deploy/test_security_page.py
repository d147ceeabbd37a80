"""docs/security.md names tests and files: each exists, and no safeguard is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / name for name in ("security.md", "supply-chain.md")]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
LINKED = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
#: Standards of 45 CFR 164.312 and their implementation specifications.
SAFEGUARDS = (
    *("(a)(1)", "(a)(2)(i)", "(a)(2)(ii)", "(a)(2)(iii)", "(a)(2)(iv)"),
    *("(b)", "(c)(1)", "(c)(2)", "(d)", "(e)(1)", "(e)(2)(i)", "(e)(2)(ii)"),
)


def missing(page: str, folder: Path) -> list[str]:
    """Say which tests and files a page names that are not there."""
    absent = [f"{path}::{name}" for path, name in NAMED.findall(page) if not _is_there(ROOT / path, name)]
    return absent + [link for link, _ in LINKED.findall(page) if not (folder / link).exists()]


def _is_there(path: Path, name: str) -> bool:
    if not path.is_file():
        return False
    defined = rf"^(async )?def {name}\("
    return not name or re.search(defined, path.read_text(encoding="utf-8"), re.MULTILINE) is not None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_a_page_names_is_there(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert NAMED.search(page)
    assert missing(page, path.parent) == []


@pytest.mark.parametrize(
    "named",
    ["`tests/unit/test_nothing.py`", "`tests/deploy/test_security_page.py::test_nothing`", "[x](nothing.md)"],
)
def test_what_is_not_there_is_found(named: str) -> None:
    assert missing(named, ROOT / "docs")


def test_every_safeguard_has_a_mechanism_and_a_test_or_says_that_it_is_planned() -> None:
    page = PAGES[0].read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\([a-e]\)\S*) [^|]*(\|.*\|)$", page, re.MULTILINE))
    assert tuple(rows) == SAFEGUARDS
    for safeguard, row in rows.items():
        _, mechanism, shown, _ = (cell.strip() for cell in row.split("|"))
        assert mechanism, safeguard
        assert NAMED.search(shown) or shown == "planned", safeguard
