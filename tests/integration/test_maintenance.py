"""The maintenance worker as a process of its own, on real Postgres and Valkey."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from factories import add_job, add_user, load_job
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import jobs
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.celery import celery_app
from mindtrack_shared.queue.names import FORGET_KEYS_TASK, MAINTENANCE_QUEUE, RESCUE_TASK
from mindtrack_shared.settings import DatabaseSettings, QueueSettings
from patience import eventually

#: Whether somebody waits for a lock on the table.
HELD_UP = text(
    "select exists (select from pg_stat_activity"
    " where wait_event_type = 'Lock' and query like '%idempotency_keys%')"
)


@pytest.fixture
def maintenance(
    infrastructure: Infrastructure, database: DatabaseSettings
) -> Iterator[subprocess.Popen[bytes]]:
    variables = infrastructure.environment.variables() | {
        "MINDTRACK_DATABASE_URL": database.url.get_secret_value()
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "mindtrack_scheduler", "maintenance"],
        env=os.environ | variables,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def test_what_takes_long_holds_up_no_rescue_and_no_end(
    engine: Engine, queue: QueueSettings, maintenance: subprocess.Popen[bytes]
) -> None:
    job_id = add_job(engine, add_user(engine))
    with engine.begin() as connection:
        connection.execute(jobs.claim(worker_id=new_id(), lease=timedelta(seconds=-1)))
    app = celery_app("tests", queue)

    def looks() -> bool:
        with engine.connect() as connection:
            return bool(connection.scalar(HELD_UP))

    with engine.begin() as holder:
        holder.execute(text("lock table idempotency_keys in access exclusive mode"))
        app.send_task(FORGET_KEYS_TASK, queue=MAINTENANCE_QUEUE)
        eventually(looks)
        app.send_task(RESCUE_TASK, queue=MAINTENANCE_QUEUE)
        eventually(lambda: load_job(engine, job_id).status is JobStatus.QUEUED)
        assert looks(), "it has to be at work still"

    maintenance.send_signal(signal.SIGTERM)
    assert maintenance.wait(15) == 0
