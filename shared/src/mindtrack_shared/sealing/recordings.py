"""Recordings as they were uploaded, out of storage that holds them sealed, or in clear from before."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from mindtrack_shared.sealing.format import DataKey, unsealed
from mindtrack_shared.sealing.keys import DataKeys
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError


class SealedRecordings:
    """Reads recordings. `keys` is None where there is no place for keys, and nothing should be sealed."""

    def __init__(self, store: RecordingStore, keys: DataKeys | None) -> None:
        self.store = store
        self._keys = keys

    def read(self, key: str, person: UUID) -> Iterator[bytes]:
        """Yield a person's recording in chunks. Only who reads to the end knows that it is whole.

        Raises:
            ObjectMissingError: the key holds no object.
            KeyMissingError: the person's key was destroyed.
            SealBrokenError: it was changed, cut short, or is another's.
            UnwrapRefusedError: the key-encryption key does not open the person's.
            StorageUnavailableError: storage is away, or keys are.

        """

        def find(key_id: UUID) -> DataKey:
            if self._keys is None:
                raise StorageUnavailableError("a recording is sealed, and there is no place for keys")
            return self._keys.find(key_id, person)

        return unsealed(self.store.read(key), find, person=person, place=key)
