"""The periodic tasks of the maintenance queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps

from celery import shared_task

from mindtrack_scheduler import maintenance
from mindtrack_scheduler.audit.anchoring import anchor
from mindtrack_scheduler.audit.sealing import seal
from mindtrack_scheduler.burials import bury
from mindtrack_scheduler.days import mend
from mindtrack_scheduler.erasures import finish_erasures
from mindtrack_scheduler.forget_keys import forget_keys
from mindtrack_scheduler.rescue import rescue
from mindtrack_scheduler.retention import policies, retain
from mindtrack_scheduler.settings import RetentionSettings
from mindtrack_scheduler.standings import evaluate
from mindtrack_scheduler.sweep import sweep
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.queue.names import (
    ANCHOR_TASK,
    BURY_TASK,
    EVALUATE_STANDINGS_TASK,
    FORGET_KEYS_TASK,
    MEND_DAYS_TASK,
    RESCUE_TASK,
    RETAIN_TASK,
    SEAL_TASK,
    SWEEP_TASK,
)


def _periodic(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Make a function a task that is passed over while it is at work still: beat will ask again.

    What it raises is told here. Celery would keep a copy of every frame's code with it, a megabyte and more,
    until the garbage is collected: a database that is away would cost maintenance its memory.
    """
    at_work = threading.Lock()

    def register(work: Callable[[], None]) -> Callable[[], None]:
        @wraps(work)
        def begin() -> None:
            if at_work.acquire(blocking=False):
                try:
                    work()
                except Exception as error:  # noqa: BLE001 - beat will ask again
                    get_logger().error(events.TASK_FAILED, task=name, exc_info=error)
                finally:
                    at_work.release()

        task: Callable[[], None] = shared_task(name=name)(begin)
        return task

    return register


@_periodic(RESCUE_TASK)
def rescue_stuck_jobs() -> None:
    parts = maintenance.parts()
    rescue(parts.engine, parts.wakeups, parts.job_settings, parts.traces)


@_periodic(BURY_TASK)
def bury_deleted_recordings() -> None:
    parts = maintenance.parts()
    finish_erasures(parts.engine, parts.wakeups, maintenance.keys())
    bury(parts.engine, maintenance.store())


@_periodic(FORGET_KEYS_TASK)
def forget_expired_keys() -> None:
    forget_keys(maintenance.parts().engine)


@_periodic(MEND_DAYS_TASK)
def mend_days() -> None:
    mend(maintenance.parts().engine)


@_periodic(EVALUATE_STANDINGS_TASK)
def evaluate_standings() -> None:
    evaluate(maintenance.parts().engine)


@_periodic(SWEEP_TASK)
def sweep_expired_uploads() -> None:
    sweep(maintenance.parts().engine, maintenance.store())


@_periodic(SEAL_TASK)
def seal_access_events() -> None:
    if keys := maintenance.audit_keys():
        seal(maintenance.parts().engine, keys)


@_periodic(ANCHOR_TASK)
def anchor_audit_chain() -> None:
    if maintenance.audit_keys():
        anchor(maintenance.parts().engine, maintenance.anchors())


@_periodic(RETAIN_TASK)
def remove_what_was_kept_for_long_enough() -> None:
    parts = maintenance.parts()
    listed = policies(RetentionSettings(), parts.engine, maintenance.store(), maintenance.audit_keys())
    for _ in retain(listed):
        pass
