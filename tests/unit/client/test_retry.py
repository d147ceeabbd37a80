"""The schedule of attempts, on a clock that moves when it is told to."""

from __future__ import annotations

import pytest

from mindtrack_client import ConnectionFailedError, MindTrackError, ProblemError, Retry
from mindtrack_client.models import Problem
from unit.client.fake_clock import Pauses

LOST = ConnectionFailedError("cut off")


def refused(status: int, retry_after: float | None = None) -> ProblemError:
    return ProblemError(Problem(title="Nope", status=status), retry_after)


def pauses_of(retry: Retry, pauses: Pauses, error: MindTrackError = LOST) -> list[float]:
    schedule = retry.begin(pauses.clock())
    while (pause := schedule.pause(error)) is not None:
        pauses.append(pause)
    return pauses


def test_pauses_double_up_to_the_longest(pauses: Pauses) -> None:
    retry = Retry(attempts=10, total_seconds=1000, chance=lambda: 1.0)
    assert pauses_of(retry, pauses) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_is_full(pauses: Pauses) -> None:
    chances = iter([0.0, 0.25, 1.0])
    assert pauses_of(Retry(attempts=4, chance=lambda: next(chances)), pauses) == [0, 0.25, 2]


def test_real_jitter_stays_within_its_bounds() -> None:
    backoffs = [Retry().backoff(3) for _ in range(500)]
    assert 0 <= min(backoffs) < 0.2
    assert 1.8 < max(backoffs) <= 2


def test_attempts_are_bounded(pauses: Pauses) -> None:
    assert len(pauses_of(Retry(), pauses)) == 4
    assert pauses_of(Retry(attempts=1), Pauses()) == []


def test_so_is_the_time_of_them_all(pauses: Pauses) -> None:
    retry = Retry(attempts=100, total_seconds=10, chance=lambda: 1.0)
    assert pauses_of(retry, pauses) == [0.5, 1, 2, 4], "with 8 s more it would be 15.5 s"


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 20), (1.0, 22)])
def test_the_servers_pause_is_never_cut_short(pauses: Pauses, chance: float, pause: float) -> None:
    schedule = Retry(chance=lambda: chance).begin(pauses.clock())
    assert schedule.pause(refused(503, 20)) == pytest.approx(pause)


def test_a_pause_beyond_the_time_allowed_is_not_made(pauses: Pauses) -> None:
    assert Retry(total_seconds=20, chance=lambda: 0.0).begin(pauses.clock()).pause(refused(429, 21)) is None
    assert Retry(total_seconds=21, chance=lambda: 0.0).begin(pauses.clock()).pause(refused(429, 21)) == 21


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_is_transient(pauses: Pauses, status: int) -> None:
    assert Retry().begin(pauses.clock()).pause(refused(status)) is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 500, 501])
def test_what_is_not(pauses: Pauses, status: int) -> None:
    assert Retry().begin(pauses.clock()).pause(refused(status)) is None
