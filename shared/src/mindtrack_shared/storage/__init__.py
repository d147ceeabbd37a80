"""Object storage for recordings: a local folder, anything that speaks S3, or memory in unit tests."""

from mindtrack_shared.storage.errors import ObjectMissingError, StorageError, StorageUnavailableError
from mindtrack_shared.storage.recordings import RecordingStore, open_store

__all__ = ["ObjectMissingError", "RecordingStore", "StorageError", "StorageUnavailableError", "open_store"]
