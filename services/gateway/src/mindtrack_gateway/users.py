"""From a token's subject to the person's row."""

from __future__ import annotations

from uuid import UUID

from mindtrack_shared.db import users
from mindtrack_shared.db.fence import NOBODY, Sessions, name_subject

#: Subjects remembered per process. The mapping never changes, so nothing needs to expire.
REMEMBERED = 100_000


class People:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._known: dict[str, UUID] = {}

    def recall(self, subject: str) -> UUID | None:
        """Return the person's id if it has been asked for before."""
        return self._known.get(subject)

    async def user_id(self, subject: str) -> UUID:
        """Return the person's id, making their row when they are seen for the first time."""
        known = self.recall(subject)
        if known is not None:
            return known
        async with self._sessions.begin(NOBODY) as session:
            await session.execute(name_subject(subject))
            found = await session.scalar(users.by_subject(subject))
            if found is None:
                await session.execute(users.ensure(subject))
                found = (await session.scalars(users.by_subject(subject))).one()
        if len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[subject] = found
        return found
