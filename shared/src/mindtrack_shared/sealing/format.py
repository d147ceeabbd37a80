"""What is sealed, byte by byte: a header, then chunks, each AES-256-GCM.

    magic 8 | version 1 | id of the data key 16 | salt 16 | chunks: up to 64 KiB and a tag of 16 bytes each

- Each object has a key of its own, HKDF-SHA-256 of the person's data key and the salt. So nonces need no
  luck: they count the chunks, and nothing is ever encrypted twice under one key and nonce.
- A nonce's last byte tells whether the chunk is the last, so that an object that was cut does not end well,
  and its count tells the chunk's place, so that none can be moved.
- Associated with each chunk are the header and whose it is and where it belongs: what was sealed for one
  person or place does not open for another.

Chunks are handed on once they are authenticated, and only who reads to the end knows that all came.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mindtrack_shared.sealing.errors import SealBrokenError

MAGIC = b"MTsealed"
VERSION = 1
HEADER = Struct(">8sB16s16s")
KEY_BYTES = 32
SALT_BYTES = 16
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
_SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES
#: What object keys are derived for, and nothing else.
_PURPOSE = b"mindtrack object key"


@dataclass(frozen=True, slots=True)
class DataKey:
    """A person's key."""

    id: UUID
    secret: bytes = field(repr=False)


#: Finds a data key by its id.
Finds = Callable[[UUID], DataKey]


def sealed_size(size: int) -> int:
    """Return how many bytes so many take once they are sealed."""
    return HEADER.size + size + TAG_BYTES * max(1, -(-size // CHUNK_BYTES))


class _Cipher:
    """Encrypts or decrypts the chunks of one object, in order."""

    def __init__(self, key: DataKey, header: bytes, *, person: UUID, place: str) -> None:
        *_, salt = HEADER.unpack(header)
        derived = HKDF(SHA256(), KEY_BYTES, salt=salt, info=_PURPOSE).derive(key.secret)
        self._aead = AESGCM(derived)
        self._bound = header + person.bytes + place.encode()
        self._count = 0

    def encrypt(self, chunk: bytes | memoryview, *, last: bool) -> bytes:
        return self._aead.encrypt(self._nonce(last=last), chunk, self._bound)

    def decrypt(self, chunk: bytes | memoryview, *, last: bool) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(last=last), chunk, self._bound)
        except InvalidTag:
            raise SealBrokenError("a chunk is not what was sealed here") from None

    def _nonce(self, *, last: bool) -> bytes:
        nonce = self._count.to_bytes(11) + bytes([last])
        self._count += 1
        return nonce


class Sealer:
    """Seals one object as it passes, and holds little more than a chunk of it."""

    def __init__(self, key: DataKey, *, person: UUID, place: str) -> None:
        header = HEADER.pack(MAGIC, VERSION, key.id.bytes, secrets.token_bytes(SALT_BYTES))
        self._cipher = _Cipher(key, header, person=person, place=place)
        self._ready: list[bytes] = [header]
        self._held = bytearray()

    def update(self, content: bytes) -> bytes:
        """Take some more; return what can be written by now."""
        self._held += content
        # The last chunk is known by its end only, so one is always held back.
        whole = max(0, len(self._held) - 1) // CHUNK_BYTES * CHUNK_BYTES
        with memoryview(self._held) as held:
            for first in range(0, whole, CHUNK_BYTES):
                self._ready.append(self._cipher.encrypt(held[first : first + CHUNK_BYTES], last=False))
        del self._held[:whole]
        return self._written()

    def finish(self) -> bytes:
        """Return the rest."""
        self._ready.append(self._cipher.encrypt(bytes(self._held), last=True))
        return self._written()

    def _written(self) -> bytes:
        written = b"".join(self._ready)
        self._ready.clear()
        return written


def unsealed(chunks: Iterable[bytes], find: Finds, *, person: UUID, place: str) -> Iterator[bytes]:
    """Yield what was sealed, in chunks. What was never sealed passes as it is.

    Raises:
        SealBrokenError: it was changed or cut, or sealed for another person or place; what came before is not
            to be used.

    Whatever `find` raises passes through.

    """
    source, held = iter(chunks), bytearray()
    for chunk in source:
        held += chunk
        if len(held) >= HEADER.size:
            break
    if not held.startswith(MAGIC):
        yield bytes(held)
        yield from source
        return
    cipher = _opened(bytes(held[: HEADER.size]), find, person=person, place=place)
    del held[: HEADER.size]
    yield from _decrypted(cipher, held, source)


def _opened(header: bytes, find: Finds, *, person: UUID, place: str) -> _Cipher:
    if len(header) < HEADER.size:
        raise SealBrokenError("it ends within its header")
    _, version, key_id, _ = HEADER.unpack(header)
    if version != VERSION:
        raise SealBrokenError(f"its version is {version}, not {VERSION}")
    return _Cipher(find(UUID(bytes=key_id)), header, person=person, place=place)


def _decrypted(cipher: _Cipher, held: bytearray, source: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in source:
        yield from _whole_chunks(cipher, held)
        held += chunk
    yield from _whole_chunks(cipher, held)
    if len(held) < TAG_BYTES:
        raise SealBrokenError("it ends within a chunk")
    yield cipher.decrypt(bytes(held), last=True)


def _whole_chunks(cipher: _Cipher, held: bytearray) -> Iterator[bytes]:
    """Take the chunks that others follow out of what is held."""
    whole = max(0, len(held) - 1) // _SEALED_CHUNK * _SEALED_CHUNK
    for first in range(0, whole, _SEALED_CHUNK):
        yield cipher.decrypt(bytes(held[first : first + _SEALED_CHUNK]), last=False)
    del held[:whole]
