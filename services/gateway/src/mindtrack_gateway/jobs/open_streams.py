"""How many streams a person has open in this process: each holds a connection for minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

from mindtrack_gateway.problems import TooManyRequestsError

#: When to try again: one that ends makes room.
AGAIN_AFTER = 5  # seconds


class OpenStreams:
    """Counts streams from their first event to their end.

    Args:
        most: that one person may have; 0 is any.

    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = Counter[UUID]()

    def refuse_more(self, person: UUID) -> None:
        """Let somebody open one more.

        Raises:
            TooManyRequestsError: they have as many as one may have.

        """
        if self._most and self._open[person] >= self._most:
            raise TooManyRequestsError(f"At most {self._most} streams at a time.", seconds=AGAIN_AFTER)

    async def counted(self, person: UUID, stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        """Pass a stream on."""
        self._open[person] += 1
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    yield event
        finally:
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]
