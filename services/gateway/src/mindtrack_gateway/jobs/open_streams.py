"""How many streams a person has open in this process: each holds a connection for minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from mindtrack_gateway.problems import TooManyRequestsError

#: When to try again: one that ends makes room.
AGAIN_AFTER = 5  # seconds


class OpenStreams:
    """Counts streams while they are sent.

    Args:
        most: that one person may have; 0 is any.

    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = Counter[UUID]()

    @contextmanager
    def one_more(self, person: UUID) -> Iterator[None]:
        """Count one for as long as the block runs.

        Raises:
            TooManyRequestsError: the person has as many as one may have.

        """
        if self._most and self._open[person] >= self._most:
            raise TooManyRequestsError(f"At most {self._most} streams at a time.", seconds=AGAIN_AFTER)
        self._open[person] += 1
        try:
            yield
        finally:
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]
