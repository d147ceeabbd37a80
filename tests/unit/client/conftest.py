from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from mindtrack_client import MindTrack
from unit.client import documents
from unit.client.command import Command, run
from unit.client.fake_clock import Pauses
from unit.client.fake_gateway import TOKEN, FakeGateway, Reply


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def mindtrack(gateway: FakeGateway, pauses: Pauses) -> Iterator[MindTrack]:
    with MindTrack(
        "http://gateway.test",
        TOKEN,
        transport=gateway.transport(),
        clock=pauses.clock(),
    ) as mindtrack:
        yield mindtrack


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
