"""Have everybody who waits for a job look again."""

from __future__ import annotations

from uuid import UUID

from mindtrack_gateway.dependencies import Parts


async def announce(parts: Parts, *job_ids: UUID) -> None:
    """Have all processes look again; those that miss it do so within seconds."""
    for job_id in job_ids:
        parts.snapshots.forget(job_id)
    await parts.watch.announce(*job_ids)
