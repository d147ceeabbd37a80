"""Whether a failed attempt is repeated, and when. A decision, not an exception; no I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from mindtrack_shared.domain.jobs import FailureCode

FIRST_DELAY = timedelta(seconds=2)
GROWTH = 4  # 2 s, 8 s, 32 s, ...
LONGEST_DELAY = timedelta(minutes=5)
#: Spread by up to this share, so that jobs that failed together do not come back together.
JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Retry:
    delay: timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    code: FailureCode


def decide(
    code: FailureCode,
    *,
    attempt: int,
    max_attempts: int,
    jitter: random.Random,
) -> Retry | GiveUp:
    """Decide what follows attempt number `attempt` (counted from 1), which failed with `code`."""
    if attempt >= max_attempts:
        return GiveUp(code)
    seconds = min(LONGEST_DELAY.total_seconds(), FIRST_DELAY.total_seconds() * GROWTH ** (attempt - 1))
    return Retry(timedelta(seconds=seconds * (1 + jitter.uniform(0, JITTER))))
