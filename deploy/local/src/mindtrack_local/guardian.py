"""Outlives the launcher by a moment: when the launcher is gone, however it went, stop what it left.

The launcher holds the write end of a pipe to this process's standard input. Any end of the launcher, also
SIGKILL, closes it. Linux's PR_SET_PDEATHSIG could do part of this, but it knows only direct children, follows
the thread instead of the process, is lost when a child changes user (Postgres under root) and does not
exist on macOS; the pipe has none of these limits.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from mindtrack_local import register


class Guardian:
    def __init__(self, register_path: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "mindtrack_local.guardian", str(register_path)],
            stdin=subprocess.PIPE,
            # It must not keep a pipeline open that waits for the launcher's output to end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> int:
        """Call when nothing is left to guard. Returns 0, or the exit code with which it ended too early."""
        ended = self._process.poll()
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        return ended or 0


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    register.sweep(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
