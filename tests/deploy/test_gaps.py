"""Logs that go on from a base backup, and logs that only seem to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy/backup"))
import gaps

#: Of a cluster made with the smallest there are: 4096 of them share the middle of their names.
SEGMENT_BYTES = 1024 * 1024
FIRST, LAST = "000000010000000000000FFD", "000000010000000000000FFE"
OVERFLOWN = "000000010000000100000000"
RANGE = {"Timeline": 1, "Start-LSN": "0/FFD00028", "End-LSN": "0/FFE00120"}
#: The first timeline was left within its segment ...0001.
HISTORY = "1\t1/00180000\tno recovery target specified\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base/pg_wal").mkdir(parents=True)
    (tmp_path / "base/backup_manifest").write_text(json.dumps({"WAL-Ranges": [RANGE]}))
    for name in (FIRST, LAST):
        write(tmp_path / "base/pg_wal" / name)
    return tmp_path / "base"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "wal").mkdir()
    return tmp_path / "wal"


def write(path: Path, length: int = SEGMENT_BYTES) -> None:
    with path.open("wb") as file:
        file.truncate(length)


@pytest.mark.parametrize(
    ("names", "gap"),
    [
        ([FIRST, LAST, "000000010000000000000FFF", OVERFLOWN, "000000010000000100000001.partial"], None),
        ([LAST, "000000010000000000000FFF.partial"], None),
        (["000000010000000000000FFF", OVERFLOWN], None),
        ([FIRST, LAST], None),
        ([FIRST, LAST, OVERFLOWN], "000000010000000000000FFF"),
        ([FIRST, LAST, "000000010000000000000FFF.partial", OVERFLOWN], "000000010000000000000FFF"),
        ([FIRST], LAST),
        ([], LAST),
        (["0000000100000000000000FF.done"], LAST),
    ],
    ids=[
        "all there",
        "the first is with the base",
        "both are with the base",
        "nothing since",
        "one is missing",
        "one was never finished",
        "ends before the base backup did",
        "empty",
        "something else",
    ],
)
def test_the_first_missing_segment_is_named(base: Path, log: Path, names: list[str], gap: str | None) -> None:
    for name in names:
        write(log / name)

    assert gaps.first_gap(base, log) == gap


def test_a_segment_that_was_cut_short_is_missing(base: Path, log: Path) -> None:
    for name in (LAST, OVERFLOWN):
        write(log / name)
    write(log / "000000010000000000000FFF", SEGMENT_BYTES - 1)

    assert gaps.first_gap(base, log) == "000000010000000000000FFF"


@pytest.mark.parametrize(
    ("names", "gap"),
    [
        (["000000020000000100000001", "000000020000000100000002"], None),
        (["000000010000000100000001", "000000020000000100000002"], "000000020000000100000001"),
        (["000000020000000100000001", "000000020000000100000003"], "000000020000000100000002"),
        (["000000020000000100000001", "000000010000000100000003"], None),
    ],
    ids=["goes on", "its first is missing", "one is missing", "what was left behind is not waited for"],
)
def test_the_log_is_followed_to_another_timeline(
    base: Path, log: Path, names: list[str], gap: str | None
) -> None:
    (log / "00000002.history").write_text(HISTORY)
    for name in (
        "000000010000000000000FFF",
        OVERFLOWN,
        "000000010000000100000001.partial",
        *names,
    ):
        write(log / name)

    assert gaps.first_gap(base, log) == gap


def test_the_command_prints_what_is_missing(base: Path, log: Path) -> None:
    command = [sys.executable, gaps.__file__, str(base), str(log)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, f"{LAST}\n")

    write(log / LAST)
    subprocess.run(command, check=True)
