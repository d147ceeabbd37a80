"""Which processes this worker has, written down where the next one finds it.

A process that is killed, by the kernel for its memory, say, cannot give back what it holds; its leases would
have to lapse. Whoever is started in its place reads here who it was, and ends them (`lease.end_leases`).
Nothing hangs on it: a fence refuses what is written by somebody who was thought to be lost, and a lease that
nobody ends lapses.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from mindtrack_inference.settings import InferenceSettings
from mindtrack_shared.observability import events
from mindtrack_shared.observability.liveness import lives
from mindtrack_shared.observability.logging import get_logger

#: Read by children when they build their settings.
VARIABLE = "MINDTRACK_INFERENCE_ROLL"
LOST = ".lost"


@contextmanager
def kept(settings: InferenceSettings) -> Iterator[None]:
    """Keep a roll for the children that are started while the block runs.

    Whoever is on it already was of a worker that ran here before, and has ended with it.
    """
    own = None
    try:
        if settings.roll is None:
            own = tempfile.mkdtemp(prefix="mindtrack-roll-")
            os.environ[VARIABLE] = own
        else:
            settings.roll.mkdir(mode=0o700, parents=True, exist_ok=True)
            for entry, _ in _entries(settings.roll):
                entry.rename(entry.with_suffix(LOST))
    except OSError as error:
        get_logger().warning(events.ROLL_UNUSABLE, error=type(error).__name__)
    try:
        yield
    finally:
        if own is not None:
            del os.environ[VARIABLE]
            shutil.rmtree(own, ignore_errors=True)


class Roll:
    """The roll, as a child sees it: a file for each process, named after its id, with its number.

    A folder that cannot be read or written is one that tells nothing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: Path | None = None

    def enter(self, worker_id: UUID) -> None:
        self._own = self._folder / str(worker_id)
        try:
            self._own.write_text(str(os.getpid()), encoding="ascii")
        except OSError as error:
            get_logger().warning(events.ROLL_UNUSABLE, error=type(error).__name__)

    def leave(self) -> None:
        if self._own is not None:
            with suppress(OSError):
                self._own.unlink()

    def lost(self) -> list[UUID]:
        """Return who has ended without leaving."""
        return [worker_id for entry, worker_id in _entries(self._folder) if _is_lost(entry)]

    def strike(self, worker_ids: Collection[UUID]) -> None:
        """Remove who holds nothing any more."""
        for entry, worker_id in _entries(self._folder):
            if worker_id in worker_ids:
                with suppress(OSError):
                    entry.unlink()


def _entries(folder: Path) -> list[tuple[Path, UUID]]:
    """What is named otherwise is somebody else's."""
    found = []
    with suppress(OSError):
        for entry in folder.iterdir():
            with suppress(ValueError):
                found.append((entry, UUID(entry.stem)))
    return found


def _is_lost(entry: Path) -> bool:
    try:
        process = int(entry.read_text(encoding="ascii"))
    except (OSError, ValueError):  # struck meanwhile, or being written
        return False
    return entry.suffix == LOST or process == os.getpid() or not lives(process)
