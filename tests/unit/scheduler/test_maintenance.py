"""Maintenance has a thread, and a connection, for each of its tasks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from structlog.testing import capture_logs

from mindtrack_scheduler.maintenance import TASKS, build_app
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_scheduler.tasks import _periodic
from mindtrack_shared.settings import QueueSettings


def test_each_task_has_a_thread(tmp_path: Path) -> None:
    settings = SchedulerSettings(beat_file=tmp_path / "beat")
    app = build_app(settings, QueueSettings(url="redis://127.0.0.1:1/0", plaintext=True))
    app.loader.import_default_modules()

    asked_for = set(app.conf.beat_schedule)
    assert len(asked_for) == TASKS == app.conf.worker_concurrency
    assert asked_for == {name for name in app.tasks if name.startswith("mindtrack.")}


def test_a_task_that_is_at_work_is_not_begun_again() -> None:
    begun, go_on = [], threading.Event()

    @_periodic("tests.slow")
    def slow() -> None:
        begun.append(1)
        go_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        while not begun:
            pass
        slow()
        assert len(begun) == 1, "passed over"
        go_on.set()
        first.result(10)
    slow()
    assert len(begun) == 2


def test_a_task_that_fails_is_told_and_asked_again() -> None:
    @_periodic("tests.failing")
    def failing() -> None:
        raise RuntimeError("a bug")

    for _ in range(2):
        with capture_logs() as logs:
            failing()
        assert [(line["event"], line["task"]) for line in logs] == [("task_failed", "tests.failing")]
