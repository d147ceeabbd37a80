"""The scheduler's processes, watched as an orchestrator watches them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration_support import as_role
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import roles
from mindtrack_shared.observability.liveness import SHOW_EVERY, complaint
from mindtrack_shared.settings import DatabaseSettings

NOBODY = "redis://127.0.0.1:1/0"
STARTS_WITHIN = 30.0  # seconds, on a busy machine


@contextmanager
def running(command: str, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mindtrack_scheduler", command], env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def appears(file: Path, *, within: float) -> bool:
    deadline = time.monotonic() + within
    while complaint(file) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    return complaint(file) is None


@pytest.fixture
def variables(infrastructure: Infrastructure, database: DatabaseSettings, tmp_path: Path) -> dict[str, str]:
    return infrastructure.environment.variables() | {
        "MINDTRACK_DATABASE_URL": as_role(roles.WORKER, database).url.get_secret_value(),
        "MINDTRACK_LIVENESS_FILE": str(tmp_path / "alive"),
        "MINDTRACK_SCHEDULER_BEAT_FILE": str(tmp_path / "schedule"),
        "MINDTRACK_SCHEDULER_RESCUE_EVERY": "1",
    }


@pytest.mark.parametrize("broker", [None, NOBODY], ids=["", "without a broker"])
@pytest.mark.parametrize("command", ["relay", "deliver", "beat", "maintenance"])
def test_a_process_shows_that_it_lives_again_and_again(
    command: str, broker: str | None, variables: dict[str, str], tmp_path: Path
) -> None:
    if broker is not None:
        variables["MINDTRACK_QUEUE_URL"] = broker
    alive = tmp_path / "alive"

    with running(command, variables):
        assert appears(alive, within=STARTS_WITHIN)
        for _ in range(2):
            alive.unlink()
            assert appears(alive, within=SHOW_EVERY + 5)


@pytest.mark.parametrize("command", ["relay", "deliver", "beat", "maintenance"])
def test_a_process_that_stands_still_shows_no_life_and_one_told_to_stop_stops(
    command: str, variables: dict[str, str], tmp_path: Path
) -> None:
    alive = tmp_path / "alive"

    with running(command, variables) as process:
        assert appears(alive, within=STARTS_WITHIN)
        process.send_signal(signal.SIGSTOP)
        alive.unlink(missing_ok=True)
        assert not appears(alive, within=SHOW_EVERY + 1)

        process.send_signal(signal.SIGCONT)
        assert appears(alive, within=SHOW_EVERY + 5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
