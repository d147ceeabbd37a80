"""Where data keys lie: wrapped, an object each, in a place that is in no backup of database or recordings.

That is what makes an erasure true for backups: whoever has the database as it was, the recordings as they
were and the key-encryption key, lacks the data key.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from functools import partial
from uuid import UUID

from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing.errors import KeyMissingError
from mindtrack_shared.sealing.format import KEY_BYTES, DataKey, Finds
from mindtrack_shared.sealing.providers import KeyEncryption, KeyFile
from mindtrack_shared.settings import KeySettings, StorageSettings
from mindtrack_shared.storage import ObjectMissingError, RecordingStore, open_store

#: How long a process remembers a key that it unwrapped, and how many.
REMEMBERED_SECONDS = 300.0
REMEMBERED = 1024


class KeyPlace:
    """Where wrapped keys lie: enough to destroy one without being able to open any.

    Every method raises `StorageUnavailableError` when the place is out of reach.
    """

    def __init__(self, store: RecordingStore) -> None:
        self._store = store

    def put(self, key_id: UUID, wrapped: str) -> None:
        self._store.put(_path(key_id), wrapped.encode())

    def wrapped(self, key_id: UUID) -> str:
        """Return a key as it was put.

        Raises:
            KeyMissingError: it was destroyed, or never was.

        """
        try:
            return b"".join(self._store.read(_path(key_id))).decode("ascii")
        except ObjectMissingError:
            raise KeyMissingError(str(key_id)) from None

    def holds(self, key_id: UUID) -> bool:
        try:
            self.wrapped(key_id)
        except KeyMissingError:
            return False
        return True

    def destroy(self, key_id: UUID) -> None:
        """Remove a key, if it is there. Processes may remember it for minutes."""
        self._store.remove(_path(key_id))


class DataKeys:
    """Makes, finds, rewraps and destroys data keys. Serves any number of threads.

    Every method raises `StorageUnavailableError` when the place or the key-encryption key is out of reach.
    """

    def __init__(
        self,
        place: KeyPlace,
        encryption: KeyEncryption,
        *,
        remembered_seconds: float = REMEMBERED_SECONDS,
        remembered: int = REMEMBERED,
    ) -> None:
        self._place = place
        self._encryption = encryption
        self._seconds = remembered_seconds
        self._most = remembered
        #: The oldest first; until when each is remembered.
        self._known: OrderedDict[tuple[UUID, UUID], tuple[float, DataKey]] = OrderedDict()
        self._lock = threading.Lock()

    def make(self, person: UUID) -> DataKey:
        """Make a key, and keep it before anything is sealed with it."""
        key = DataKey(new_id(), secrets.token_bytes(KEY_BYTES))
        self._place.put(key.id, self._encryption.wrap(key.secret, _context(key.id, person)))
        self._remember(key, person)
        return key

    def remembered(self, key_id: UUID, person: UUID) -> DataKey | None:
        """Return a key without looking further than this process."""
        with self._lock:
            self._forget_old()
            _, key = self._known.get((key_id, person), (0.0, None))
        return key

    def find(self, key_id: UUID, person: UUID) -> DataKey:
        """Return a person's key.

        Raises:
            KeyMissingError: it was destroyed, or never was.
            UnwrapRefusedError: the key-encryption key does not open it, or it is somebody else's.

        """
        key = self.remembered(key_id, person)
        if key is None:
            wrapped = self._place.wrapped(key_id)
            key = DataKey(key_id, self._encryption.unwrap(wrapped, _context(key_id, person)))
            self._remember(key, person)
        return key

    def of(self, person: UUID) -> Finds:
        """Return what finds keys of one person's."""
        return partial(self.find, person=person)

    def rewrap(self, key_id: UUID, person: UUID) -> bool:
        """Wrap a key with the current key-encryption key; False if it is so already, or was destroyed.

        Nobody may destroy it meanwhile. Errors as for `find`.
        """
        try:
            wrapped = self._place.wrapped(key_id)
        except KeyMissingError:
            return False
        if wrapped.startswith(self._encryption.current()):
            return False
        context = _context(key_id, person)
        self._place.put(key_id, self._encryption.wrap(self._encryption.unwrap(wrapped, context), context))
        return True

    def destroy(self, key_id: UUID) -> None:
        """Remove a key. Other processes may remember it for minutes."""
        self._place.destroy(key_id)
        with self._lock:
            for known in [known for known in self._known if known[0] == key_id]:
                del self._known[known]

    def _remember(self, key: DataKey, person: UUID) -> None:
        with self._lock:
            self._forget_old()
            self._known[key.id, person] = time.monotonic() + self._seconds, key
            self._known.move_to_end((key.id, person))
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def _forget_old(self) -> None:
        now = time.monotonic()
        while self._known and next(iter(self._known.values()))[0] <= now:
            self._known.popitem(last=False)


def _path(key_id: UUID) -> str:
    return f"keys/{key_id}"


def _context(key_id: UUID, person: UUID) -> bytes:
    return person.bytes + key_id.bytes


def open_keys(settings: KeySettings, storage: StorageSettings) -> DataKeys | None:
    """Open keys where `MINDTRACK_KEYS_URL` says; none, if it says nothing."""
    place = open_place(settings, storage)
    return None if place is None else DataKeys(place, _encryption(settings))


def open_place(settings: KeySettings, storage: StorageSettings) -> KeyPlace | None:
    """Open the place that `MINDTRACK_KEYS_URL` names; none, if it names none."""
    if settings.url is None:
        return None
    return KeyPlace(open_store(storage.model_copy(update={"url": settings.url})))


def _encryption(settings: KeySettings) -> KeyEncryption:
    if settings.vault_url is None:
        assert settings.file is not None  # noqa: S101 - the settings have one of both
        return KeyFile(settings.file)
    assert settings.vault_token_file is not None  # noqa: S101 - they come together
    from mindtrack_shared.sealing.vault import VaultTransit  # noqa: PLC0415 - cold workers have no use for it

    return VaultTransit(
        url=str(settings.vault_url),
        token_file=settings.vault_token_file,
        mount=settings.vault_mount,
        key=settings.vault_key,
    )
