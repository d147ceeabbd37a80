"""Key-encryption keys: what wraps data keys, and the one secret that no backup of ours holds.

`KeyFile` is for one machine and for who mounts a secret; `vault.VaultTransit` is for who has Vault.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mindtrack_shared.sealing.errors import UnwrapRefusedError
from mindtrack_shared.storage import StorageUnavailableError

KEK_BYTES = 32
NONCE_BYTES = 12


class KeyEncryption(Protocol):
    """Wraps data keys.

    `context` says whose key it is: what was wrapped with one context does not unwrap with another. Every
    method raises `StorageUnavailableError` when the key-encryption key is out of reach.
    """

    def wrap(self, secret: bytes, context: bytes, /) -> str: ...

    def unwrap(self, wrapped: str, context: bytes, /) -> bytes:
        """Return what was wrapped.

        Raises:
            UnwrapRefusedError: it was changed, or the context differs.

        """
        ...

    def current(self) -> str:
        """Return how all begins that `wrap` returns now; what begins otherwise is to be wrapped again."""
        ...


class KeyFile:
    """Key-encryption keys in a file, a line each: a name, a space, 32 bytes in base64. The first wraps.

    The file is read each time, so that keys can be added, put first and removed while services run. What it
    wraps says by its name which key opens it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys()  # a file that is wrong is found at start

    def wrap(self, secret: bytes, context: bytes) -> str:
        name, key = next(iter(self._keys().items()))
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, secret, context)
        return f"file:{name}:{base64.b64encode(sealed).decode()}"

    def unwrap(self, wrapped: str, context: bytes) -> bytes:
        try:
            kind, name, text = wrapped.split(":")
            sealed = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            raise UnwrapRefusedError("a wrapped key is malformed") from None
        key = self._keys().get(name) if kind == "file" else None
        if key is None:  # it may have reached others earlier than us
            raise StorageUnavailableError(f"there is no key-encryption key {kind}:{name} here")
        try:
            return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise UnwrapRefusedError(f"{kind}:{name} does not open a wrapped key") from None

    def current(self) -> str:
        return f"file:{next(iter(self._keys()))}:"

    def _keys(self) -> dict[str, bytes]:
        """Read the file.

        Raises:
            StorageUnavailableError: there is none.
            ValueError: it does not hold what it should.

        """
        try:
            text = self._path.read_text(encoding="ascii")
        except OSError as error:
            raise StorageUnavailableError("the file of key-encryption keys cannot be read") from error
        keys: dict[str, bytes] = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            name, _, key = line.partition(" ")
            keys[name] = _key(key)
            if ":" in name:
                raise ValueError("the name of a key-encryption key must not hold a colon")
        if not keys:
            raise ValueError("the file of key-encryption keys is empty")
        return keys


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEK_BYTES:
        raise ValueError(f"a key-encryption key must be {KEK_BYTES} bytes in base64")
    return key


def new_key_line(name: str) -> str:
    """Make a key-encryption key: a line for `KeyFile`."""
    return f"{name} {base64.b64encode(secrets.token_bytes(KEK_BYTES)).decode()}\n"
