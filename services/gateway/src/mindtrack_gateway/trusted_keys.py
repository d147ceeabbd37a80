"""The issuer's public keys: from a file, read again when it changes, or from the issuer's own address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from jwt import PyJWK, PyJWKClient, PyJWKSet
from jwt.exceptions import PyJWKError, PyJWTError

from mindtrack_gateway.problems import AWAY, DependencyUnavailableError
from mindtrack_shared.errors import SettingError
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: How often the file is looked at, at most. A ConfigMap takes up to a minute or two to arrive anyway.
LOOK_EVERY = 5.0  # seconds

#: How old keys of the issuer's address may become before they are fetched again.
FETCH_EVERY = 300.0  # seconds
#: How soon after a fetch a key that is not known may cause another: anybody can make up a name. A good issuer
#: publishes a new key for a while before it signs with it.
FETCH_AGAIN_AFTER = 30.0  # seconds
#: How soon another attempt is made while there are no keys at all.
FETCH_FIRST_AGAIN_AFTER = 1.0  # seconds
FETCH_TIMEOUT = 5.0  # seconds

#: What tells a file from its successor; none where there is no file.
Version = tuple[int, ...] | None


class KeySource(Protocol):
    """Keys by their ids."""

    @property
    def generation(self) -> int:
        """Rises whenever the keys change: what was verified with former ones must be verified again."""

    async def get(self, key_id: str) -> PyJWK | None:
        """Return a key; None if there is none of that id.

        Raises:
            DependencyUnavailableError: nobody could be asked yet, so that nothing is known of any key.

        """

    async def known(self) -> bool:
        """Whether there are keys: without any, nobody who signs in can be let in."""


class PublishedKeys:
    """Keys that the issuer publishes at an address (its `jwks_uri`).

    Fetched with the first token, then every five minutes, and for a key that is not known. While the issuer
    cannot be reached, the last good keys stay.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        # Its own cache forgets keys while the issuer is away.
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_TIMEOUT)
        self._clock = clock
        self._keys: Mapping[str, PyJWK] = {}
        self._fetched: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self.generation = 0

    async def get(self, key_id: str) -> PyJWK | None:
        if self._is_due(key_id):
            if self._fetching is None or self._fetching.done():
                self._fetching = asyncio.create_task(self._fetch(), name="keys")
            await asyncio.shield(self._fetching)  # goes on for others, should who waits give up
        if not self._keys:
            raise DependencyUnavailableError(AWAY)
        return self._keys.get(key_id)

    async def known(self) -> bool:
        if not self._keys:
            with suppress(DependencyUnavailableError):
                await self.get("")
        return bool(self._keys)

    def _is_due(self, key_id: str) -> bool:
        if self._fetched is None:
            return True
        age = self._clock() - self._fetched
        if not self._keys:
            return age >= FETCH_FIRST_AGAIN_AFTER
        return age >= FETCH_EVERY or (key_id not in self._keys and age >= FETCH_AGAIN_AFTER)

    async def _fetch(self) -> None:
        try:
            found = await asyncio.to_thread(self._client.get_jwk_set)
            keys = _named(found)
        except (PyJWTError, PyJWKError, OSError, ValueError) as error:
            get_logger().error(events.KEYS_REFUSED, error=type(error).__name__)
            return
        finally:
            self._fetched = self._clock()
        if _material(keys) != _material(self._keys):
            self._keys = keys
            self.generation += 1
            get_logger().info(events.KEYS_CHANGED, key_ids=sorted(keys))


class TrustedKeys:
    """Keys of a file. One that cannot be used any more changes nothing: the last good keys stay.

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
        self._generation = 0

    @property
    def generation(self) -> int:
        self._look()
        return self._generation

    async def get(self, key_id: str) -> PyJWK | None:
        self._look()
        return self._keys.get(key_id)

    async def known(self) -> bool:
        return True  # there is no start without

    def _look(self) -> None:
        if self._clock() - self._looked >= LOOK_EVERY:
            self._looked = self._clock()
            self._reload()

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
            self._generation += 1
            get_logger().info(events.KEYS_CHANGED, key_ids=sorted(self._keys))


def _version(path: Path) -> Version:
    try:
        found = path.stat()
    except OSError:
        return None
    # The inode too: a ConfigMap arrives as another file, and a restored one may be older.
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> Mapping[str, PyJWK]:
    try:
        return _named(PyJWKSet.from_json(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise SettingError(f"{path}: {error}") from error


def _named(found: PyJWKSet) -> Mapping[str, PyJWK]:
    keys = {key.key_id: key for key in found.keys if key.key_id}
    if not keys:
        raise ValueError("no key has a `kid`")
    return keys


def _material(keys: Mapping[str, PyJWK]) -> Mapping[str, object]:
    """Return what two sets of keys are compared by."""
    return {name: key._jwk_data for name, key in keys.items()}  # noqa: SLF001 - the key's members, as published
