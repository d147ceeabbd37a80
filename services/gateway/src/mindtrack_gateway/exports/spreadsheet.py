"""Tables as comma-separated values: RFC 4180, UTF-8, a header line that names units.

A text that a spreadsheet would take for a formula gets an apostrophe before it, and is shown as text. Numbers
are numbers: a minus sign of ours starts no formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime

Cell = str | int | float | bool | date | None

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
#: What begins a formula, also after what spreadsheets drop (OWASP, "CSV Injection"), in its wide forms too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - as they are typed
#: Digits of a number that mean something.
DIGITS = 6


def lines(rows: Iterable[Iterable[Cell]]) -> bytes:
    """Write lines, each with CRLF at its end."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([_text(cell) for cell in row] for row in rows)
    return written.getvalue().encode()


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).lower()
        case float():
            return f"{cell:.{DIGITS}g}"
        case datetime() | date():
            return cell.isoformat()
        case int():
            return str(cell)
        case str():
            return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell
