from __future__ import annotations

import io
from pathlib import Path

import pytest

from mindtrack_local import output
from mindtrack_local.output import PartLog, Terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_carry_their_parts_name(tmp_path: Path) -> None:
    stream = io.StringIO()

    for part in ("gateway", "maintenance"):
        log = PartLog(part, tmp_path, Terminal(stream))
        log.write("ready")
        log.close()

    assert stream.getvalue() == "gateway     | ready\nmaintenance | ready\n"


def test_a_quiet_terminal_shows_only_the_launcher() -> None:
    terminal = Terminal(stream := io.StringIO(), quiet=True)

    terminal.show("gateway", "ready")
    terminal.show(output.LAUNCHER, "gateway ended; starting it again")

    assert stream.getvalue() == "stack       | gateway ended; starting it again\n"


def test_a_closed_terminal_does_not_stop_the_log(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    log = PartLog("gateway", tmp_path, Terminal(Gone()))

    log.write("first")
    log.write("second")
    log.close()

    assert (tmp_path / "gateway.log").read_text() == "first\nsecond\n"


def test_a_terminal_shows_each_part_in_a_colour_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal(stream := Tty())

    for part in ("gateway", "relay", "gateway"):
        terminal.show(part, "ready")

    gateway, relay, again = stream.getvalue().splitlines()
    assert gateway == again
    assert gateway.startswith("\x1b[")
    assert gateway.split("gateway")[0] != relay.split("relay")[0]


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal(stream := Tty())

    terminal.show("gateway", "ready")

    assert "\x1b" not in stream.getvalue()


def test_lines_are_kept_in_a_file_and_the_last_ones_in_memory(tmp_path: Path) -> None:
    log = PartLog("gateway", tmp_path, Terminal(None))
    lines = [f"line {number}" for number in range(30)]

    for line in lines:
        log.write(line)
    log.close()

    assert (tmp_path / "gateway.log").read_text().splitlines() == lines
    assert log.last_lines == lines[-output.LAST_LINES :]


def test_a_large_log_is_put_aside_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "LOG_BYTES", 3)
    (tmp_path / "gateway.log").write_text("long ago\n")

    log = PartLog("gateway", tmp_path, Terminal(None))
    log.write("now")
    log.close()

    assert (tmp_path / "gateway.log").read_text() == "now\n"
    assert (tmp_path / "gateway.log.1").read_text() == "long ago\n"
