"""What a link of the chain over access events is: its MAC is over the link before and all of its event."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

#: What stands before the first link.
GENESIS = bytes(32)
KEY_BYTES = 32
_LINE = re.compile(rf"([A-Za-z0-9._-]{{1,64}}) ([0-9a-fA-F]{{{2 * KEY_BYTES}}})")
#: What a MAC is of: one of the other kind is never taken for it.
_LINK, _MARK = b"link\0", b"mark\0"


class KeysUnusableError(ValueError):
    """The file of keys cannot be read, or holds something else."""


class KeyUnknownError(KeyError):
    """No key has this id."""


class Keys:
    """Keys by id. The first seals; the others are for what they sealed."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self.current = next(iter(self._keys))

    @classmethod
    def read(cls, path: Path) -> Keys:
        """Read a file of lines, each of an id, a space and 64 hexadecimal digits.

        Raises:
            KeysUnusableError: it is not such a file, names a key twice, or holds none.

        """
        try:
            lines = path.read_text(encoding="ascii").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise KeysUnusableError(f"{path}: {type(error).__name__}") from error
        found: dict[str, bytes] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = _LINE.fullmatch(line.strip())
            if parts is None or parts[1] in found:  # never the line itself: it may hold a key
                raise KeysUnusableError(f"{path}: line {number} is no key, or one that was named before")
            found[parts[1]] = bytes.fromhex(parts[2])
        if not found:
            raise KeysUnusableError(f"{path}: no key")
        return cls(found)

    def mac(self, key_id: str, content: bytes) -> bytes:
        """Return the MAC of something by a key.

        Raises:
            KeyUnknownError: there is no such key.

        """
        if key_id not in self._keys:
            raise KeyUnknownError(key_id)
        return hmac.digest(self._keys[key_id], content, hashlib.sha256)


class Link(NamedTuple):
    """All that a MAC is of, but the link before."""

    seq: int
    key_id: str
    sealed_at: datetime
    #: By column.
    event: Mapping[str, Any]


def link_mac(keys: Keys, before: bytes, link: Link) -> bytes:
    """Return a link's MAC.

    Raises:
        KeyUnknownError: its key is not there.

    """
    return keys.mac(link.key_id, _LINK + before + _canonical(link._asdict()))


def mark_mac(keys: Keys, mark: Mapping[str, Any]) -> bytes:
    """Return a mark's MAC, over its columns but the MAC itself.

    Raises:
        KeyUnknownError: its key is not there.

    """
    return keys.mac(mark["key_id"], _MARK + _canonical(mark))


def _canonical(content: Mapping[str, Any]) -> bytes:
    """Write values in one way. What is null is left out, so that a new column changes no former row."""
    present = _present(content)
    return json.dumps(present, sort_keys=True, separators=(",", ":"), default=_plain).encode("ascii")


def _present(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _present(value) if isinstance(value, Mapping) else value
        for name, value in content.items()
        if value is not None
    }


def _plain(value: object) -> str:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case _:
            raise TypeError(f"no canonical form of {type(value).__name__}")
