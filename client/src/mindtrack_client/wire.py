"""Requests and replies in httpx's terms, for both drivers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

import anyio.to_thread
import httpx2

from mindtrack_client.errors import ConnectionFailedError
from mindtrack_client.exchange import Reply, Send
from mindtrack_client.upload import FileContent
from mindtrack_client.version import __version__

USER_AGENT = f"mindtrack-client/{__version__}"


def request(base_url: str, effect: Send, *, timeout: float, asynchronous: bool = False) -> httpx2.Request:
    asked = effect.request
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json, application/problem+json"}
    if effect.token is not None:
        headers["Authorization"] = f"Bearer {effect.token}"
    headers.update(asked.headers)
    content: bytes | Iterator[bytes] | AsyncIterator[bytes] | None
    if isinstance(asked.content, FileContent):
        headers["Content-Length"] = str(asked.content.size_bytes)
        headers.setdefault("Content-Type", asked.content.content_type)
        content = _read_elsewhere(asked.content) if asynchronous else asked.content.pieces()
    else:
        content = asked.content
    # A held answer may be silent for as long as it was asked to be.
    limits = httpx2.Timeout(timeout, read=timeout + asked.hold)
    return httpx2.Request(
        asked.method,
        urljoin(f"{base_url}/", asked.target),
        params=dict(asked.params) or None,
        headers=headers,
        content=content,
        extensions={"timeout": limits.as_dict()},
    )


async def _read_elsewhere(content: FileContent) -> AsyncIterator[bytes]:
    """Read a file off the event loop."""
    pieces = content.pieces()
    while piece := await anyio.to_thread.run_sync(next, pieces, b""):
        yield piece


def reply(response: httpx2.Response) -> Reply:
    """Take over a response that was read."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(
        response.status_code, headers, response.content, str(response.request.url.copy_with(query=None))
    )


@contextmanager
def connection_errors(asked: httpx2.Request) -> Iterator[None]:
    try:
        yield
    except httpx2.RequestError as error:
        reason = str(error) or type(error).__name__
        where = f"{asked.url.scheme}://{asked.url.netloc.decode()}"
        raise ConnectionFailedError(f"no answer from {where}: {reason}") from error
    except httpx2.InvalidURL as error:
        raise ConnectionFailedError(f"not a URL: {error}") from error
