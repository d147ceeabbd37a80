"""The Celery tasks. They carry an id and call one verb; the logic lives next door."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from mindtrack_inference import worker
from mindtrack_shared.queue.names import DRAIN_TASK


@shared_task(name=DRAIN_TASK)  # type: ignore[untyped-decorator]  # Celery ships no types
def drain(job_id: str) -> None:
    """Answer a ring. Delivered twice, it finds nothing left to claim."""
    worker.runner().drain(UUID(job_id))
