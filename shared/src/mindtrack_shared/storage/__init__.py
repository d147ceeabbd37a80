"""Object storage for recordings: a local folder, anything that speaks S3, or memory in unit tests."""

from mindtrack_shared.storage.errors import (
    ListingUnorderedError,
    ObjectMissingError,
    StorageError,
    StorageUnavailableError,
)
from mindtrack_shared.storage.recordings import ListedObject, RecordingStore, open_store

__all__ = [
    "ListedObject",
    "ListingUnorderedError",
    "ObjectMissingError",
    "RecordingStore",
    "StorageError",
    "StorageUnavailableError",
    "open_store",
]
