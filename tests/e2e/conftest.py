"""The whole system as real processes, once per session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mindtrack_client import MindTrack
from mindtrack_local.config import StackConfig
from mindtrack_local.ports import reserve
from mindtrack_local.stack import Stack

METRICS_PORT = 9464


@pytest.fixture(scope="session")
def metrics_ports() -> Iterator[dict[str, int]]:
    """Where each service that has no port of its own tells what it counts."""
    reservations = {
        name: reserve(name, METRICS_PORT) for name in ("inference", "relay", "deliver", "maintenance")
    }
    yield {name: reservation.port for name, reservation in reservations.items()}
    for reservation in reservations.values():
        reservation.release()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, metrics_ports: dict[str, int]) -> Iterator[Stack]:
    config = StackConfig(
        var=tmp_path_factory.mktemp("stack"),
        storage="s3",
        durable=False,
        service_overrides={
            name: {"MINDTRACK_METRICS_PORT": str(port), "MINDTRACK_METRICS_HOST": "127.0.0.1"}
            for name, port in metrics_ports.items()
        },
    )
    with Stack(config) as running:
        yield running


@pytest.fixture
def sign_in(stack: Stack) -> Iterator[Callable[[str], MindTrack]]:
    """Make clients by the name of the person they act for."""
    with ExitStack() as open_clients:
        yield lambda subject: open_clients.enter_context(MindTrack(stack.base_url, stack.token(subject)))
