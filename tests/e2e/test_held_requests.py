"""A gateway that is told to stop answers whom it holds."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from mindtrack_client import MindTrack
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from samples import SAMPLES

HELD = 5


@pytest.mark.timeout(120)
def test_held_requests_are_answered_when_the_gateway_stops(tmp_path: Path) -> None:
    with Stack(StackConfig(var=tmp_path / "var", durable=False)) as stack:
        token = stack.token("ada")
        stack.process("inference").stop()
        with MindTrack(stack.base_url, token) as client:
            job = client.submit(SAMPLES / "day-1.wav")

        def held(_: int) -> httpx2.Response:
            headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=30"}
            return httpx2.get(f"{stack.base_url}/v1/jobs/{job.id}", headers=headers, timeout=60)

        with ThreadPoolExecutor(HELD) as threads:
            answers = [threads.submit(held, number) for number in range(HELD)]
            time.sleep(1.5)
            assert not any(answer.done() for answer in answers)
            started = time.monotonic()
            stopping = threading.Thread(target=stack.process("gateway").stop)
            stopping.start()
            found = [answer.result() for answer in answers]
            stopping.join()
        assert time.monotonic() - started < 5
        assert [(answer.status_code, answer.json()["status"]) for answer in found] == [(200, "queued")] * HELD
