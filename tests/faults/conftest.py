"""A stack whose leases are short, so that recovery takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults_support import FaultyStack
from mindtrack_local.config import SERVICES, StackConfig

RECOVER_QUICKLY = {
    "MINDTRACK_JOB_LEASE": "3",
    "MINDTRACK_JOB_HEARTBEAT": "1",
    "MINDTRACK_JOB_RING_AGAIN_AFTER": "2",
    "MINDTRACK_SCHEDULER_RESCUE_EVERY": "1",
}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[FaultyStack]:
    """Everything but a worker: each test adds one when it wants one."""
    services = tuple(service for service in SERVICES if service != "inference")
    config = StackConfig(
        var=tmp_path / "var", services=services, settings_overrides=RECOVER_QUICKLY, durable=True
    )
    with FaultyStack(config) as running:
        yield running
