"""Where copies of the audit chain's head are kept: outside of the database that holds the chain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore

from mindtrack_shared.settings import StorageSettings
from mindtrack_shared.storage.errors import StorageUnavailableError
from mindtrack_shared.storage.recordings import open_backend, translated

PREFIX = "anchors/"
_KEY = re.compile(r"anchors/([0-9]{16})-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Anchor:
    """That the chain had a link with this number and this MAC."""

    seq: int
    mac: bytes

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.seq:016d}-{self.mac.hex()}"


class AnchorStore:
    """Keeps anchors as names of objects, so that a listing tells them all. They are added and never changed.

    Every method raises `StorageUnavailableError` when the store does not do its part.
    """

    def __init__(self, backend: ObjectStore) -> None:
        self._backend = backend

    def add(self, anchor: Anchor) -> None:
        """Keep an anchor; one that is there already stays as it is, where the store can tell."""
        with translated(anchor.key, missing=StorageUnavailableError), suppress(AlreadyExistsError):
            obstore.put(self._backend, anchor.key, b"", mode="create", use_multipart=False)

    def all(self) -> Iterator[tuple[Anchor, datetime]]:
        """Yield every anchor, in no order, with when it was written."""
        with translated(PREFIX, missing=StorageUnavailableError):
            for page in obstore.list(self._backend, prefix=PREFIX):
                for found in page:
                    if parts := _KEY.fullmatch(found["path"]):
                        yield Anchor(int(parts[1]), bytes.fromhex(parts[2])), found["last_modified"]


def open_anchors(settings: StorageSettings, url: str | None) -> AnchorStore:
    """Open the place of anchors: another than that of recordings if there is a URL.

    Raises:
        ValueError: the URL is none of a store.

    """
    return AnchorStore(open_backend(settings.model_copy(update={"url": url}) if url else settings))
