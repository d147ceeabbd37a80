from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from mindtrack_gateway.exports.columns import ANALYSES, DAYS, Column
from mindtrack_gateway.exports.spreadsheet import Cell, lines


def test_lines_are_as_rfc_4180_has_them() -> None:
    rows: list[list[Cell]] = [["plain", 'with "quotes", commas', "two\r\nlines"], [None, "", 1]]

    assert lines(rows) == b'plain,"with ""quotes"", commas","two\r\nlines"\r\n,,1\r\n'


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "＝1",  # noqa: RUF001 - full width, which spreadsheets take for the usual one
        '=HYPERLINK("https://evil.example","x")',
        "=cmd|' /C calc'!A0",
    ],
)
def test_no_text_is_a_formula(text: str) -> None:
    assert lines([[text]]).decode() in {f"'{text}\r\n", '"' + f"'{text}".replace('"', '""') + '"\r\n'}


@pytest.mark.parametrize("text", ["a=b", "openvino", "built_in audio/wav", "1-2", "'quoted", ""])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    ((found, _),) = csv.reader([lines([[text, "end"]]).decode()], strict=True)
    assert found == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (-20.5, "-20.5"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1e-09"),
        (3, "3"),
        (-3, "-3"),
        (True, "true"),
        (None, ""),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 18, tzinfo=UTC), "2026-03-01T18:00:00+00:00"),
    ],
)
def test_what_is_no_text_is_written_as_what_it_is(cell: Cell, text: str) -> None:
    assert lines([[cell]]).decode() == (f"{text}\r\n" if text else '""\r\n')


@pytest.mark.parametrize("columns", [DAYS, ANALYSES])
def test_headings_are_no_formulas_and_differ(columns: Sequence[Column[Any]]) -> None:
    headings = [column.heading for column in columns]
    assert len(set(headings)) == len(headings)
    assert lines([headings]).decode() == ",".join(headings) + "\r\n"


def test_measures_name_their_units() -> None:
    headings = {column.heading for column in DAYS} | {column.heading for column in ANALYSES}
    assert {"stress_score (1)", "f0_median_hz (Hz)", "speech_rate_per_second (syllables/s)"} <= headings
