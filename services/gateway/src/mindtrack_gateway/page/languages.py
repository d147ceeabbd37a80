"""The page's languages, and which one a browser is answered in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from mindtrack_gateway.page.assets import assets

#: Their own names. The first is for who asks for none of them.
LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "de": "Deutsch"})
DEFAULT = next(iter(LANGUAGES))
COOKIE = "language"
#: A header longer than that is no list of languages.
LONGEST_HEADER = 1000


def language_for(chosen: str | None, accepted: str) -> str:
    """Return the language that somebody chose, else what their browser likes best (RFC 9110, 12.5.4)."""
    if chosen is not None and chosen in LANGUAGES:
        return chosen
    ranked = sorted(_weighted(accepted[:LONGEST_HEADER]), key=lambda each: -each[1])
    wanted = (tag.strip().lower().partition("-")[0] for tag, weight in ranked if weight > 0)
    return next((tag for tag in wanted if tag in LANGUAGES), DEFAULT)


def _weighted(accepted: str) -> list[tuple[str, float]]:
    found = []
    for part in accepted.split(","):
        tag, _, weight = part.partition(";")
        try:
            found.append((tag, float(weight.strip().removeprefix("q=") or 1)))
        except ValueError:
            continue
    return found


@cache
def texts(language: str, area: str) -> Mapping[str, str]:
    """Read one area's texts. Those that count things have a form per number, which scripts choose."""
    body = assets().by_path[f"catalogues/{language}/{area}.json"].body
    found: dict[str, str] = json.loads(body)
    return MappingProxyType(found)
