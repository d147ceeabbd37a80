"""Windows between the lanes, which prepare them, and the model, which scores them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.lease import Lease
from mindtrack_inference.preparation import Prepared
from mindtrack_shared.domain.calibration import CalibratedScores
from mindtrack_shared.domain.jobs import Priority

#: One turn in so many belongs to the last lane: behind people who wait, bulk work crawls, but it moves.
LAST_LANES_TURN = 8


@dataclass(eq=False, slots=True)
class Work:
    """A recording between preparation and settlement."""

    lease: Lease
    prepared: Prepared
    #: Spent on it so far, without what it waited.
    seconds: float
    scores: list[CalibratedScores] = field(default_factory=list)
    #: When it began to wait for the model; a mark of `time.perf_counter`.
    ready_at: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, eq=False, slots=True)
class Chunk:
    """A few windows of one recording."""

    work: Work
    #: (k, window_samples)
    windows: NDArray[np.float32]
    is_last: bool


class Buffer:
    """One queue of chunks per lane, the first lane served first, each bounded by the windows it holds.

    A chunk is let in while its lane holds fewer than `capacity` windows, so one with more passes, too.
    """

    def __init__(self, lanes: Sequence[Priority], *, capacity: int) -> None:
        self._capacity = capacity
        self._queues: dict[Priority, deque[Chunk]] = {lane: deque() for lane in lanes}
        self._open = set(lanes)
        self._turns = 0
        self._changed = threading.Condition()

    def put(self, lane: Priority, chunk: Chunk) -> None:
        """Add a chunk, once there is room. After `abandon` it goes nowhere."""
        queue = self._queues[lane]
        with self._changed:
            self._changed.wait_for(lambda: _windows(queue) < self._capacity or lane not in self._open)
            if lane in self._open:
                queue.append(chunk)
                self._changed.notify_all()

    def close(self, lane: Priority) -> None:
        """Say that nothing more comes from a lane."""
        with self._changed:
            self._open.discard(lane)
            self._changed.notify_all()

    def abandon(self) -> None:
        """Say that nobody takes any more."""
        with self._changed:
            self._open.clear()
            self._changed.notify_all()

    def take(self, most: int) -> list[Chunk]:
        """Wait for a chunk; return it with what else its lane has, up to `most` windows unless it has more.

        Nothing is waited for to fill a batch, and bulk work fills none that people wait for: that would slow
        them down. An empty list means that all lanes are closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: any(self._queues.values()) or not self._open)
            self._turns += 1
            queues = list(self._queues.values())
            if self._turns % LAST_LANES_TURN == 0:
                queues.reverse()
            queue = next(filter(None, queues), deque[Chunk]())
            taken: list[Chunk] = []
            while queue and (not taken or _windows(taken) + len(queue[0].windows) <= most):
                taken.append(queue.popleft())
            self._changed.notify_all()
            return taken


def _windows(chunks: Sequence[Chunk] | deque[Chunk]) -> int:
    return sum(len(chunk.windows) for chunk in chunks)
