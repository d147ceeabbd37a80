"""The periodic tasks of the maintenance queue."""

from __future__ import annotations

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


@shared_task(name=RESCUE_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def rescue_stuck_jobs() -> None:
    parts = maintenance.parts()
    rescue(parts.engine, parts.wakeups, parts.job_settings, parts.traces)


@shared_task(name=BURY_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def bury_deleted_recordings() -> None:
    parts = maintenance.parts()
    finish_erasures(parts.engine, parts.wakeups, maintenance.keys())
    bury(parts.engine, maintenance.store())


@shared_task(name=FORGET_KEYS_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def forget_expired_keys() -> None:
    forget_keys(maintenance.parts().engine)


@shared_task(name=MEND_DAYS_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def mend_days() -> None:
    mend(maintenance.parts().engine)


@shared_task(name=EVALUATE_STANDINGS_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def evaluate_standings() -> None:
    evaluate(maintenance.parts().engine)


@shared_task(name=SWEEP_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def sweep_expired_uploads() -> None:
    sweep(maintenance.parts().engine, maintenance.store())


@shared_task(name=SEAL_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def seal_access_events() -> None:
    if keys := maintenance.audit_keys():
        seal(maintenance.parts().engine, keys)


@shared_task(name=ANCHOR_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def anchor_audit_chain() -> None:
    if maintenance.audit_keys():
        anchor(maintenance.parts().engine, maintenance.anchors())


@shared_task(name=RETAIN_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def remove_what_was_kept_for_long_enough() -> None:
    parts = maintenance.parts()
    listed = policies(RetentionSettings(), parts.engine, maintenance.store(), maintenance.audit_keys())
    for _ in retain(listed):
        pass
