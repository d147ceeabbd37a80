"""The matrix as a table: on the terminal, and between two markers of docs/reliability.md."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from faults.campaign.trial import Result

PAGE = Path(__file__).parents[3] / "docs/reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD = ("| | Fault | Accepted | Lost | Found | |", "| --- | --- | ---: | ---: | --- | --- |")
_ROW = re.compile(r"^\| (F\d+) \|.*$", re.MULTILINE)


def row(result: Result) -> str:
    """Write a fault's line; what does not hold says so, and why."""
    found = "; ".join(f"{check.figure}" if check.holds else f"**{check.figure}**" for check in result.checks)
    if result.skipped:
        found, word = f"not tried: {result.skipped}", "skipped"
    else:
        word = "holds" if result.holds else "**does not hold**"
    reasons = [*([result.broken] if result.broken else []), *_summed(result)]
    if reasons:
        found = "; ".join([*([found] if found else []), *(f"**{_cell(reason)}**" for reason in reasons)])
    name, injected = result.fault.name, result.fault.injected
    return f"| {name} | {injected} | {result.accepted} | {result.lost} | {_cell(found)} | {word} |"


def _summed(result: Result) -> list[str]:
    by_invariant: dict[str, list[str]] = {}
    for violation in result.violations:
        by_invariant.setdefault(violation.invariant, []).append(str(violation))
    return [
        first if len(others) == 0 else f"{first} (and {len(others)} more)"
        for first, *others in by_invariant.values()
    ]


def _cell(words: str) -> str:
    return " ".join(words.replace("|", "/").split())


def table(results: Iterable[Result]) -> str:
    return "\n".join([*HEAD, *(row(result) for result in results)])


def write(results: Sequence[Result], load: float, share: float, page: Path = PAGE) -> None:
    """Put rows into the page; those of faults that were not tried stay as they are."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    former, after = rest.split(END)
    rows = {match[1]: match[0] for match in _ROW.finditer(former)}
    rows |= {result.fault.name: row(result) for result in results}
    ordered = [rows[name] for name in sorted(rows, key=lambda name: int(name[1:]))]
    body = "\n".join(["", *HEAD, *ordered, "", summary(ordered, load, share), ""])
    page.write_text(f"{before}{BEGIN}{body}{END}{after}", encoding="utf-8")


def summary(rows: Sequence[str], load: float, share: float) -> str:
    accepted, lost = (sum(int(row.split(" | ")[column]) for row in rows) for column in (2, 3))
    day = datetime.now(UTC).date()
    return (
        f"{accepted} jobs accepted, {lost} lost. Last run {day:%Y-%m-%d}, with {share:.0%} of the rounds, on"
        f" {os.cpu_count()} cores with a load of {load:.1f} from others."
    )
