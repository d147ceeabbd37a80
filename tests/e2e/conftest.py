"""The whole system as real processes, once per session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mindtrack_client import MindTrack
from mindtrack_local.config import StackConfig
from mindtrack_local.ports import reserve
from mindtrack_local.stack import Stack
from smtp_sink import Sink, taking_mail

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
def mail() -> Iterator[Sink]:
    """Where the stack's e-mail goes."""
    with taking_mail() as sink:
        yield sink


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, metrics_ports: dict[str, int], mail: Sink
) -> Iterator[Stack]:
    overrides = {
        name: {"MINDTRACK_METRICS_PORT": str(port), "MINDTRACK_METRICS_HOST": "127.0.0.1"}
        for name, port in metrics_ports.items()
    }
    channels = {"MINDTRACK_NOTIFY_CHANNELS": '["email"]'}
    sender = f"mailto://127.0.0.1:{mail.port}?from=noreply@example.org&mode=insecure&to={{address}}"
    overrides["gateway"] = channels
    overrides["deliver"] |= channels | {"MINDTRACK_NOTIFY_EMAIL_URL": sender}
    config = StackConfig(
        var=tmp_path_factory.mktemp("stack"),
        storage="s3",
        durable=False,
        service_overrides=overrides,
    )
    with Stack(config) as running:
        yield running


@pytest.fixture
def sign_in(stack: Stack) -> Iterator[Callable[[str], MindTrack]]:
    """Make clients by the name of the person they act for."""
    with ExitStack() as open_clients:
        yield lambda subject: open_clients.enter_context(MindTrack(stack.base_url, stack.token(subject)))
