"""Two sides of a benchmark, timed in turns on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Times:
    """CPU seconds of each round; the same round of both sides ran back to back."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Ours over theirs, the median over the rounds: below 1 we are the quicker."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))


def stay_on_one_core() -> None:
    """Bind this process, and threads that start later, to the first core it may use."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def interleaved(
    ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int, seconds: float
) -> Times:
    """Time both sides in turns, after one round to warm up, for `rounds` or until `seconds` have passed.

    CPU time, not wall time: on one core they differ by what other processes took.
    """
    end = time.monotonic() + seconds
    _cpu_seconds(ours), _cpu_seconds(theirs)
    pairs = [(_cpu_seconds(ours), _cpu_seconds(theirs))]
    while len(pairs) < rounds and time.monotonic() < end:
        pairs.append((_cpu_seconds(ours), _cpu_seconds(theirs)))
    return Times(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def _cpu_seconds(side: Callable[[], object]) -> float:
    start = time.process_time()
    side()
    return time.process_time() - start
