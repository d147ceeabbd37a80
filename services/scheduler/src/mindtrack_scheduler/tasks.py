"""The periodic tasks of the maintenance queue."""

from __future__ import annotations

from celery import shared_task

from mindtrack_scheduler import maintenance
from mindtrack_scheduler.rescue import rescue
from mindtrack_scheduler.sweep import sweep
from mindtrack_shared.queue.names import RESCUE_TASK, SWEEP_TASK


@shared_task(name=RESCUE_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def rescue_stuck_jobs() -> None:
    parts = maintenance.parts()
    rescue(parts.engine, parts.wakeups, parts.job_settings, parts.traces)


@shared_task(name=SWEEP_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def sweep_expired_uploads() -> None:
    sweep(maintenance.parts().engine, maintenance.store())
