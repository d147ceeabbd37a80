"""Ctrl-C and SIGTERM: the first stops the stack in order, the second at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mindtrack_local.stack import Stack

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(stack: Stack) -> Iterator[None]:
    """Raise KeyboardInterrupt at the first signal, wherever the main thread is; enter before the stack.

    A signal that comes while the stack stops makes it hurry instead: an exception there would leave parts
    running.
    """
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked or stack.stopping:
            stack.hurry()
        else:
            asked = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
