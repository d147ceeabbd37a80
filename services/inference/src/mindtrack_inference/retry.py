"""Whether a failed attempt is repeated, and when. A decision, not an exception; no I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from mindtrack_shared.domain.jobs import FailureCode

FIRST_DELAY = timedelta(seconds=2)
GROWTH = 2  # 2 s, 4 s, 8 s, ...: nobody waits for longer than twice what was wrong lasted
LONGEST_DELAY = timedelta(minutes=5)
#: Tries before a dependency that stays away costs a job attempts; with the longest delay between them, a day.
#: Until then it waits: an attempt that could not begin says nothing about the job.
PATIENCE = 288
#: Spread by up to this share, so that jobs that failed together do not come back together.
JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Retry:
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Postpone:
    """Again later, and it was no attempt."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    code: FailureCode


def decide(
    code: FailureCode,
    *,
    attempt: int,
    max_attempts: int,
    uncounted: int,
    jitter: random.Random,
) -> Retry | Postpone | GiveUp:
    """Decide what follows attempt number `attempt` (counted from 1), which failed with `code`.

    `uncounted` claims before this one were no attempts.
    """
    if code is FailureCode.DEPENDENCY and uncounted < PATIENCE:
        return Postpone(_delay(uncounted, jitter))
    if attempt >= max_attempts:
        return GiveUp(code)
    return Retry(_delay(attempt - 1, jitter))


def _delay(before: int, jitter: random.Random) -> timedelta:
    """How long to wait after as many tries before this one."""
    seconds = min(LONGEST_DELAY.total_seconds(), FIRST_DELAY.total_seconds() * GROWTH ** min(before, 20))
    return timedelta(seconds=seconds * (1 + jitter.uniform(0, JITTER)))
