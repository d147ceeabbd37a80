from __future__ import annotations

import random
from datetime import timedelta

import pytest

from mindtrack_inference.retry import JITTER, LONGEST_DELAY, GiveUp, Retry, decide
from mindtrack_shared.domain.jobs import FailureCode


def delay_after(attempt: int, *, seed: int = 1) -> timedelta:
    decision = decide(FailureCode.INTERNAL, attempt=attempt, max_attempts=50, jitter=random.Random(seed))
    assert isinstance(decision, Retry)
    return decision.delay


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 8), (3, 32)])
def test_delays_grow_with_bounded_jitter(attempt: int, seconds: int) -> None:
    for seed in range(20):
        assert seconds <= delay_after(attempt, seed=seed).total_seconds() <= seconds * (1 + JITTER)


def test_jobs_that_failed_together_come_back_apart() -> None:
    assert len({delay_after(1, seed=seed) for seed in range(20)}) == 20


def test_delays_are_capped() -> None:
    assert delay_after(40) <= LONGEST_DELAY * (1 + JITTER)


def test_the_last_attempt_is_the_last() -> None:
    decision = decide(FailureCode.DEPENDENCY, attempt=3, max_attempts=3, jitter=random.Random(1))

    assert decision == GiveUp(FailureCode.DEPENDENCY)
