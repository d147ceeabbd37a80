"""A request's body as it arrives: timely, compared with its `Content-Digest`, and never held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from fastapi import Request

from mindtrack_gateway.problems import DigestMismatchError, InvalidRequestError, UploadStalledError
from mindtrack_gateway.recordings.digest import HEADER, ContentDigest
from mindtrack_gateway.recordings.objects import too_large

#: No codec of speech needs less: whoever sends more slowly keeps a place, and a recording away.
SLOWEST = 256  # bytes per second


async def chunks(request: Request, *, idle: timedelta) -> AsyncIterator[bytes]:
    """Yield the body. Only who reads it to its end learns whether it is what its sender meant to send.

    The header is looked at before anything is read.

    Raises:
        MalformedRequestError: there is a `Content-Digest`, and it does not parse.
        UploadStalledError: nothing arrived for as long as `idle`, or next to nothing.
        DigestMismatchError: at the end: the content has another digest.

    """
    comparison = ContentDigest.parse(request.headers.getlist(HEADER)).begin()
    async for data in _timely(request.stream(), idle):
        comparison.update(data)
        if data:
            yield data
    if not comparison.holds():
        raise DigestMismatchError("What arrived is not what Content-Digest says. Please send it again.")


def refuse_declared_size(request: Request, most: int, *, slack: int = 0) -> None:
    """Refuse a body that says itself that it is too large, before any of it is sent.

    Raises:
        RecordingTooLargeError: it says so; `slack` is what may stand around a recording.

    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most + slack:
        raise too_large(most)


async def short(stream: AsyncIterator[bytes], *, most: int) -> bytes:
    """Read a body that is no recording.

    Raises:
        InvalidRequestError: it has more than `most` bytes.

    """
    content = b""
    async for data in stream:
        content += data
        if len(content) > most:
            raise InvalidRequestError.about("body", f"must have at most {most} bytes")
    return content


async def _timely(stream: AsyncIterator[bytes], idle: timedelta) -> AsyncIterator[bytes]:
    """Yield the stream while each `idle` seconds of waiting bring as much as the slowest sender sends."""
    seconds = idle.total_seconds()
    left, missing = seconds, seconds * SLOWEST
    while True:
        since = time.monotonic()
        try:
            async with asyncio.timeout(left):
                data = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            wanted = f"{seconds * SLOWEST:g} bytes within {seconds:g} seconds"
            raise UploadStalledError(f"Less than {wanted} arrived.") from error
        left -= time.monotonic() - since
        missing -= len(data)
        if missing <= 0:
            left, missing = seconds, seconds * SLOWEST
        yield data
