"""The child as a process: started without secrets, spoken to through pipes, each wait with a deadline."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import IO

from pydantic import BaseModel, ValidationError

from mindtrack_inference.cage import protocol

#: Variables that the child may see; the rest may hold secrets.
INHERITED = (
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "MINDTRACK_LOG_FORMAT",
    "MINDTRACK_LOG_LEVEL",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "TZ",
)
#: One thread per library. One heap, and large blocks given back to the system as soon as they are freed:
#: otherwise address space says little about memory.
OWN = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
}
#: Bytes read at once.
_PIECE = 1 << 18


class CageBrokenError(Exception):
    """A fresh child cannot start. The fault is ours, never a recording's."""


class Reason(StrEnum):
    """Why a child was killed, or found dead."""

    CRASH = "crash"
    #: By somebody else: the system, most likely, for want of memory, which need not be the recording's doing.
    KILLED = "killed"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    #: It said what makes no sense.
    PROTOCOL = "protocol"
    #: It made a system call that nothing of ours makes, as whoever took it over would.
    FORBIDDEN = "forbidden"


#: Exit statuses that say why.
_FATES = {
    protocol.OUT_OF_MEMORY: Reason.MEMORY,
    -signal.SIGPROF: Reason.TIMEOUT,
    -signal.SIGKILL: Reason.KILLED,
    -signal.SIGSYS: Reason.FORBIDDEN,
}


class LostError(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What the child may know of its parent's environment, and what is set for it."""
    return {name: inherited[name] for name in INHERITED if name in inherited} | OWN


class Child:
    """A child process and the pipes to it. Every wait has a deadline.

    It inherits the descriptor in its setup, from which it reads recordings.
    """

    def __init__(self, setup: protocol.Setup) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mindtrack_inference.cage.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=environment(os.environ),
            pass_fds=(setup.recording,),
            start_new_session=True,
            bufsize=0,
        )
        self.pid = self._process.pid
        self.is_ready = False
        self._input, self._output = _open(self._process.stdin), _open(self._process.stdout)
        os.set_blocking(self._input, False)
        os.set_blocking(self._output, False)
        with suppress(LostError):  # then the wait for its readiness will find out
            self.send(setup, time.monotonic() + 1)

    @property
    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill it with all its descendants, and take its ashes."""
        if self._process.returncode is None:  # else its number may be somebody else's by now
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def send(self, message: BaseModel, deadline: float) -> None:
        payload = message.model_dump_json().encode()
        rest = memoryview(protocol.LENGTH.pack(len(payload)) + payload)
        while rest:
            self._wait(self._input, selectors.EVENT_WRITE, deadline)
            try:
                rest = rest[os.write(self._input, rest) :]
            except BlockingIOError:
                continue
            except OSError:
                raise LostError(self._fate()) from None

    def read(self, most: int, deadline: float) -> bytearray:
        (length,) = protocol.LENGTH.unpack(self._receive(protocol.LENGTH.size, deadline))
        if length > most:
            raise LostError(Reason.PROTOCOL)
        return self._receive(length, deadline)

    def confirm(self, deadline: float) -> None:
        """Wait for it to say that it is ready."""
        try:
            protocol.Ready.model_validate_json(self.read(protocol.MAX_HEADER, deadline))
        except ValidationError:
            raise LostError(Reason.PROTOCOL) from None

    def _receive(self, size: int, deadline: float) -> bytearray:
        received = bytearray(size)
        rest = memoryview(received)
        while rest:
            self._wait(self._output, selectors.EVENT_READ, deadline)
            try:
                count = os.readv(self._output, [rest[:_PIECE]])
            except BlockingIOError:
                continue
            if not count:
                raise LostError(self._fate())
            rest = rest[count:]
        return received

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise LostError(Reason.TIMEOUT)

    def _fate(self) -> Reason:
        """Why it closed its end: it has exited, or is about to."""
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return Reason.PROTOCOL
        return _FATES.get(status, Reason.CRASH)


def _open(pipe: IO[bytes] | None) -> int:
    if pipe is None:  # pragma: no cover - for the type checker
        raise CageBrokenError("the child has no pipe")
    return pipe.fileno()
