"""Signs of life of processes that have no port: a file that is touched whenever the process comes round.

    python -m mindtrack_shared.observability.liveness FILE [SECONDS]

succeeds if FILE is no older than SECONDS, or is there at all. Orchestrators run it as a probe, every few
seconds and without a shell, so it needs nothing but the standard library.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: How often a process that lives shows it, at least.
SHOW_EVERY = 5.0  # seconds


class LifeSign:
    """Shows that its process lives; does nothing without a file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def show(self) -> None:
        if self._file is not None:
            self._file.touch()

    @contextmanager
    def shown_meanwhile(self) -> Iterator[None]:
        """Show it throughout, from a thread: for a wait that starting again would not shorten."""
        over = threading.Event()
        thread = threading.Thread(target=self._show_until, args=(over,), name="life-sign", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _show_until(self, over: threading.Event) -> None:
        self.show()
        while not over.wait(SHOW_EVERY):
            self.show()


#: For a process that nobody watches.
UNWATCHED = LifeSign(None)


def complaint(file: Path, seconds: float | None = None) -> str | None:
    """Say what is wrong with a sign of life, or nothing."""
    try:
        age = time.time() - file.stat().st_mtime
    except OSError as error:
        return f"{file}: {error.strerror}"
    if seconds is not None and age > seconds:
        return f"{file}: last touched {age:.0f} s ago, {seconds:.0f} s are allowed"
    return None


def lives(process: int) -> bool:
    """Whether there is a process with that number, whoever runs it."""
    return Path(f"/proc/{process}").exists()


def main(arguments: Sequence[str]) -> None:
    file, *seconds = arguments
    sys.exit(complaint(Path(file), *map(float, seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
