"""A part of the stack: a process that is kept running until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from signal import Signals

import psutil

from mindtrack_local.errors import PartFailedError
from mindtrack_local.output import PartLog
from mindtrack_local.process import Child, ProcessSpec
from mindtrack_local.register import Register

POLL = 0.05  # seconds
FIRST_DELAY = 1.0  # seconds before the first restart; doubles with each
LONGEST_DELAY = 30.0  # seconds
#: A run this long counts as healthy: the next crash starts again at the first delay.
HEALTHY_RUN = 60.0  # seconds
AFTER_KILL = 5.0  # seconds; only a process stuck in the kernel survives SIGKILL this long


def restart_delay(crashes: int) -> float:
    """Seconds to wait after this many crashes in a row: 1, 2, 4 .. 30."""
    return min(FIRST_DELAY * 2.0 ** (crashes - 1), LONGEST_DELAY)


class Part:
    """Runs a process in a thread of its own, which starts it again after a crash.

    A process that ends before it was ready is not started again: that is a failed start, which `wait_ready`
    reports.
    """

    def __init__(
        self, spec: ProcessSpec, log: PartLog, register: Register, announce: Callable[[str], None]
    ) -> None:
        self.spec = spec
        self.restarts = 0
        self._log = log
        self._register = register
        self._announce = announce
        self._lock = threading.Lock()  # orders "told to stop" and "start again"
        self._told_to_stop = threading.Event()
        self._was_ready = threading.Event()
        self._child: Child | None = None
        self._failure: str | None = None
        self._ended = threading.Event()  # for good: the keeper thread has nothing more to do
        self._ended.set()

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def running(self) -> bool:
        return self._child is not None

    @property
    def pid(self) -> int:
        """Of the process that runs now.

        Raises:
            ProcessLookupError: none does.

        """
        return self._current().pid

    def start(self) -> None:
        """Start the process; return before it is ready."""
        if not self._ended.is_set():
            raise RuntimeError(f"{self.name} has been started already")
        self._told_to_stop.clear()
        self._was_ready.clear()
        self._ended.clear()
        self._failure = None
        threading.Thread(target=self._keep, name=self.name, daemon=True).start()

    def wait_ready(self) -> None:
        """Return once the process is ready or, if it does not keep running, has ended well.

        Raises:
            PartFailedError: it ended first, or took too long.

        """
        deadline = time.monotonic() + self.spec.ready_within
        while not self._is_ready():
            if self._ended.is_set():
                raise PartFailedError(self.name, self._failure or "was stopped", self._log.last_lines)
            if time.monotonic() > deadline:
                raise PartFailedError(
                    self.name, f"was not ready after {self.spec.ready_within:g} s", self._log.last_lines
                )
            self._ended.wait(POLL)
        self._was_ready.set()

    def _is_ready(self) -> bool:
        if not self.spec.keeps_running:
            return self._ended.is_set() and self._failure is None
        return self.running and self.spec.ready()

    def kill(self) -> None:
        """SIGKILL to the whole process group, as a crash would; the part starts again after a delay."""
        self._current().kill()

    def pause(self) -> None:
        """Freeze the process and all it started, as a machine out of memory or a long pause would."""
        self._current().signal_family(Signals.SIGSTOP)

    def resume(self) -> None:
        self._current().signal_family(Signals.SIGCONT)

    def stop(self) -> None:
        """Ask the process to end, wait, and leave it stopped until `start`."""
        self.ask_to_stop()
        self.await_stop(threading.Event())

    def ask_to_stop(self) -> None:
        with self._lock:
            self._told_to_stop.set()
            child = self._child
        if child:
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                child.signal(self.spec.stop_signal)
                child.signal_family(Signals.SIGCONT)  # a paused process would not hear the signal

    def await_stop(self, hurry: threading.Event) -> None:
        """Wait until the process has ended; force it when its grace is over or `hurry` is set."""
        deadline = time.monotonic() + self.spec.grace
        while not self._ended.wait(POLL):
            if hurry.is_set():
                self._force(f"killing {self.name}")
                return
            if time.monotonic() > deadline:
                self._force(f"{self.name} did not stop within {self.spec.grace:g} s; killing it")
                return

    def _force(self, message: str) -> None:
        self._announce(message)
        with suppress(ProcessLookupError):
            self.kill()
        self._ended.wait(AFTER_KILL)

    def _current(self) -> Child:
        child = self._child
        if child is None:
            raise ProcessLookupError(f"{self.name} is not running")
        return child

    def _keep(self) -> None:
        crashes = 0
        try:
            while child := self._spawn():
                started = time.monotonic()
                code = self._see_off(child)
                if self._told_to_stop.is_set() or (code == 0 and not self.spec.keeps_running):
                    return
                if not self._was_ready.is_set():
                    self._failure = f"ended with {_exit(code)} before it was ready"
                    return
                crashes = 1 if time.monotonic() - started > HEALTHY_RUN else crashes + 1
                delay = restart_delay(crashes)
                self._announce(f"{self.name} ended with {_exit(code)}; starting it again in {delay:g} s")
                if self._told_to_stop.wait(delay):
                    return
                self.restarts += 1
        finally:
            self._ended.set()

    def _spawn(self) -> Child | None:
        with self._lock:
            if self._told_to_stop.is_set():
                return None
            for leftover in self.spec.leftovers:
                leftover.unlink(missing_ok=True)
            try:
                self._child = Child(self.spec, self._log)
            except OSError as error:
                self._failure = f"could not be started: {error}"
                self._announce(f"{self.name} {self._failure}")
                return None
            self._register.add(self.name, self._child.pid, self.spec.stop_signal)
            return self._child

    def _see_off(self, child: Child) -> int:
        code = child.wait()
        with self._lock:
            self._child = None
            self._register.remove(child.pid)
        return code


def _exit(code: int) -> str:
    return Signals(-code).name if code < 0 else f"exit code {code}"
