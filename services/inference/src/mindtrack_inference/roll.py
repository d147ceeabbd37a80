"""Which processes this worker has, written down where the next one finds it.

A process that is killed, by the kernel for its memory, say, cannot give back what it holds; its leases would
have to lapse. Whoever is started in its place reads here who it was, and ends them (`lease.give_up`). Nothing
hangs on it: a fence refuses what is written by somebody who was thought to be lost, and a lease that nobody
ends lapses.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from mindtrack_inference.settings import InferenceSettings

#: Read by children when they build their settings.
VARIABLE = "MINDTRACK_INFERENCE_ROLL"
LOST = ".lost"


@contextmanager
def kept(settings: InferenceSettings) -> Iterator[None]:
    """Keep a roll for the children that are started while the block runs.

    Whoever is on it already was of a worker that ran here before, and has ended with it.
    """
    if settings.roll is None:
        folder = Path(tempfile.mkdtemp(prefix="mindtrack-roll-"))
        os.environ[VARIABLE] = str(folder)
        try:
            yield
        finally:
            del os.environ[VARIABLE]
            shutil.rmtree(folder, ignore_errors=True)
    else:
        settings.roll.mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in settings.roll.iterdir():
            entry.rename(entry.with_suffix(LOST))
        yield


class Roll:
    """The roll, as a child sees it: a file for each process, named after its id, with its number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: Path | None = None

    def enter(self, worker_id: UUID) -> None:
        self._own = self._folder / str(worker_id)
        self._own.write_text(str(os.getpid()), encoding="ascii")

    def leave(self) -> None:
        if self._own is not None:
            self._own.unlink(missing_ok=True)

    def lost(self) -> list[UUID]:
        """Return who has ended without leaving."""
        return [UUID(entry.stem) for entry in self._folder.iterdir() if _is_lost(entry)]

    def strike(self, worker_ids: list[UUID]) -> None:
        """Remove who holds nothing any more."""
        for worker_id in worker_ids:
            for entry in self._folder.glob(f"{worker_id}*"):
                entry.unlink(missing_ok=True)


def _is_lost(entry: Path) -> bool:
    try:
        process = int(entry.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):  # struck meanwhile, or being written
        return False
    return entry.suffix == LOST or process == os.getpid() or not Path(f"/proc/{process}").exists()
