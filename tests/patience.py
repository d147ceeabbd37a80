"""Waiting for what must come."""

from __future__ import annotations

import time
from collections.abc import Callable

#: How long something may take on a busy machine, in seconds. Nobody waits longer than it does take.
PATIENCE = 60.0


def eventually(condition: Callable[[], bool], *, within: float = PATIENCE, what: str = "it") -> None:
    """Wait until a condition holds, for at most `within` seconds.

    Raises:
        AssertionError: it does not in time; the message says `what` was waited for.

    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(0.01)
