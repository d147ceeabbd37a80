"""Storage errors, translated at the adapter.

StorageError
├── ListingUnorderedError     the store lists its objects in an order of its own
├── ObjectMissingError        the key holds no object
└── StorageUnavailableError   the store did not answer or refused us
"""


class StorageError(Exception):
    """Something about object storage went wrong."""


class ListingUnorderedError(StorageError):
    """The store lists its objects in an order of its own."""


class ObjectMissingError(StorageError):
    """The key holds no object."""


class StorageUnavailableError(StorageError):
    """The store did not answer or refused us; the same call may succeed later."""
