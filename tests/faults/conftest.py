"""One stack for all: leases are short, so that recovery takes seconds; what a test adds goes with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from faults_support import FaultyStack
from integration_support import EMPTY
from mindtrack_local.config import SERVICES, StackConfig

RECOVER_QUICKLY = {
    "MINDTRACK_JOB_LEASE": "3",
    "MINDTRACK_JOB_HEARTBEAT": "1",
    "MINDTRACK_JOB_RING_AGAIN_AFTER": "2",
    "MINDTRACK_SCHEDULER_RESCUE_EVERY": "1",
}


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyStack]:
    services = tuple(service for service in SERVICES if service != "inference")
    config = StackConfig(
        var=tmp_path_factory.mktemp("faults"),
        services=services,
        sign_in=False,
        settings_overrides=RECOVER_QUICKLY,
        durable=True,
    )
    with FaultyStack(config) as stack:
        yield stack


@pytest.fixture
def stack(running: FaultyStack) -> Iterator[FaultyStack]:
    """Everything but a worker: each test adds one when it wants one. No jobs are there."""
    yield running
    running.dismiss_workers()
    with running.session() as session, session.begin():
        session.execute(text(EMPTY))
