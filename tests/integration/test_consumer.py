"""What a worker does at bad moments: its connection to the broker fails it, or it is told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from celery import Celery

from integration.noting_worker import LOSE_ACK, QUEUE, TASK
from mindtrack_shared.queue.celery import celery_app
from mindtrack_shared.settings import QueueSettings
from patience import eventually

#: Seconds: half of what a worker may stand still for after its broker did.
TAKEN_WITHIN = 30.0
#: A child that believes that nobody read its results waits for 30 s; one that ends does so in one or two.
GONE_WITHIN = 15.0

Worker = subprocess.Popen[bytes]


@pytest.fixture
def start(queue: QueueSettings) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []
    url = queue.url.get_secret_value()
    environment = os.environ | {"MINDTRACK_QUEUE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}

    def worker(*options: str) -> Worker:
        command = [sys.executable, "-m", "integration.noting_worker", *options]
        started.append(subprocess.Popen(command, env=environment, start_new_session=True))
        return started[-1]

    yield worker
    for each in started:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
            each.wait()


@pytest.fixture
def sender(queue: QueueSettings) -> Celery:
    return celery_app("sender", QueueSettings(url=queue.url))


def taken(done: Path, line: str) -> bool:
    return done.exists() and line in done.read_text(encoding="ascii")


def test_an_acknowledgement_that_is_lost_stops_no_worker(
    start: Callable[..., Worker], sender: Celery, tmp_path: Path
) -> None:
    done, worker = tmp_path / "done", start(LOSE_ACK)

    for line in ("first", "second"):
        sender.send_task(TASK, (str(done), line), queue=QUEUE)
        eventually(partial(taken, done, line), within=TAKEN_WITHIN, what=f"the {line} message")
        assert worker.poll() is None
        time.sleep(1)  # for its acknowledgement


def test_a_message_that_is_on_its_way_to_a_child_holds_up_no_stop(
    start: Callable[..., Worker], sender: Celery, tmp_path: Path
) -> None:
    """The child stands still when the parent writes to it, and goes on once that was told to stop."""
    done, worker = tmp_path / "done", start()
    sender.send_task(TASK, (str(done), "first"), queue=QUEUE)
    eventually(partial(taken, done, "first"), within=TAKEN_WITHIN, what="the first message")
    (child,) = children(worker.pid)
    time.sleep(1)  # for its result

    os.kill(child, signal.SIGSTOP)
    sender.send_task(TASK, (str(done), "second"), queue=QUEUE)
    time.sleep(2)  # for the message to be written
    worker.terminate()
    time.sleep(1)  # for the worker to begin to stop
    os.kill(child, signal.SIGCONT)

    assert worker.wait(timeout=GONE_WITHIN) == 0
    assert taken(done, "second")


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
