from __future__ import annotations

from datetime import UTC, datetime

from mindtrack_client.clock import Clock


class Pauses(list[float]):
    """A clock that moves only when somebody sleeps, and remembers each sleep."""

    def clock(self) -> Clock:
        return Clock(
            now=lambda: sum(self), sleep=self.append, today=lambda: datetime(2026, 11, 22, tzinfo=UTC)
        )

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)
