"""When to ask again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from mindtrack_client.clock import Clock
from mindtrack_client.errors import (
    ConnectionFailedError,
    IdempotencyKeyInUseError,
    MindTrackError,
    ProblemError,
)

TOO_MANY = 429
#: Answers that say "not now" rather than "no".
TRANSIENT_STATUSES = frozenset({408, TOO_MANY, 502, 503, 504})
#: How often one request is tried unless told otherwise.
ATTEMPTS = 5
#: What is added at most to a pause that a server asks for, as a share of it, lest all come back at once.
SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Retry:
    """How persistent to be.

    A server's Retry-After is honoured. Without one, the pause before attempt n + 1 is random, between 0 and
    `first_seconds` · 2^(n-1), at most `longest_seconds`.
    """

    #: Including the first; 1 never asks again.
    attempts: int = ATTEMPTS
    #: A pause that would end later than this after the first attempt is not made.
    total_seconds: float = 120.0
    first_seconds: float = 0.5
    longest_seconds: float = 60.0
    #: In [0, 1].
    chance: Callable[[], float] = random.random

    def begin(self, clock: Clock) -> Schedule:
        return Schedule(self, clock, clock.now() + self.total_seconds)

    def backoff(self, failures: int) -> float:
        bound = min(self.first_seconds * 2.0 ** (failures - 1), self.longest_seconds)
        return bound * self.chance()

    def spread(self, seconds: float) -> float:
        """Return a pause that a server asked for, and a little more."""
        return seconds * (1 + SPREAD * self.chance())


@dataclass(slots=True)
class Schedule:
    """The attempts of one request."""

    retry: Retry
    clock: Clock
    ends_at: float
    failures: int = 0

    def pause(self, error: MindTrackError) -> float | None:
        """Return for how many seconds to pause before the next attempt; None if there is to be none."""
        self.failures += 1
        if not is_transient(error) or self.failures >= self.retry.attempts:
            return None
        named = error.retry_after if isinstance(error, ProblemError) else None
        pause = self.retry.backoff(self.failures) if named is None else self.retry.spread(named)
        return pause if self.clock.now() + pause <= self.ends_at else None


def was_refused(error: MindTrackError) -> bool:
    """Whether a request was surely not carried out. 503 may be the answer to a commit whose own got lost."""
    return isinstance(error, ProblemError) and error.status == TOO_MANY


def is_transient(error: MindTrackError) -> bool:
    if isinstance(error, ProblemError):
        # A first attempt whose answer got lost may still be under way.
        return error.status in TRANSIENT_STATUSES or isinstance(error, IdempotencyKeyInUseError)
    return isinstance(error, ConnectionFailedError)
