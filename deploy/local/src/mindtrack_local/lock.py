"""One stack per data folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mindtrack_local.errors import VarInUseError


class VarLock:
    """Held from construction to `release`; the kernel releases it when the holder dies.

    Raises:
        VarInUseError: another process holds it.

    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise VarInUseError(path.parent, f"process {holder}" if holder else "starting") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        self._file.truncate(0)
        self._file.close()
