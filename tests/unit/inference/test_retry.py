from __future__ import annotations

import random
from datetime import timedelta

import pytest

from mindtrack_inference.retry import JITTER, LONGEST_DELAY, PATIENCE, GiveUp, Postpone, Retry, decide
from mindtrack_shared.domain.jobs import FailureCode


def decided(
    code: FailureCode = FailureCode.INTERNAL,
    *,
    attempt: int = 1,
    max_attempts: int = 3,
    uncounted: int = 0,
    seed: int = 1,
) -> Retry | Postpone | GiveUp:
    return decide(
        code,
        attempt=attempt,
        max_attempts=max_attempts,
        uncounted=uncounted,
        jitter=random.Random(seed),
    )


def delay_after(attempt: int, *, seed: int = 1) -> timedelta:
    decision = decided(attempt=attempt, max_attempts=50, seed=seed)
    assert isinstance(decision, Retry)
    return decision.delay


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (3, 8)])
def test_delays_grow_with_bounded_jitter(attempt: int, seconds: int) -> None:
    for seed in range(20):
        assert seconds <= delay_after(attempt, seed=seed).total_seconds() <= seconds * (1 + JITTER)


def test_jobs_that_failed_together_come_back_apart() -> None:
    assert len({delay_after(1, seed=seed) for seed in range(20)}) == 20


def test_delays_are_capped() -> None:
    assert delay_after(40) <= LONGEST_DELAY * (1 + JITTER)


def test_the_last_attempt_is_the_last() -> None:
    assert decided(attempt=3) == GiveUp(FailureCode.INTERNAL)


def test_a_dependency_that_is_away_costs_no_attempt_for_a_day() -> None:
    waited = timedelta(0)
    for uncounted in range(PATIENCE):
        postponed = decided(FailureCode.DEPENDENCY, attempt=3, uncounted=uncounted, seed=uncounted)
        assert isinstance(postponed, Postpone)
        assert postponed.delay <= LONGEST_DELAY * (1 + JITTER)
        waited += postponed.delay

    assert timedelta(hours=23) < waited < timedelta(hours=30)
    assert isinstance(decided(FailureCode.DEPENDENCY, attempt=1, uncounted=PATIENCE), Retry)
    gave_up = decided(FailureCode.DEPENDENCY, attempt=3, uncounted=PATIENCE)
    assert gave_up == GiveUp(FailureCode.DEPENDENCY)


def test_nobody_waits_for_much_longer_than_twice_what_a_dependency_was_away() -> None:
    waited = timedelta(0)
    for uncounted in range(12):
        decision = decided(FailureCode.DEPENDENCY, uncounted=uncounted, seed=uncounted)
        assert isinstance(decision, Postpone)
        assert decision.delay <= (waited + timedelta(seconds=2)) * (1 + JITTER)
        waited += decision.delay
