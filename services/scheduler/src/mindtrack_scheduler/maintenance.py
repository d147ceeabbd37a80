"""Builds the maintenance worker and beat, which sends it its periodic tasks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from celery import Celery, signals
from sqlalchemy import Engine

from mindtrack_scheduler.audit.chain import Keys
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_scheduler.stopping import stop
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.observability.logging import configure_logging
from mindtrack_shared.observability.traces import JobTraces, open_traces
from mindtrack_shared.queue.celery import celery_app
from mindtrack_shared.queue.names import (
    ANCHOR_TASK,
    BURY_TASK,
    EVALUATE_STANDINGS_TASK,
    FORGET_KEYS_TASK,
    MAINTENANCE_QUEUE,
    MEND_DAYS_TASK,
    RESCUE_TASK,
    RETAIN_TASK,
    SEAL_TASK,
    SWEEP_TASK,
)
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import KeyPlace, open_place
from mindtrack_shared.settings import (
    AuditSettings,
    DatabaseSettings,
    JobSettings,
    KeySettings,
    LogSettings,
    QueueSettings,
    StorageSettings,
    TracingSettings,
)
from mindtrack_shared.storage import AnchorStore, RecordingStore, open_anchors, open_store

SERVICE = "scheduler"
#: How many there are; each has a thread.
TASKS = 9


@dataclass(frozen=True, slots=True)
class Parts:
    engine: Engine
    wakeups: Wakeups
    job_settings: JobSettings
    traces: JobTraces


@cache
def parts() -> Parts:
    """Return what the periodic tasks of this process work with."""
    database = DatabaseSettings()
    # One each, or a rescue would wait for one.
    enough = database.model_copy(update={"pool_size": max(database.pool_size, TASKS)})
    return Parts(
        engine=sync_engine(enough, application_name="mindtrack-maintenance"),
        wakeups=Wakeups(QueueSettings()),
        job_settings=JobSettings(),
        traces=open_traces(TracingSettings(), service="maintenance"),
    )


@cache
def store() -> RecordingStore:
    """Return object storage. Apart from the rest: rescue goes on where nobody said where it is."""
    return open_store(StorageSettings())


@cache
def keys() -> KeyPlace | None:
    """Return where data keys lie: to destroy them, which takes no key-encryption key."""
    return open_place(KeySettings(), StorageSettings())


@cache
def audit_keys() -> Keys | None:
    """Return what access events are sealed with, if there is anything.

    Raises:
        KeysUnusableError: there is, and it is of no use.

    """
    file = AuditSettings().keys_file
    return None if file is None else Keys.read(file)


@cache
def anchors() -> AnchorStore:
    return open_anchors(StorageSettings(), AuditSettings().anchors_url)


def build_app(settings: SchedulerSettings, queue: QueueSettings) -> Celery:
    app = celery_app("mindtrack-scheduler", queue)
    every = {
        RESCUE_TASK: settings.rescue_every.total_seconds(),
        BURY_TASK: settings.bury_every.total_seconds(),
        FORGET_KEYS_TASK: settings.forget_every.total_seconds(),
        MEND_DAYS_TASK: settings.mend_every.total_seconds(),
        EVALUATE_STANDINGS_TASK: settings.evaluate_every.total_seconds(),
        SWEEP_TASK: settings.sweep_every.total_seconds(),
        SEAL_TASK: settings.seal_every.total_seconds(),
        RETAIN_TASK: settings.retain_every.total_seconds(),
        ANCHOR_TASK: settings.anchor_every.total_seconds(),
    }
    app.conf.update(
        imports=["mindtrack_scheduler.tasks"],
        # A thread for each task: what takes long, as to remove a year of recordings, holds up no rescue.
        # One process is plenty for statements, and it has no model whose limits need a child to kill.
        worker_pool="threads",
        worker_concurrency=TASKS,
        task_default_queue=MAINTENANCE_QUEUE,
        beat_schedule={
            # An unread message is worthless once the next one is due.
            task: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
            for task, seconds in every.items()
        },
        beat_schedule_filename=str(settings.beat_file),
        beat_max_loop_interval=min(5.0, *every.values()),
    )
    return app


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def have_it_stop(**_: Any) -> None:  # noqa: ANN401 - Celery's signal signature
    stop()


@signals.setup_logging.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def set_up_logging(**_: Any) -> None:  # noqa: ANN401 - Celery's signal signature
    configure_logging(LogSettings(), service=SERVICE)
