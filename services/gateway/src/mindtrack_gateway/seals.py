"""Seals what people say and write with their own key, and opens words again.

Where there is no place for keys, nothing is sealed, and words pass as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_only

from mindtrack_shared.db import data_keys
from mindtrack_shared.db.fence import Fence, Sessions
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.sealing import (
    DataKey,
    DataKeys,
    KeyMissingError,
    Sealer,
    is_sealed,
    seal_text,
    unseal_text,
)
from mindtrack_shared.storage import StorageUnavailableError

#: Shown for words whose key is gone: after a restore, of somebody who was erased meanwhile.
UNREADABLE = "[no longer readable: the person's key was destroyed]"


@dataclass(frozen=True, slots=True)
class Place:
    """Where words stand: they open nowhere else, and with nobody else's key."""

    person: UUID
    name: str


def of_note(person: UUID, note_id: UUID) -> Place:
    """Former words stand where they always stood: the database puts them aside as they are."""
    return Place(person, f"notes.text/{note_id}")


def of_feedback(person: UUID, feedback_id: UUID) -> Place:
    return Place(person, f"feedback.note/{feedback_id}")


def of_invitation(person: UUID, invitation_id: UUID) -> Place:
    """What a grant is for was said in its invitation."""
    return Place(person, f"invitations.purpose/{invitation_id}")


def of_label(clinician: UUID, person: UUID) -> Place:
    """A clinician's own words, with the clinician's key: a list needs one, however long it is."""
    return Place(clinician, f"patient_labels.label/{person}")


#: Threads that wait for keys: apart from those that others need, should their place be slow.
_WAITERS = ThreadPoolExecutor(4, "keys")
#: How long a request waits for keys, within a transaction at times.
_PATIENCE = 5.0  # seconds

Args = ParamSpec("Args")
Answer = TypeVar("Answer")


async def _ask(keys: Callable[Args, Answer], *args: Args.args, **options: Args.kwargs) -> Answer:
    """Ask for keys in a thread.

    Raises:
        StorageUnavailableError: it takes too long.

    """
    asked = asyncio.get_running_loop().run_in_executor(_WAITERS, partial(keys, *args, **options))
    try:
        return await asyncio.wait_for(asked, _PATIENCE)
    except TimeoutError as error:
        raise StorageUnavailableError("keys take too long") from error


class Seals:
    """Args:
    keys: where data keys are; None if there is no place for them.
    sessions: of the database.
    writes: whether what is written is sealed.
    """

    def __init__(self, keys: DataKeys | None, sessions: Sessions, *, writes: bool) -> None:
        self._keys = keys
        self._sessions = sessions
        self._writes = writes

    async def recording(
        self, chunks: AsyncIterator[bytes], *, person: UUID, object_key: str
    ) -> AsyncIterator[bytes]:
        """Yield a recording as it is to be stored.

        Raises:
            StorageUnavailableError: keys are out of reach.

        """
        async with self._sessions.begin(Fence.own(person)) as session:
            key = await self._key(session, person)
        if key is None:
            async for chunk in chunks:
                yield chunk
            return
        sealer = Sealer(key, person=person, place=object_key)
        async for chunk in chunks:
            if ready := sealer.update(chunk):
                yield ready
        yield sealer.finish()

    async def seal(self, session: AsyncSession, place: Place, text: str) -> str:
        """Seal words in the transaction that keeps them; nobody destroys their key before it has ended.

        Raises:
            StorageUnavailableError: keys are out of reach.

        """
        key = await self._key(session, place.person)
        return text if key is None else seal_text(key, text, person=place.person, place=place.name)

    async def open(self, place: Place, text: str) -> str:
        """Return words as they were written. Errors as for `open_all`."""
        (words,) = await self.open_all([(place, text)])
        return words

    async def open_all(self, texts: Sequence[tuple[Place, str]]) -> list[str]:
        """Return words as they were written; `UNREADABLE` where their key is gone.

        Raises:
            StorageUnavailableError: keys are out of reach.
            SealingError: they or their key were changed, or are another's.

        """
        if not any(is_sealed(text) for _, text in texts):
            return [text for _, text in texts]
        if self._keys is None:
            raise StorageUnavailableError("words are sealed, and there is no place for keys")
        return await _ask(_opened, self._keys, texts)

    def destroy(self, key_id: UUID) -> None:
        """Destroy a key: for what `AsyncSession.run_sync` runs, while others are served.

        Raises:
            StorageUnavailableError: keys are out of reach.

        """
        if self._keys is None:
            raise StorageUnavailableError("somebody has a key, and there is no place for keys")
        await_only(_ask(self._keys.destroy, key_id))

    async def _key(self, session: AsyncSession, person: UUID) -> DataKey | None:
        """Return a person's key, making one for who has none; None where nothing is sealed."""
        if self._keys is None or not self._writes:
            return None
        key_id = await session.scalar(data_keys.current(person))
        if key_id is None:
            return await self._made(self._keys, session, person, lost=None)
        known = self._keys.remembered(key_id, person)
        if known is not None:
            return known
        try:
            return await _ask(self._keys.find, key_id, person)
        except KeyMissingError:
            # The database is older than an erasure of theirs. What they say from now on needs another key.
            get_logger().error(events.KEY_MISSING, user_id=str(person))
            return await self._made(self._keys, session, person, lost=key_id)

    @staticmethod
    async def _made(keys: DataKeys, session: AsyncSession, person: UUID, *, lost: UUID | None) -> DataKey:
        """Make a key; of several made at once, one is the person's, and the others never seal anything."""
        made = await _ask(keys.make, person)
        given = (
            data_keys.give(person, made.id) if lost is None else data_keys.replace(person, made.id, lost=lost)
        )
        if await session.scalar(given) is not None:
            return made
        await _ask(keys.destroy, made.id)
        winner = (await session.scalars(data_keys.current(person))).one()
        return await _ask(keys.find, winner, person)


def _opened(keys: DataKeys, texts: Sequence[tuple[Place, str]]) -> list[str]:
    return [_words(keys, place, text) for place, text in texts]


def _words(keys: DataKeys, place: Place, text: str) -> str:
    try:
        return unseal_text(text, keys.of(place.person), person=place.person, place=place.name)
    except KeyMissingError:
        get_logger().error(events.KEY_MISSING, user_id=str(place.person))
        return UNREADABLE
