"""The operators' page has words for everything that the API may tell it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mindtrack_gateway.operations import incidents
from mindtrack_gateway.operations.schemas import BacklogsView
from mindtrack_gateway.operations.scraping import Reason
from mindtrack_gateway.page.assets import assets
from mindtrack_gateway.page.languages import LANGUAGES, texts
from mindtrack_shared.domain.jobs import Priority

MODULES = "\n".join(
    asset.body.decode()
    for path, asset in assets().by_path.items()
    if path == "pages/operations.js" or path.startswith("operations/")
)


def named() -> set[str]:
    source = Path(incidents.__file__).read_text(encoding="utf-8")
    listed = (*incidents.WAITING.values(), *incidents.DUE.values())
    return set(re.findall(r'Incident\("([\w-]+)"', source)) | {name for name, _ in listed}


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_all_that_is_told(language: str) -> None:
    words = texts(language, "operator").keys()

    assert {f"down.{reason}" for reason in Reason} <= words
    assert {f"lane.{priority}" for priority in Priority} <= words
    assert {f"backlog.{kind}" for kind in BacklogsView.model_fields} <= words
    assert {f"incident.{name}" for name in named()} == {
        word for word in words if word.startswith("incident.")
    }


def test_every_backlog_is_shown() -> None:
    (shown,) = re.findall(r"^const BACKLOGS = \{(.*)\};$", MODULES, flags=re.MULTILINE)

    assert set(re.findall(r"(\w+):", shown)) == BacklogsView.model_fields.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_words_are_left_that_nobody_says(language: str) -> None:
    said = {word for word in texts(language, "operator") if word.startswith("operations.")}
    headings = re.findall(r'\["([\w", ]+)"\]\.map\(\(key\) => \[t\(`operations\.', MODULES)
    asked = set(re.findall(r'"(operations\.[\w-]+)"', MODULES))
    asked |= {f"operations.{key}" for heading in headings for key in heading.split('", "')}

    assert said == asked
