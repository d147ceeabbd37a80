"""Parts of documents that are written from results, between two marks."""

from __future__ import annotations

from pathlib import Path


def fill(document: Path, mark: str, text: str) -> None:
    """Replace what is between `<!-- mark -->` and `<!-- end of mark -->`."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, rest = document.read_text().split(begin)
    _, after = rest.split(end)
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")
