"""The whole system as real processes, once per session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mindtrack_client import MindTrack
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    config = StackConfig(var=tmp_path_factory.mktemp("stack"), storage="s3", durable=False)
    with Stack(config) as running:
        yield running


@pytest.fixture
def sign_in(stack: Stack) -> Iterator[Callable[[str], MindTrack]]:
    """Make clients by the name of the person they act for."""
    with ExitStack() as open_clients:
        yield lambda subject: open_clients.enter_context(MindTrack(stack.base_url, stack.token(subject)))
