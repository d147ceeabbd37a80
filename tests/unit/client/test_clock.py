from __future__ import annotations

import math

import pytest

from mindtrack_client.clock import SYSTEM_CLOCK
from unit.client.fake_clock import Pauses


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        ("Sun, 22 Nov 2026 00:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_retry_after_in_both_forms(pauses: Pauses, header: str | None, seconds: float | None) -> None:
    assert pauses.clock().parse_retry_after(header) == seconds


def test_a_deadline_runs_down(pauses: Pauses) -> None:
    clock = pauses.clock()
    deadline = clock.deadline(10)
    clock.sleep(4)
    assert deadline.remaining() == 6


def test_no_timeout_never_comes() -> None:
    assert SYSTEM_CLOCK.deadline(None).remaining() == math.inf
