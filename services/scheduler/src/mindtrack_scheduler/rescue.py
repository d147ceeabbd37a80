"""Repairs what got stuck: work whose worker fell silent, and messages that brought no claim."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine

from mindtrack_scheduler.metrics import RESCUED_JOBS
from mindtrack_shared.db import jobs, tables, webhooks
from mindtrack_shared.db.models import WebhookDelivery
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import UNTRACED, JobTraces
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.settings import JobSettings

#: Silent jobs of each priority that are rung again at a time.
RINGS_PER_RESCUE = 200


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many jobs each repair touched."""

    requeued: int
    failed: int
    rung_again: int


def rescue(engine: Engine, wakeups: Wakeups, settings: JobSettings, traces: JobTraces = UNTRACED) -> Rescued:
    """Look once for stuck jobs and move them on. Several at a time do no harm."""
    with engine.begin() as connection:
        failed = connection.execute(jobs.fail_exhausted()).all()
        if failed:
            _tell(connection, [job_id for job_id, _ in failed])
        requeued = connection.scalars(jobs.requeue_lapsed()).all()
        rung_again = [
            job_id
            for priority in Priority
            for job_id in connection.scalars(
                jobs.ring_again(priority, after=settings.ring_again_after, limit=RINGS_PER_RESCUE)
            )
        ]
    for job_id, seconds in failed:
        traces.job(job_id, seconds=seconds, status=JobStatus.FAILED, code=FailureCode.WORKER_LOST)
    for job_id in requeued:
        traces.step(job_id, "rescue", since=time.perf_counter())
    for job_id, _ in failed:
        if not wakeups.job_finished(job_id):
            break  # Redis is away; whoever waits will look
    rescued = Rescued(requeued=len(requeued), failed=len(failed), rung_again=len(rung_again))
    if any(asdict(rescued).values()):
        get_logger().warning(events.JOBS_RESCUED, **asdict(rescued))
        for outcome, count in asdict(rescued).items():
            RESCUED_JOBS.labels(outcome).inc(count)
    return rescued


def _tell(connection: Connection, job_ids: list[UUID]) -> None:
    """Queue webhooks about the ends of jobs, where the database has them already."""
    if not connection.scalar(tables.exists(WebhookDelivery)):
        return
    if connection.scalars(webhooks.tell_ends(job_ids)).all():
        connection.execute(webhooks.announce())
