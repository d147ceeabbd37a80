from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as this package sees it: seconds that only grow, a way to let them pass, and the date."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    today: Callable[[], datetime] = lambda: datetime.now(UTC)

    def deadline(self, timeout: float | None) -> Deadline:
        """`timeout` seconds from now; None never comes."""
        return Deadline(self, math.inf if timeout is None else self.now() + timeout)

    def parse_retry_after(self, value: str | None) -> float | None:
        """Seconds from a Retry-After header in either of its two forms; None if absent or nonsense."""
        if value is None:
            return None
        try:
            seconds = float(value) if value.strip().isdigit() else self._seconds_until(value)
        except ValueError:
            return None
        return max(0.0, seconds)

    def _seconds_until(self, http_date: str) -> float:
        when = parsedate_to_datetime(http_date)
        return (when.replace(tzinfo=when.tzinfo or UTC) - self.today()).total_seconds()


@dataclass(frozen=True, slots=True)
class Deadline:
    clock: Clock
    at: float

    def remaining(self) -> float:
        """Seconds left; zero or less once it has passed."""
        return self.at - self.clock.now()


SYSTEM_CLOCK = Clock()
