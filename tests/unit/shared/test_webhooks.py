from __future__ import annotations

import random
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from mindtrack_shared.domain.webhooks import JITTER, SCHEDULE, secret_text, wait_before_next

CHANCE = random.Random(1)
MINUTE = timedelta(minutes=1)


def test_the_schedule_takes_about_three_days_and_ends() -> None:
    assert len(SCHEDULE) == 10
    assert timedelta(days=3) < sum(SCHEDULE, timedelta(0)) < timedelta(days=3, hours=6)
    assert wait_before_next(9, CHANCE) is not None
    assert wait_before_next(10, CHANCE) is None


@pytest.mark.parametrize("tries", range(1, 10))
def test_waits_are_spread(tries: int) -> None:
    waits = [wait_before_next(tries, CHANCE) for _ in range(200)]

    shares = [wait / SCHEDULE[tries] for wait in waits if wait is not None]
    assert len(shares) == 200
    assert 1 - JITTER <= min(shares) < 0.85
    assert 1.15 < max(shares) <= 1 + JITTER


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (timedelta(0), 4 * MINUTE, 6 * MINUTE),
        (MINUTE, 4 * MINUTE, 6 * MINUTE),
        (20 * MINUTE, 20 * MINUTE, 20 * MINUTE),
        (timedelta(days=30), 30 * MINUTE, 30 * MINUTE),
    ],
)
def test_an_endpoint_may_ask_for_more_time_up_to_the_next_wait(
    asked: timedelta, least: timedelta, most: timedelta
) -> None:
    wait = wait_before_next(2, CHANCE, retry_after=asked)

    assert wait is not None
    assert least <= wait <= most


def test_the_last_wait_is_never_longer_than_planned() -> None:
    wait = wait_before_next(9, CHANCE, retry_after=timedelta(days=30))

    assert wait is not None
    assert wait <= SCHEDULE[-1] * (1 + JITTER)


def test_a_secret_is_written_as_the_specification_says() -> None:
    secret = bytes(range(32))

    assert secret_text(secret) == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert Webhook(secret_text(secret))._whsecret == secret
