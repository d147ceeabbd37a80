from __future__ import annotations

from pathlib import Path

from bench.marked import fill


def test_only_what_is_between_its_marks_is_replaced(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- a -->\nold\n<!-- end of a -->\n<!-- b -->\n<!-- end of b -->\nafter\n")
    for _ in range(2):
        fill(document, "a", "new\n")
    expected = "before\n<!-- a -->\n\nnew\n\n<!-- end of a -->\n<!-- b -->\n<!-- end of b -->\nafter\n"
    assert document.read_text() == expected
