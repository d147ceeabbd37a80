"""An asynchronous client behind the blocking one's calls, so that one test tells about both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

from mindtrack_client import AsyncMindTrack, MindTrack

#: Makes a client, with changes to its arguments.
Connect = Callable[..., MindTrack]


class Bridge:
    def __init__(self, client: AsyncMindTrack) -> None:
        self._client = client
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._client, name)

        def run(*arguments: object, **options: object) -> object:
            called = call(*arguments, **options)
            return self._each(called) if inspect.isasyncgen(called) else self._runner.run(called)

        return run

    def _each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        end = object()

        async def following() -> object:
            return await anext(items, end)

        while (item := self._runner.run(following())) is not end:
            yield item
