"""Whether this process was told to stop. What takes long asks between two batches."""

from __future__ import annotations

import threading

_told = threading.Event()


def stop() -> None:
    """Have what is at work end after the batch in hand. Nothing is lost by it: the next one goes on."""
    _told.set()


def stopping() -> bool:
    return _told.is_set()
