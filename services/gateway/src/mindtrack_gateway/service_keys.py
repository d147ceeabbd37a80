"""Systems that call us with a key of their own, and how a flood of made-up keys is kept from the database."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping

from mindtrack_gateway.identity import Principal, Role, invalid_token
from mindtrack_shared.db import service_keys
from mindtrack_shared.db.fence import NOBODY, Sessions
from mindtrack_shared.domain.service_keys import SUBJECT_PREFIX, KeyScope, ServiceKey

#: A key that is not known may be new, and has the digests read again: this often on average, as
#: anybody can make one up, and so many times at once.
READ_EVERY = 1.0  # seconds
READS_AT_ONCE = 10


class ServiceKeys:
    """Turns a key into a principal, or refuses it.

    Digests of live keys are few, and kept in memory: what does not match one costs no query, however often it
    comes. What does is looked up for each request, so that a revoked key opens nothing from then on.
    """

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._digests: Mapping[str, bytes] = {}
        #: When all reads that may be made at once are left again.
        self._rested = 0.0
        self._reading = asyncio.Lock()

    async def verify(self, text: str) -> Principal:
        """Identify the system that a key was made for.

        Raises:
            UnauthorizedError: it is no key, or none that is live; in the words for tokens.

        """
        key = ServiceKey.parse(text)
        if key is None or not await self._is_known(key):
            raise invalid_token()
        async with self._sessions.begin(NOBODY) as session:
            found = (await session.execute(service_keys.live(key.id))).one_or_none()
            if found is None:
                raise invalid_token()
            row, unnoted = found
            if unnoted:
                await session.execute(service_keys.use(key.id))
            return Principal(
                subject=f"{SUBJECT_PREFIX}{row.service}",
                roles=frozenset({Role.SERVICE}),
                expires=row.expires_at.timestamp(),
                scopes=frozenset(map(KeyScope, row.scopes)),
            )

    async def _is_known(self, key: ServiceKey) -> bool:
        if key.id not in self._digests:
            await self._read_again(key.id)
        # As long for an id that is none.
        expected = self._digests.get(key.id, bytes(32))
        return hmac.compare_digest(key.secret_sha256, expected)

    async def _read_again(self, key_id: str) -> None:
        async with self._reading:
            now = self._clock()
            rested = max(self._rested, now) + READ_EVERY
            if key_id in self._digests or rested - now > READ_EVERY * READS_AT_ONCE:
                return
            self._rested = rested
            async with self._sessions.begin(NOBODY) as session:
                rows = (await session.execute(service_keys.digests())).all()
            self._digests = {row.id: row.secret_sha256 for row in rows}
