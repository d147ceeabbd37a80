"""One adapter over obstore, which speaks to folders, S3 and memory through the same calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store

from mindtrack_shared.errors import SettingError
from mindtrack_shared.settings import StorageSettings
from mindtrack_shared.storage.errors import (
    ListingUnorderedError,
    ObjectMissingError,
    StorageError,
    StorageUnavailableError,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config  # these exist for type checkers only

#: Parts of a multipart upload; S3's minimum, so an upload holds little memory.
PART_BYTES = 5 * 1024 * 1024
#: Parts in flight per upload: while one is sent, none is filled. A second would double the memory that an
#: upload takes, and phones are slower than storage.
PARALLEL_PARTS = 1
#: Least size of a chunk read, but for the last.
READ_BYTES = 1024 * 1024
REQUEST_TIMEOUT = timedelta(seconds=30)
CONNECT_TIMEOUT = timedelta(seconds=3)


class ListedObject(NamedTuple):
    key: str
    size: int  # bytes
    #: When its upload ended; on S3, where that came in parts, when it began.
    modified: datetime


class RecordingStore:
    """Writes, reads and deletes recordings by key. A written object is whole or absent, never partial.

    Every method raises `StorageUnavailableError` when the store does not do its part.
    """

    def __init__(self, backend: ObjectStore, signer: S3Store | None = None) -> None:
        self._backend = backend
        #: Reaches the same bucket as clients do.
        self._signer = signer

    @property
    def presigns(self) -> bool:
        """Whether clients can be given a URL of the store itself."""
        return self._signer is not None

    async def presign(self, key: str, *, expires_in: timedelta) -> str:
        """Return a URL at which anybody may PUT the object until it expires.

        It binds neither the size nor the type of what is put there.

        Raises:
            RuntimeError: the store `presigns` nothing.

        """
        if self._signer is None:
            raise RuntimeError("this store signs no URLs")
        with translated(key):
            return await obstore.sign_async(self._signer, "PUT", key, expires_in)

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Stream an object into the store. An exception from `chunks` aborts it and passes through."""
        with translated(key, missing=StorageUnavailableError):  # it is the bucket that is missing
            await obstore.put_async(
                self._backend,
                key,
                chunks,
                chunk_size=PART_BYTES,
                max_concurrency=PARALLEL_PARTS,
            )

    def read(self, key: str) -> Iterator[bytes]:
        """Yield an object in chunks, as they arrive.

        Raises:
            ObjectMissingError: the key holds no object.

        """
        with translated(key):
            yield from obstore.get(self._backend, key).stream(min_chunk_size=READ_BYTES)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield an object in chunks, as they arrive.

        Raises:
            ObjectMissingError: the key holds no object.

        """
        with translated(key):
            found = await obstore.get_async(self._backend, key)
            async for chunk in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(chunk)

    async def size(self, key: str) -> int:
        """Return the size of an object in bytes.

        Raises:
            ObjectMissingError: the key holds no object.

        """
        with translated(key):
            return (await obstore.head_async(self._backend, key))["size"]

    def put(self, key: str, content: bytes) -> None:
        """Write a small object, for callers without an event loop."""
        with translated(key, missing=StorageUnavailableError):
            obstore.put(self._backend, key, content)

    def objects(self) -> Iterator[ListedObject]:
        """Yield every object in order of keys, by bytes.

        Object storage lists page by page in that order. A folder does not: it is read whole and sorted first.

        Raises:
            ListingUnorderedError: the store does not do what S3 promises.

        """
        listed = self._listed()
        if isinstance(self._backend, LocalStore):
            listed = iter(sorted(listed, key=attrgetter("key")))
        last = ""
        for found in listed:
            if found.key < last:
                raise ListingUnorderedError(f"{found.key} is listed after {last}")
            last = found.key
            yield found

    def _listed(self) -> Iterator[ListedObject]:
        with translated("/"):
            for page in obstore.list(self._backend):
                for found in page:
                    yield ListedObject(found["path"], found["size"], found["last_modified"])

    async def delete(self, key: str) -> None:
        """Remove an object; removing what is not there is no error."""
        try:
            with translated(key):
                await obstore.delete_async(self._backend, key)
        except ObjectMissingError:
            return

    def remove(self, key: str) -> None:
        """Do what `delete` does, for callers without an event loop."""
        try:
            with translated(key):
                obstore.delete(self._backend, key)
        except ObjectMissingError:
            return

    async def ping(self) -> None:
        """Return if the store answers."""
        with translated("/"):
            await obstore.list_with_delimiter_async(self._backend, prefix="ping")


@contextmanager
def translated(key: str, missing: type[StorageError] = ObjectMissingError) -> Iterator[None]:
    """Raise what backends raise as errors of ours, about a key."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise missing(key) from error
    except (BaseError, OSError) as error:
        raise StorageUnavailableError(f"{type(error).__name__} at {key}") from error


def open_store(settings: StorageSettings) -> RecordingStore:
    """Open the store that `MINDTRACK_STORAGE_URL` names.

    Raises:
        ValueError: the URL's scheme is not file, s3 or memory, or its path is not absolute.

    """
    backend = open_backend(settings)
    if not isinstance(backend, S3Store):
        return RecordingStore(backend)
    bucket = urlsplit(settings.url).netloc
    return RecordingStore(backend, _s3(bucket, settings, settings.public_endpoint or settings.endpoint))


def open_backend(settings: StorageSettings) -> ObjectStore:
    """Open what a store stands on, as `open_store` does."""
    url = urlsplit(settings.url)
    match url.scheme:
        case "file":
            if url.netloc:
                raise SettingError(f"a file URL has three slashes, file:///path, got {settings.url!r}")
            folder = Path(unquote(url.path))
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return LocalStore(folder)
        case "memory":
            return MemoryStore()
        case "s3":
            return _s3(url.netloc, settings, settings.endpoint)
        case scheme:
            raise SettingError(f"storage URL must start with file:// or s3://, got {scheme!r}")


def _s3(bucket: str, settings: StorageSettings, endpoint: str | None) -> S3Store:
    client: ClientConfig = {"timeout": REQUEST_TIMEOUT, "connect_timeout": CONNECT_TIMEOUT}
    if endpoint and endpoint.startswith("http://"):
        client["allow_http"] = True
    config: S3Config = {"region": settings.region}
    if settings.access_key_id and settings.secret_access_key:
        config["access_key_id"] = settings.access_key_id.get_secret_value()
        config["secret_access_key"] = settings.secret_access_key.get_secret_value()
    if endpoint:
        config["endpoint"] = endpoint
    return S3Store(
        bucket,
        config=config,
        client_options=client,
        retry_config={"max_retries": 3, "retry_timeout": REQUEST_TIMEOUT},
    )
