"""The issuer's public keys, read again when their file changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from jwt import PyJWK, PyJWKSet

from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: How often the file is looked at, at most. A ConfigMap takes up to a minute or two to arrive anyway.
LOOK_EVERY = 5.0  # seconds

#: What tells a file from its successor; none where there is no file.
Version = tuple[int, ...] | None


class TrustedKeys:
    """Keys by their ids. A file that cannot be used any more changes nothing: the last good keys stay.

    Args:
        path: a JSON Web Key Set.
        clock: seconds that only rise, for tests.

    Raises:
        OSError: the file cannot be read at start.
        ValueError: it holds no key with an id.

    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._version = _version(path)  # before its contents: what changes in between is read again
        self._keys = _read(path)
        self._looked = clock()

    def get(self, key_id: str) -> PyJWK | None:
        if self._clock() - self._looked >= LOOK_EVERY:
            self._looked = self._clock()
            self._reload()
        return self._keys.get(key_id)

    def _reload(self) -> None:
        version = _version(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._keys = _read(self._path)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not taken
            get_logger().error(events.KEYS_REFUSED, error=type(error).__name__)
        else:
            get_logger().info(events.KEYS_CHANGED, key_ids=sorted(self._keys))


def _version(path: Path) -> Version:
    try:
        found = path.stat()
    except OSError:
        return None
    # The inode too: a ConfigMap arrives as another file, and a restored one may be older.
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> Mapping[str, PyJWK]:
    found = PyJWKSet.from_json(path.read_text(encoding="utf-8"))
    keys = {key.key_id: key for key in found.keys if key.key_id}
    if not keys:
        raise ValueError(f"{path} holds no key with a `kid`")
    return keys
