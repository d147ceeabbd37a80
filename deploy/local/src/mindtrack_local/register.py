"""The processes of a stack, on disk, so that someone can stop them when the launcher no longer can."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

GRACE = 10.0  # seconds
POLL = 0.05  # seconds
#: A clock adjustment moves a process's start a little; another process with its pid started much later.
SAME_START = 2.0  # seconds


@dataclass(frozen=True)
class Record:
    part: str
    pid: int  # and process group
    started: float  # seconds since the epoch; tells a process from a later one with the same pid
    stop_signal: int

    def runs(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return self._is(process) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def left_children(self) -> bool:
        """Whether the process has ended, but not all of its group."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if not self._is(psutil.Process(self.pid)):
                return False
        return not self.runs() and group_lives(self.pid)

    def _is(self, process: psutil.Process) -> bool:
        return abs(process.create_time() - self.started) < SAME_START


class Register:
    """Written on every change, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[int, Record] = {}
        self._lock = threading.Lock()

    def add(self, part: str, pid: int, stop_signal: signal.Signals) -> None:
        with contextlib.suppress(psutil.NoSuchProcess), self._lock:
            self._records[pid] = Record(part, pid, psutil.Process(pid).create_time(), int(stop_signal))
            self._write()

    def remove(self, pid: int) -> None:
        with self._lock:
            if self._records.pop(pid, None):
                self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps([asdict(record) for record in self._records.values()]), encoding="utf-8")
        draft.replace(self._path)


def read(path: Path) -> list[Record]:
    try:
        return [Record(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def sweep(path: Path, grace: float = GRACE) -> list[Record]:
    """Stop whatever the register still names, last started first; return what had to be stopped."""
    left = [record for record in reversed(read(path)) if record.runs() or record.left_children()]
    for record in left:
        if record.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, record.stop_signal)
    deadline = time.monotonic() + grace
    while any(record.runs() for record in left) and time.monotonic() < deadline:
        time.sleep(POLL)
    for record in left:
        kill_group(record.pid)
    return left


def group_lives(group: int) -> bool:
    """Whether a process group has a member that is not a zombie. Looks at every process, so is slow."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def kill_group(pid: int) -> None:
    # macOS answers EPERM for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
