"""Sealing with a key per person: recordings as streams, words as text, and the keys that both need.

A recording or a text is sealed with its person's data key (`format`). Data keys lie in a place of their own,
each wrapped by a key-encryption key (`keys`), which is in a file or never leaves Vault (`providers`).
"""

from mindtrack_shared.sealing.errors import (
    KeyMissingError,
    SealBrokenError,
    SealingError,
    UnwrapRefusedError,
)
from mindtrack_shared.sealing.format import DataKey, Sealer, sealed_size, unsealed
from mindtrack_shared.sealing.keys import DataKeys, KeyPlace, open_keys, open_place
from mindtrack_shared.sealing.recordings import SealedRecordings
from mindtrack_shared.sealing.text import is_sealed, seal_text, unseal_text

__all__ = [
    "DataKey",
    "DataKeys",
    "KeyMissingError",
    "KeyPlace",
    "SealBrokenError",
    "SealedRecordings",
    "Sealer",
    "SealingError",
    "UnwrapRefusedError",
    "is_sealed",
    "open_keys",
    "open_place",
    "seal_text",
    "sealed_size",
    "unseal_text",
    "unsealed",
]
