"""The parent's side of the cage: starts the child, asks it, believes nothing it says, and kills it."""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from mindtrack_inference.audio import SAMPLE_RATE
from mindtrack_inference.cage import protocol
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.preparation import CHUNK_WINDOWS, LaneExceededError, Prepared, Terms
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

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
#: Bytes beyond what the loaded child has: the recording as uploaded (128 MiB by default) and a decoder;
#: then for each second of 16,000 samples the waveform (64 kB, while it grows an eighth more), the voice and
#: its band-passed copy at half the rate (32 kB each), and rows of numbers for its 100 frames and 62 frames of
#: speech (30 kB). Blocks of a minute and the windows in hand fit into the first part.
BASE_HEADROOM = 512 << 20
HEADROOM_PER_SECOND = 192_000
#: Seconds, and seconds for each second of audio. Preparing an hour took 101 s (54 MiB of FLAC, three busy
#: processes per core). Whoever is cut off is told that the recording cannot be read, so be generous.
BASE_PATIENCE, PATIENCE_PER_SECOND = 60.0, 0.2
#: Bytes read or written at once.
_PIECE = 1 << 18


class CageBrokenError(Exception):
    """A fresh child cannot start. The fault is ours, never a recording's."""


class PreparationError(Exception):
    """Preparing failed with an exception that judges no recording. The fault is ours."""


class Reason(StrEnum):
    """Why a child was killed, or found dead."""

    CRASH = "crash"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    #: It said what makes no sense.
    PROTOCOL = "protocol"


_DETAILS = {
    Reason.CRASH: "its decoder died",
    Reason.TIMEOUT: "it could not be decoded in time",
    Reason.MEMORY: "its decoder ran out of memory",
    Reason.PROTOCOL: "its decoder gave an answer that makes no sense",
}


