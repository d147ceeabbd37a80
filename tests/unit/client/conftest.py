from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import Result

from mindtrack_client import AsyncMindTrack, MindTrack, Retry
from unit.client import documents
from unit.client.bridge import Bridge, Connect
from unit.client.command import Command, run
from unit.client.fake_clock import Pauses
from unit.client.fake_gateway import TOKEN, FakeGateway, Reply


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture(params=["blocking", "asynchronous"])
def connect(request: pytest.FixtureRequest, gateway: FakeGateway, pauses: Pauses) -> Iterator[Connect]:
    """Make clients of the fake gateway, of either kind; jitter is always at its most."""
    with ExitStack() as open_clients:

        def blocking(**changes: Any) -> MindTrack:  # noqa: ANN401 - any argument
            client = MindTrack(**_arguments(gateway, pauses) | changes)
            return open_clients.enter_context(client)

        def asynchronous(**changes: Any) -> MindTrack:  # noqa: ANN401 - any argument
            client = AsyncMindTrack(**_arguments(gateway, pauses) | {"sleep": pauses.sleep} | changes)
            return cast("MindTrack", open_clients.enter_context(Bridge(client)))

        yield blocking if request.param == "blocking" else asynchronous


def _arguments(gateway: FakeGateway, pauses: Pauses) -> dict[str, Any]:
    return {
        "base_url": "http://gateway.test",
        "token": TOKEN,
        "transport": gateway.transport(),
        "clock": pauses.clock(),
        "retry": Retry(chance=lambda: 1.0),
    }


@pytest.fixture
def mindtrack(connect: Connect) -> MindTrack:
    return connect()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "today.m4a"
    path.write_bytes(b"not really audio")
    return path


@pytest.fixture
def command(gateway: FakeGateway) -> Iterator[Command]:
    with gateway.serving() as url:

        def invoke(*arguments: str, **env: str) -> Result:
            return run(*arguments, env={"MINDTRACK_URL": url, "MINDTRACK_TOKEN": TOKEN, **env})

        yield invoke


@pytest.fixture
def accepted(gateway: FakeGateway) -> FakeGateway:
    gateway.on("POST", "/v1/jobs", Reply(202, documents.job(), {"Retry-After": "0"}))
    return gateway
