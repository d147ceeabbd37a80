"""A worker goes on after its connection to the broker failed it, at whatever moment that was."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from integration.lost_ack import QUEUE, TASK
from mindtrack_shared.queue.celery import celery_app
from mindtrack_shared.settings import QueueSettings
from patience import eventually

#: Seconds: half of what a worker may stand still for after its broker did.
TAKEN_WITHIN = 30.0


def test_an_acknowledgement_that_is_lost_stops_no_worker(queue: QueueSettings, tmp_path: Path) -> None:
    done = tmp_path / "done"

    def taken(line: str) -> bool:
        return done.exists() and line in done.read_text(encoding="ascii")

    url = queue.url.get_secret_value()
    environment = os.environ | {"MINDTRACK_QUEUE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "integration.lost_ack"]
    worker = subprocess.Popen(command, env=environment)
    try:
        app = celery_app("sender", QueueSettings(url=queue.url))
        for line in ("first", "second"):
            app.send_task(TASK, (str(done), line), queue=QUEUE)
            eventually(partial(taken, line), within=TAKEN_WITHIN, what=f"the {line} message")
            assert worker.poll() is None
            time.sleep(1)  # for its acknowledgement
    finally:
        worker.terminate()
        worker.wait(timeout=30)
