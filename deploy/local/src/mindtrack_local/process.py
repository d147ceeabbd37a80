"""One child process: how to start it, and one run of it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

import psutil

from mindtrack_local.output import PartLog
from mindtrack_local.register import kill_group

DRAIN = 1.0  # seconds to read what a dead process wrote last


def at_once() -> bool:
    """Readiness of a part that nothing waits for."""
    return True


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    name: str
    command: tuple[str, ...]
    #: Laid over the launcher's own environment.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Asked every 50 ms once the process runs; must return fast and not raise.
    ready: Callable[[], bool] = at_once
    ready_within: float = 30.0  # seconds
    stop_signal: Signals = Signals.SIGTERM
    grace: float = 10.0  # seconds from the stop signal to SIGKILL
    #: False: it does its work and ends, like a migration.
    keeps_running: bool = True
    #: Working directory; `None` keeps the launcher's.
    directory: Path | None = None
    #: User and group ids to run as; `None` keeps the launcher's.
    owner: tuple[int, int] | None = None
    #: Left by an earlier run and misleading in the next: removed before every start.
    leftovers: tuple[Path, ...] = ()


class Child:
    """A running process in a session of its own: Ctrl-C in the terminal does not reach it directly."""

    def __init__(self, spec: ProcessSpec, log: PartLog) -> None:
        user, group = spec.owner or (None, None)
        self._process = subprocess.Popen(  # noqa: S603 - commands come from this package
            spec.command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **spec.environment},
            cwd=spec.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if spec.owner is None else [],
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, args=(log,), name=f"{spec.name}-log", daemon=True)
        self._reader.start()

    def _read(self, log: PartLog) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        with self._process.stdout as stream:
            for line in stream:
                log.write(line.decode(errors="replace").rstrip())

    def wait(self) -> int:
        """Wait for the end, leave no member of the process group behind, return the exit code."""
        code = self._process.wait()
        kill_group(self.pid)
        self._reader.join(DRAIN)
        return code

    def signal(self, number: Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        os.killpg(self.pid, Signals.SIGKILL)

    def signal_family(self, number: Signals) -> None:
        """Signal the process and all it started, also those that left its group, as Postgres's do."""
        process = psutil.Process(self.pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                member.send_signal(number)
