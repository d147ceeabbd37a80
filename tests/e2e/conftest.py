"""The whole system as real processes, once per session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mindtrack_client import MindTrack
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from smtp_sink import Sink, taking_mail


@pytest.fixture(scope="session")
def mail() -> Iterator[Sink]:
    """Where the stack's e-mail goes."""
    with taking_mail() as sink:
        yield sink


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, mail: Sink) -> Iterator[Stack]:
    channels = {"MINDTRACK_NOTIFY_CHANNELS": '["email"]'}
    sender = f"mailto://127.0.0.1:{mail.port}?from=noreply@example.org&mode=insecure&to={{address}}"
    overrides = {"gateway": channels, "deliver": channels | {"MINDTRACK_NOTIFY_EMAIL_URL": sender}}
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
