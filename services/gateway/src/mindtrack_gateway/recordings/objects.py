"""Recordings on their way into storage: recognised, counted and hashed as they pass, and never held."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from mindtrack_gateway.problems import (
    RecordingEmptyError,
    RecordingTooLargeError,
    UnsupportedMediaTypeError,
)
from mindtrack_gateway.recordings.formats import SNIFF_BYTES, sniff
from mindtrack_gateway.seals import Seals
from mindtrack_shared.ids import new_id
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError


class Sink(Protocol):
    """Where a recording's bytes go."""

    async def write(self, key: str, chunks: AsyncIterator[bytes], /) -> None: ...

    async def delete(self, key: str, /) -> None: ...


class Nowhere:
    """A store that forgets: to read a body for its checksum alone."""

    async def write(self, _key: str, chunks: AsyncIterator[bytes]) -> None:
        async for _ in chunks:
            pass

    async def delete(self, _key: str) -> None:
        return


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    content_type: str
    sha256: bytes
    size_bytes: int
    #: The upload that it was copied from.
    upload_id: UUID | None = None


class Objects:
    """Where recordings are kept, and how large they may be."""

    def __init__(
        self, store: RecordingStore, seals: Seals, *, max_bytes: int, sink: Sink | None = None
    ) -> None:
        self.store = store
        self._seals = seals
        self.max_bytes = max_bytes
        self._sink: Sink = sink or store

    def forgetting(self) -> Objects:
        """Return one like it that keeps nothing of what is written."""
        return Objects(self.store, self._seals, max_bytes=self.max_bytes, sink=Nowhere())

    async def write(self, person: UUID, chunks: AsyncIterator[bytes]) -> StoredObject:
        """Store a person's recording under a new key, sealed with theirs.

        Raises:
            RecordingEmptyError, UnsupportedMediaTypeError, RecordingTooLargeError: nothing was kept.
            StorageUnavailableError: the store is away, or keys are; nothing was kept.

        """
        key, passing = f"recordings/{new_id()}", Passing(chunks, max_bytes=self.max_bytes)
        sealed = self._seals.recording(passing.checked(), person=person, object_key=key)
        await self._sink.write(key, sealed)
        return passing.stored(key)

    async def discard(self, key: str) -> None:
        """Remove an object. One that cannot be removed is logged."""
        try:
            await self._sink.delete(key)
        except StorageUnavailableError:
            get_logger().warning(events.OBJECT_ORPHANED, object_key=key)


class Passing:
    """One recording that passes."""

    def __init__(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self.content_type = ""
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def stored(self, key: str) -> StoredObject:
        """Describe it, once all of it has passed."""
        return StoredObject(key, self.content_type, self.sha256.digest(), self.size_bytes)

    async def checked(self) -> AsyncIterator[bytes]:
        """Yield the content.

        Raises:
            RecordingEmptyError: there is none.
            UnsupportedMediaTypeError: it does not start like any recording we know.
            RecordingTooLargeError: it goes on for too long.

        """
        head = b""
        async for chunk in limited(self._chunks, self._max_bytes):
            self.size_bytes += len(chunk)
            self.sha256.update(chunk)
            if self.content_type:
                yield chunk
                continue
            head += chunk
            if len(head) >= SNIFF_BYTES:
                self._recognise(head)
                yield head
        if not self.content_type:
            self._recognise(head)
            yield head

    def _recognise(self, head: bytes) -> None:
        if not head:
            raise RecordingEmptyError("The recording holds no bytes.")
        content_type = sniff(head)
        if content_type is None:
            raise UnsupportedMediaTypeError(
                "The recording is not a WAV, FLAC, MP3, Ogg, MP4/M4A, WebM, AAC or AMR file.",
            )
        self.content_type = content_type


async def limited(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Yield chunks.

    Raises:
        RecordingTooLargeError: together they have more than `most` bytes.

    """
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise too_large(most)
        yield chunk


def too_large(most: int) -> RecordingTooLargeError:
    return RecordingTooLargeError(f"A recording may have at most {most} bytes.")
