"""What the parts write: every line to its part's log file, and with a prefix to the terminal."""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path
from typing import TextIO

#: The name under which the launcher itself speaks.
LAUNCHER = "stack"
LAST_LINES = 20
PREFIX_WIDTH = len("maintenance")
LOG_BYTES = 10 * 1024 * 1024
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95)  # ANSI foregrounds that read well on black and on white


class Terminal:
    """Prefixes lines with the part that wrote them.

    Args:
        stream: where to; `None` shows nothing.
        quiet: show only what the launcher itself has to say.

    """

    def __init__(self, stream: TextIO | None, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._colourful = stream is not None and stream.isatty() and "NO_COLOR" not in os.environ
        self._colours: dict[str, int] = {}
        self._lock = threading.Lock()

    def show(self, part: str, line: str) -> None:
        if self._quiet and part != LAUNCHER:
            return
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.write(f"{self._prefix(part)} {line}\n")
                self._stream.flush()
            except OSError:  # the terminal was closed, or the pipe's reader left: files go on
                self._stream = None

    def _prefix(self, part: str) -> str:
        prefix = f"{part:<{PREFIX_WIDTH}} |"
        if not self._colourful:
            return prefix
        colour = self._colours.setdefault(part, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{prefix}\x1b[0m"


class PartLog:
    """One part's lines: kept in `<folder>/<part>.log`, shown, the last ones remembered for error messages."""

    def __init__(self, part: str, folder: Path, terminal: Terminal) -> None:
        self._part = part
        self._terminal = terminal
        path = folder / f"{part}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        self._file = path.open("a", encoding="utf-8")
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._lock = threading.Lock()

    @property
    def last_lines(self) -> list[str]:
        with self._lock:
            return list(self._last)

    def write(self, line: str) -> None:
        with self._lock:
            if self._file.closed:
                return
            self._last.append(line)
            self._file.write(f"{line}\n")
            self._file.flush()
        self._terminal.show(self._part, line)

    def close(self) -> None:
        with self._lock:
            self._file.close()
