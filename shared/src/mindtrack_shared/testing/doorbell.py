"""A doorbell that nobody hears."""

from __future__ import annotations

from collections.abc import Iterable

from mindtrack_shared.queue.doorbell import Ring


class SilentDoorbell:
    """Remembers how it was rung."""

    def __init__(self) -> None:
        self.rung: list[Ring] = []

    def ring(self, rings: Iterable[Ring]) -> None:
        self.rung.extend(rings)
