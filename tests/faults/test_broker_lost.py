from __future__ import annotations

from pathlib import Path

import pytest

from faults_support import FaultyStack, another, eventually, talking
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.queue.names import DRAIN_QUEUES

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

TEN = 10


def test_losing_every_message_loses_no_job(stack: FaultyStack, tmp_path: Path) -> None:
    recording = talking(tmp_path / "log.wav", seconds=6)
    with stack.client() as client:
        promised = [client.submit(another(recording, tmp_path)).id for _ in range(TEN)]
    eventually(lambda: all(job.dispatched_at for job in stack.jobs()), within=20, what="a ring for every job")
    broker = stack.broker()
    assert broker.llen(f"mt:{DRAIN_QUEUES[Priority.INTERACTIVE]}") >= TEN

    broker.flushall()
    broker.close()
    stack.add_inference("inference")

    eventually(lambda: stack.succeeded(promised), within=60, what="all ten succeeding")
    assert stack.analyses_per_job() == dict.fromkeys(promised, 1)


def test_a_broker_that_is_down_delays_but_refuses_nothing(stack: FaultyStack, tmp_path: Path) -> None:
    stack.add_inference("inference")
    recording = talking(tmp_path / "log.wav", seconds=6)
    stack.process("valkey").pause()
    try:
        with stack.client() as client:
            promised = [client.submit(another(recording, tmp_path)).id for _ in range(TEN)]
    finally:
        stack.process("valkey").resume()

    eventually(lambda: stack.succeeded(promised), within=90, what="all ten succeeding")
    assert stack.analyses_per_job() == dict.fromkeys(promised, 1)


def test_a_broker_that_crashes_delays_but_loses_nothing(stack: FaultyStack, tmp_path: Path) -> None:
    stack.add_inference("inference")
    recording = talking(tmp_path / "log.wav", seconds=6)
    with stack.client() as client:
        promised = [client.submit(another(recording, tmp_path)).id for _ in range(TEN // 2)]
        stack.process("valkey").kill()
        promised += [client.submit(another(recording, tmp_path)).id for _ in range(TEN // 2)]

    eventually(lambda: stack.succeeded(promised), within=90, what="all ten succeeding")
    assert stack.analyses_per_job() == dict.fromkeys(promised, 1)
