"""One contract, three backends: memory, a local folder, and S3 over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.ids import new_id
from mindtrack_shared.settings import StorageSettings
from mindtrack_shared.storage import (
    ListingUnorderedError,
    ObjectMissingError,
    RecordingStore,
    StorageUnavailableError,
    open_store,
)

MEBIBYTE = 1024 * 1024


@pytest.fixture(params=["memory", "folder", "s3"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, infrastructure: Infrastructure) -> RecordingStore:
    match request.param:
        case "memory":
            return open_store(StorageSettings(url="memory://"))
        case "folder":
            return open_store(StorageSettings(url=f"file://{tmp_path}/recordings"))
        case _:
            return open_store(infrastructure.settings(StorageSettings))


@pytest.fixture
def key() -> str:
    return f"recordings/{new_id()}"


async def chunks(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def test_what_was_written_is_read_again(backend: RecordingStore, key: str) -> None:
    await backend.write(key, chunks(b"one, ", b"two"))

    assert b"".join(backend.read(key)) == b"one, two"


async def test_an_object_larger_than_a_part_arrives_whole(backend: RecordingStore, key: str) -> None:
    pieces = [bytes([n]) * MEBIBYTE for n in range(12)]

    await backend.write(key, chunks(*pieces))

    assert b"".join(backend.read(key)) == b"".join(pieces)


async def test_an_upload_that_breaks_off_leaves_nothing(backend: RecordingStore, key: str) -> None:
    class HungUpError(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        for _ in range(7):
            yield b"x" * MEBIBYTE
        raise HungUpError

    with pytest.raises(HungUpError):
        await backend.write(key, broken())

    with pytest.raises(ObjectMissingError):
        next(backend.read(key))


async def test_a_missing_object_is_said_to_be_missing(backend: RecordingStore, key: str) -> None:
    with pytest.raises(ObjectMissingError, match=key):
        next(backend.read(key))


async def test_deleting_twice_is_no_error(backend: RecordingStore, key: str) -> None:
    await backend.write(key, chunks(b"content"))

    await backend.delete(key)
    await backend.delete(key)

    with pytest.raises(ObjectMissingError):
        next(backend.read(key))


async def test_objects_are_listed_in_order_of_keys(backend: RecordingStore, key: str) -> None:
    names = [f"{key}{end}" for end in ("-1", "/1", "/2", "0", "_")]
    for name in reversed(names):
        await backend.write(name, chunks(b"content"))

    listed = [found for found in backend.objects() if found.key.startswith(key)]

    assert [(found.key, found.size) for found in listed] == [(name, 7) for name in names]
    assert all(abs(datetime.now(UTC) - found.modified) < timedelta(minutes=1) for found in listed)


def test_a_listing_in_another_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than every object called missing."""
    now = datetime.now(UTC)
    pages = [[{"path": path, "size": 1, "last_modified": now} for path in page] for page in ("ac", "b")]
    monkeypatch.setattr("obstore.list", lambda _: iter(pages))

    with pytest.raises(ListingUnorderedError, match="b is listed after c"):
        list(open_store(StorageSettings(url="memory://")).objects())


async def test_removing_twice_is_no_error_either(backend: RecordingStore, key: str) -> None:
    await backend.write(key, chunks(b"content"))

    backend.remove(key)
    backend.remove(key)

    with pytest.raises(ObjectMissingError):
        await backend.size(key)


async def test_what_is_put_at_once_is_read_as_it_was(backend: RecordingStore, key: str) -> None:
    backend.put(key, b"before")
    backend.put(key, b"afterwards")

    assert b"".join(backend.read(key)) == b"afterwards"


@pytest.mark.parametrize(
    "call",
    [
        lambda store, key: store.size(key),
        lambda store, key: anext(store.stream(key)),
    ],
    ids=["size", "stream"],
)
async def test_what_is_missing_is_said_to_be_missing_without_blocking(
    backend: RecordingStore, key: str, call: Callable[[RecordingStore, str], Awaitable[object]]
) -> None:
    with pytest.raises(ObjectMissingError, match=key):
        await call(backend, key)


async def test_only_s3_signs_urls(backend: RecordingStore, key: str, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["backend"] == "s3":
        assert f"/mindtrack/{key}?" in await backend.presign(key, expires_in=timedelta(minutes=1))
    else:
        assert not backend.presigns
        with pytest.raises(RuntimeError, match="signs no URLs"):
            await backend.presign(key, expires_in=timedelta(minutes=1))


async def test_a_store_that_answers_pings(backend: RecordingStore) -> None:
    await backend.ping()


async def test_wrong_keys_are_refused(infrastructure: Infrastructure) -> None:
    settings = infrastructure.settings(StorageSettings)
    stranger = open_store(
        StorageSettings.model_validate({**settings.model_dump(), "secret_access_key": "not-the-secret"}),
    )

    with pytest.raises(StorageUnavailableError):
        await stranger.ping()


async def test_recordings_in_a_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    open_store(StorageSettings(url=f"file://{tmp_path}/recordings"))

    assert (tmp_path / "recordings").stat().st_mode & 0o077 == 0


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="'ftp'"):
        open_store(StorageSettings(url="ftp://host/recordings"))
