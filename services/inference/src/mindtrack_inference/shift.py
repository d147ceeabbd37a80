"""How long the lanes of one drain go on."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from mindtrack_shared.domain.jobs import Priority

#: Seconds between two looks for work while another lane is busy; nobody rings for what a drain may take.
POLL_SECONDS = 0.1


class Shift:
    """When a lane may look for work, and when all have found that there is none.

    A lane without work stays while another has some, since no other drain in this process could take what
    arrives meanwhile. After `seconds` nothing more is claimed, except by the lane that people wait for while
    bulk work is still in hand: an hour of audio must not hold them up.
    """

    def __init__(self, lanes: Sequence[Priority], *, seconds: float, stop: threading.Event) -> None:
        self._lanes = frozenset(lanes)
        self._ends_at = time.monotonic() + seconds
        self._stop = stop
        self._in_hand: Counter[Priority] = Counter()
        self._idle: set[Priority] = set()
        self._changed = threading.Condition()

    def may_look(self, lane: Priority) -> bool:
        """Say whether a lane may claim; from now on it counts as busy."""
        with self._changed:
            if self._stop.is_set() or self._is_over():
                return False
            if time.monotonic() >= self._ends_at and (lane is Priority.BULK or not self._is_at_bulk()):
                return False
            self._idle.discard(lane)
            return True

    def begin(self, lane: Priority) -> None:
        """Count a claimed job."""
        with self._changed:
            self._in_hand[lane] += 1

    def end(self, lane: Priority) -> None:
        """Count a settled job."""
        with self._changed:
            self._in_hand[lane] -= 1
            self._changed.notify_all()

    def rest(self, lane: Priority) -> None:
        """Wait until it makes sense to look again: a job ended, time has passed, or all is done."""
        with self._changed:
            self._idle.add(lane)
            if self._is_over():
                self._changed.notify_all()
            else:
                self._changed.wait(POLL_SECONDS)

    def leave(self, lane: Priority) -> None:
        """Say that a lane looks no more."""
        with self._changed:
            self._idle.add(lane)
            self._changed.notify_all()

    def _is_at_bulk(self) -> bool:
        """Whether bulk work is in hand, or may be in a moment: its lane is claiming."""
        claiming = Priority.BULK in self._lanes - self._idle
        return claiming or bool(self._in_hand[Priority.BULK])

    def _is_over(self) -> bool:
        return self._idle == self._lanes and not self._in_hand.total()