class _LostError(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Cage:
    """Prepares one recording after the other in a child process. Serves one thread at a time.

    Args:
        terms: what a recording must be like, and how it is cut.
        lane_seconds: the longest recording that is taken without `LaneExceededError`; any when None.
        time_limit: seconds for decoding and measuring a recording, and for each chunk of its windows; from
            `terms` when None.
        headroom_bytes: address space of the child beyond what it has after loading; from `terms` when None.
        start_limit: seconds for a child to start.

    """

    def __init__(
        self,
        terms: Terms,
        *,
        lane_seconds: float | None = None,
        time_limit: float | None = None,
        headroom_bytes: int | None = None,
        start_limit: float = 60.0,
    ) -> None:
        self._terms = terms
        self._lane_seconds = lane_seconds
        self._time_limit = patience(terms.max_seconds) if time_limit is None else time_limit
        self._headroom = headroom(terms.max_seconds) if headroom_bytes is None else headroom_bytes
        self._start_limit = start_limit
        # PR_SET_PDEATHSIG goes by threads: a child dies with the one that started it, so that must stay.
        self._starter = ThreadPoolExecutor(1, "cage")
        self._child: _Child | None = None
        #: Whether the child owes nothing of an earlier recording.
        self._is_idle = True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Have a child, without waiting until it is ready.

        Raises:
            CageBrokenError: the system starts none.

        """
        if self._child is not None and (not self._is_idle or self._child.is_dead):
            self._discard()
        if self._child is None:
            setup = protocol.Setup(terms=self._terms, headroom=self._headroom, parent=os.getpid())
            try:
                self._child = self._starter.submit(_Child, setup).result()
            except OSError as error:
                raise CageBrokenError(f"no child process could be started: {error}") from error

    def close(self) -> None:
        """Kill the child. The cage is of no use afterwards."""
        self._discard()
        self._starter.shutdown()

    def prepare(
        self,
        recording: bytes,
        *,
        prompt_ended_seconds: float | None = None,
        max_seconds: float | None = None,
        timeout: float | None = None,
    ) -> Prepared:
        """Decode, judge and measure a recording; its windows come while they are asked for.

        What is left of the recording before is given up.

        Args:
            recording: as it was uploaded.
            prompt_ended_seconds: when the question that it answers ended, counted from its start.
            max_seconds: as `lane_seconds`, for this recording.
            timeout: as `time_limit`, for this recording.

        Raises:
            RecordingRejectedError: the recording is at fault; UNREADABLE also if the child was lost over it.
            LaneExceededError: its lane takes none so long.
            PreparationError: a bug of ours; the child's log has the traceback.
            CageBrokenError: no child can be started.

        """
        lane = self._lane_seconds if max_seconds is None else max_seconds
        limit = self._time_limit if timeout is None else timeout
        if prompt_ended_seconds is not None and not math.isfinite(prompt_ended_seconds):
            prompt_ended_seconds = None  # as `biomarkers.timing.latency` takes it
        request = protocol.Request(prompt_ended_seconds=prompt_ended_seconds, lane_seconds=lane)
        child = self._listening(request, limit)
        try:
            deadline = time.monotonic() + limit
            child.send(recording, deadline)
            answer = _answer(child.read(protocol.MAX_HEADER, deadline))
            if isinstance(answer, protocol.Passed):
                return self._prepared(child, answer, limit)
        except _LostError as error:
            raise self._rejection(error.reason) from None
        self._is_idle = True
        if isinstance(answer, protocol.Exceeded):
            raise LaneExceededError(self._terms.max_seconds if lane is None else lane)
        if isinstance(answer, protocol.Failed):
            raise PreparationError(f"the child failed with {answer.error}")
        raise RecordingRejectedError(
            answer.code, answer.detail, answer.measured, answer.needed, answer.quality
        )

    def _listening(self, request: protocol.Request, limit: float) -> _Child:
        """Return a child that waits for the recording; the first may have died or hung while it was idle."""
        try:
            return self._asked(request, limit)
        except _LostError as error:
            self._bury(error.reason)
        try:
            return self._asked(request, limit)
        except _LostError as error:
            self._bury(error.reason)
            raise CageBrokenError("two decoders in a row were lost before they got a recording") from None

    def _asked(self, request: protocol.Request, limit: float) -> _Child:
        child = self._ready()
        self._is_idle = False
        deadline = time.monotonic() + limit
        child.send(_json(request), deadline)
        child.confirm(deadline)
        return child

    def _ready(self) -> _Child:
        self.start()
        child = self._child
        if child is None:  # pragma: no cover - for the type checker
            raise CageBrokenError("there is no child")
        if not child.is_ready:
            try:
                child.confirm(time.monotonic() + self._start_limit)
            except _LostError as error:
                self._discard()
                raise CageBrokenError(
                    f"a fresh decoder did not start ({error}): what it wrote to standard error says why"
                ) from error
            child.is_ready = True
        return child

    def _prepared(self, child: _Child, passed: protocol.Passed, limit: float) -> Prepared:
        terms, starts = self._terms, np.array(passed.starts, np.intp)
        seconds = passed.samples / SAMPLE_RATE
        if (
            # A resampler may round up at each change of rate.
            seconds > terms.max_seconds + 1
            or starts[-1] > passed.samples - terms.window_samples
            or (np.diff(starts) <= 0).any()
        ):
            raise _LostError(Reason.PROTOCOL)
        chunks = self._chunks(child, len(starts), limit)
        return Prepared(passed.quality, passed.biomarkers, seconds, starts, chunks)

    def _chunks(self, child: _Child, windows: int, limit: float) -> Iterator[NDArray[np.float32]]:
        for first in range(0, windows, CHUNK_WINDOWS):
            shape = min(CHUNK_WINDOWS, windows - first), self._terms.window_samples
            if child is not self._child:
                raise RuntimeError("this recording was given up: another was prepared meanwhile")
            try:
                chunk = _chunk(child, shape, time.monotonic() + limit)
            except _LostError as error:
                raise self._rejection(error.reason) from None
            self._is_idle = first + CHUNK_WINDOWS >= windows
            yield chunk

    def _rejection(self, reason: Reason) -> RecordingRejectedError:
        """Replace a lost child; say what that means for the recording over which it was lost."""
        self._bury(reason)
        with suppress(CageBrokenError):  # the next recording will say so
            self.start()
        return RecordingRejectedError(RejectionCode.UNREADABLE, _DETAILS[reason])

    def _bury(self, reason: Reason) -> None:
        get_logger().warning(events.DECODER_KILLED, reason=reason)
        self._discard()

    def _discard(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child, self._is_idle = None, True


def headroom(max_seconds: float) -> int:
    """Bytes of address space that recordings of up to `max_seconds` take, with some to spare."""
    return BASE_HEADROOM + math.ceil(HEADROOM_PER_SECOND * max_seconds)


def patience(max_seconds: float) -> float:
    """Seconds after which a recording of up to `max_seconds` is hopeless, even on a busy machine."""
    return BASE_PATIENCE + PATIENCE_PER_SECOND * max_seconds


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What the child may know of its parent's environment, and what is set for it."""
    return {name: inherited[name] for name in INHERITED if name in inherited} | OWN


class _Child:
    """A child process and the pipes to it. Every wait has a deadline."""

    def __init__(self, setup: protocol.Setup) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mindtrack_inference.cage.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=environment(os.environ),
            start_new_session=True,
            bufsize=0,
        )
        self.pid = self._process.pid
        self.is_ready = False
        self._input, self._output = _open(self._process.stdin), _open(self._process.stdout)
        os.set_blocking(self._input, False)
        os.set_blocking(self._output, False)
        with suppress(_LostError):  # then the wait for its readiness will find out
            self.send(_json(setup), time.monotonic() + 1)

    @property
    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill it with all its descendants, and take its ashes."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def send(self, payload: bytes, deadline: float) -> None:
        for part in (protocol.LENGTH.pack(len(payload)), payload):
            rest = memoryview(part)
            while rest:
                self._wait(self._input, selectors.EVENT_WRITE, deadline)
                try:
                    rest = rest[os.write(self._input, rest[:_PIECE]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise _LostError(self._fate()) from None

    def read(self, most: int, deadline: float) -> bytearray:
        (length,) = protocol.LENGTH.unpack(self._receive(protocol.LENGTH.size, deadline))
        if length > most:
            raise _LostError(Reason.PROTOCOL)
        return self._receive(length, deadline)

    def confirm(self, deadline: float) -> None:
        """Wait for it to say that it is ready."""
        try:
            protocol.Ready.model_validate_json(self.read(protocol.MAX_HEADER, deadline))
        except ValidationError:
            raise _LostError(Reason.PROTOCOL) from None

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
                raise _LostError(self._fate())
            rest = rest[count:]
        return received

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise _LostError(Reason.TIMEOUT)

    def _fate(self) -> Reason:
        """Why it closed its end: it has exited, or is about to."""
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return Reason.PROTOCOL
        return Reason.MEMORY if status == protocol.OUT_OF_MEMORY else Reason.CRASH


def _open(pipe: IO[bytes] | None) -> int:
    if pipe is None:  # pragma: no cover - for the type checker
        raise CageBrokenError("the child has no pipe")
    return pipe.fileno()


def _json(message: BaseModel) -> bytes:
    return message.model_dump_json().encode()


def _answer(frame: bytearray) -> protocol.Answer:
    try:
        return protocol.ANSWER.validate_json(frame)
    except ValidationError:
        raise _LostError(Reason.PROTOCOL) from None


def _chunk(child: _Child, shape: tuple[int, int], deadline: float) -> NDArray[np.float32]:
    size = math.prod(shape) * np.dtype(protocol.SAMPLES).itemsize
    payload = child.read(size, deadline)
    if len(payload) < size:
        raise _LostError(Reason.PROTOCOL)
    chunk = np.frombuffer(payload, protocol.SAMPLES).reshape(shape).astype(np.float32, copy=False)
    if not np.isfinite(chunk).all():
        raise _LostError(Reason.PROTOCOL)
    return chunk
