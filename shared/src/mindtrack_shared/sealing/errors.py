"""Why something sealed cannot be read.

SealingError
├── KeyMissingError      its key was destroyed, or never was
├── SealBrokenError      it was changed, cut short or put in another's place
└── UnwrapRefusedError   the key-encryption key did not open a data key

That a place of keys or Vault is away is `mindtrack_shared.storage.StorageUnavailableError`.
"""


class SealingError(Exception):
    """Something sealed cannot be read."""


class KeyMissingError(SealingError):
    """The data key was destroyed, or never was."""


class SealBrokenError(SealingError):
    """What was sealed was changed, cut short, reordered, or sealed for another person or place."""


class UnwrapRefusedError(SealingError):
    """A data key was wrapped for somebody else, or was changed."""
