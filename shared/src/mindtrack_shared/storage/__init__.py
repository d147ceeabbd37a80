"""Object storage for recordings, and for anchors of the audit chain.

It is a local folder, anything that speaks S3, or memory in unit tests.
"""

from mindtrack_shared.storage.anchors import Anchor, AnchorStore, open_anchors
from mindtrack_shared.storage.errors import (
    ListingUnorderedError,
    ObjectMissingError,
    StorageError,
    StorageUnavailableError,
)
from mindtrack_shared.storage.recordings import ListedObject, RecordingStore, open_store

__all__ = [
    "Anchor",
    "AnchorStore",
    "ListedObject",
    "ListingUnorderedError",
    "ObjectMissingError",
    "RecordingStore",
    "StorageError",
    "StorageUnavailableError",
    "open_anchors",
    "open_store",
]
