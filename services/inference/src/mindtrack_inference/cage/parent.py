"""The parent's side of the cage: starts the child, asks it, believes nothing it says, and kills it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mindtrack_inference.cage import protocol
from mindtrack_inference.cage.handover import Handover
from mindtrack_inference.cage.process import CageBrokenError, Child, LostError, Reason
from mindtrack_inference.errors import DecoderKilledError, RecordingRejectedError
from mindtrack_inference.preparation import (
    CHUNK_WINDOWS,
    MIN_BYTES_PER_SECOND,
    LaneExceededError,
    Prepared,
    Terms,
)
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: Bytes beyond what the loaded child has: a decoder, which may read a recording's index at once; then for
#: each second of 16,000 samples the waveform (64 kB, while it grows an eighth more), the voice and its
#: band-passed copy at half the rate (32 kB each), and rows of numbers for its 100 frames and 62 frames of
#: speech (30 kB). Blocks of a minute and the windows in hand fit into the first part.
BASE_HEADROOM = 384 << 20
HEADROOM_PER_SECOND = 192_000
#: Seconds, and seconds for each second of audio. Preparing an hour took 101 s (54 MiB of FLAC, three busy
#: processes per core). Whoever is cut off is told that the recording cannot be read, so be generous.
BASE_PATIENCE, PATIENCE_PER_SECOND = 60.0, 0.2
#: The same of the processor's time, which a busy machine does not stretch: the hour took 34 s of it.
BASE_LABOUR, LABOUR_PER_SECOND = 10.0, 0.05


class PreparationError(Exception):
    """Preparing failed with an exception that judges no recording. The fault is ours."""


_DETAILS = {
    Reason.CRASH: "its decoder died",
    Reason.KILLED: "its decoder was killed",
    Reason.TIMEOUT: "it could not be decoded in time",
    Reason.MEMORY: "its decoder ran out of memory",
    Reason.PROTOCOL: "its decoder gave an answer that makes no sense",
    Reason.FORBIDDEN: "its decoder tried what no decoder does",
}


class Cage:
    """Prepares one recording after the other in a child process. Serves one thread at a time.

    Args:
        terms: what a recording must be like, and how it is cut.
        lane_seconds: the longest recording that is taken without `LaneExceededError`; any when None.
        time_limit: seconds for decoding and measuring a recording, and for each chunk of its windows; from
            `terms` and the recording's size when None.
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
        self._time_limit = time_limit
        self._headroom = headroom(terms.max_seconds) if headroom_bytes is None else headroom_bytes
        self._start_limit = start_limit
        # PR_SET_PDEATHSIG goes by threads: a child dies with the one that started it, so that must stay.
        self._starter = ThreadPoolExecutor(1, "cage")
        self._handover = Handover()
        self._child: Child | None = None
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
            try:
                with self._handover.readable() as descriptor:
                    setup = protocol.Setup(
                        terms=self._terms,
                        headroom=self._headroom,
                        parent=os.getpid(),
                        recording=descriptor,
                    )
                    self._child = self._starter.submit(Child, setup).result()
            except OSError as error:
                raise CageBrokenError(f"no child process could be started: {error}") from error

    def close(self) -> None:
        """Kill the child. The cage is of no use afterwards."""
        self._discard()
        self._starter.shutdown()
        self._handover.close()

    def prepare(
        self,
        recording: Iterable[bytes],
        *,
        prompt_ended_seconds: float | None = None,
        max_seconds: float | None = None,
        timeout: float | None = None,
    ) -> Prepared:
        """Decode, judge and measure a recording; its windows come while they are asked for.

        What is left of the recording before is given up.

        Args:
            recording: as it was uploaded, in chunks. What they raise passes through, and costs no child.
            prompt_ended_seconds: when the question that it answers ended, counted from its start.
            max_seconds: as `lane_seconds`, for this recording.
            timeout: as `time_limit`, for this recording.

        Raises:
            RecordingRejectedError: the recording is at fault; UNREADABLE also if the child was lost over it.
            DecoderKilledError: somebody killed the child; it may have been at fault, or not.
            LaneExceededError: its lane takes none so long.
            PreparationError: a bug of ours; the child's log has the traceback.
            CageBrokenError: no child can be started.

        """
        lane = self._lane_seconds if max_seconds is None else max_seconds
        if prompt_ended_seconds is not None and not math.isfinite(prompt_ended_seconds):
            prompt_ended_seconds = None  # as `biomarkers.timing.latency` takes it
        self.start()  # whoever still works on the recording before must not see this one
        longest = min(self._handover.put(recording) / MIN_BYTES_PER_SECOND, self._terms.max_seconds)
        limit = timeout or self._time_limit or patience(longest)
        request = protocol.Request(
            prompt_ended_seconds=prompt_ended_seconds, lane_seconds=lane, cpu_seconds=labour(longest)
        )
        child = self._listening(request, limit)
        try:
            answer = _answer(child.read(protocol.MAX_HEADER, time.monotonic() + limit))
            if isinstance(answer, protocol.Passed):
                return self._prepared(child, answer, limit)
        except LostError as error:
            raise self._rejection(error.reason) from None
        self._finish()
        if isinstance(answer, protocol.Exceeded):
            raise LaneExceededError(self._terms.max_seconds if lane is None else lane)
        if isinstance(answer, protocol.Failed):
            raise PreparationError(f"the child failed with {answer.error}")
        raise RecordingRejectedError(
            answer.code, answer.detail, answer.measured, answer.needed, answer.quality
        )

    def _listening(self, request: protocol.Request, limit: float) -> Child:
        """Return a child that takes the recording; the first may have died or hung while it was idle."""
        try:
            return self._asked(request, limit)
        except LostError as error:
            self._bury(error.reason)
        try:
            return self._asked(request, limit)
        except LostError as error:
            self._bury(error.reason)
            raise CageBrokenError("two decoders in a row were lost before they got a recording") from None

    def _asked(self, request: protocol.Request, limit: float) -> Child:
        child = self._ready()
        self._is_idle = False
        deadline = time.monotonic() + limit
        child.send(request, deadline)
        child.confirm(deadline)
        return child

    def _ready(self) -> Child:
        self.start()
        child = self._child
        if child is None:  # pragma: no cover - for the type checker
            raise CageBrokenError("there is no child")
        if not child.is_ready:
            try:
                child.confirm(time.monotonic() + self._start_limit)
            except LostError as error:
                self._discard()
                raise CageBrokenError(
                    f"a fresh decoder did not start ({error}): what it wrote to standard error says why"
                ) from error
            child.is_ready = True
        return child

    def _prepared(self, child: Child, passed: protocol.Passed, limit: float) -> Prepared:
        terms, starts = self._terms, np.array(passed.starts, np.intp)
        seconds = passed.samples / SAMPLE_RATE
        if (
            # A resampler may round up at each change of rate.
            seconds > terms.max_seconds + 1
            or starts[-1] > passed.samples - terms.window_samples
            or (np.diff(starts) <= 0).any()
        ):
            raise LostError(Reason.PROTOCOL)
        chunks = self._chunks(child, len(starts), limit)
        return Prepared(passed.quality, passed.biomarkers, seconds, starts, chunks)

    def _chunks(self, child: Child, windows: int, limit: float) -> Iterator[NDArray[np.float32]]:
        for first in range(0, windows, CHUNK_WINDOWS):
            shape = min(CHUNK_WINDOWS, windows - first), self._terms.window_samples
            if child is not self._child:
                raise RuntimeError("this recording was given up: another was prepared meanwhile")
            try:
                chunk = _chunk(child, shape, time.monotonic() + limit)
            except LostError as error:
                raise self._rejection(error.reason) from None
            if first + CHUNK_WINDOWS >= windows:
                self._finish()
            yield chunk

    def _finish(self) -> None:
        """The child owes nothing more of the recording."""
        self._is_idle = True
        self._handover.clear()

    def _rejection(self, reason: Reason) -> RecordingRejectedError:
        """Replace a lost child; say what that means for the recording over which it was lost."""
        self._bury(reason)
        with suppress(CageBrokenError):  # the next recording will say so
            self.start()
        error = DecoderKilledError if reason is Reason.KILLED else RecordingRejectedError
        return error(RejectionCode.UNREADABLE, _DETAILS[reason])

    def _bury(self, reason: Reason) -> None:
        from mindtrack_inference import metrics  # noqa: PLC0415 - a cold worker starts its decoder first

        get_logger().warning(events.DECODER_KILLED, reason=reason)
        metrics.DECODERS_KILLED.labels(reason).inc()
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


def labour(max_seconds: float) -> float:
    """Seconds of the processor's time after which a recording of up to `max_seconds` is hopeless."""
    return BASE_LABOUR + LABOUR_PER_SECOND * max_seconds


def _answer(frame: bytearray) -> protocol.Answer:
    try:
        return protocol.ANSWER.validate_json(frame)
    except ValidationError:
        raise LostError(Reason.PROTOCOL) from None


def _chunk(child: Child, shape: tuple[int, int], deadline: float) -> NDArray[np.float32]:
    size = math.prod(shape) * np.dtype(protocol.SAMPLES).itemsize
    payload = child.read(size, deadline)
    if len(payload) < size:
        raise LostError(Reason.PROTOCOL)
    chunk = np.frombuffer(payload, protocol.SAMPLES).reshape(shape).astype(np.float32, copy=False)
    if not np.isfinite(chunk).all():
        raise LostError(Reason.PROTOCOL)
    return chunk
