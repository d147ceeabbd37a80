"""What it means to delete a recording: the one place, for whoever deletes one job or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.dependencies import Parts
from mindtrack_shared.db import alerts, day_values, deletion
from mindtrack_shared.db.models import Tombstone


async def delete_jobs(
    session: AsyncSession, user_id: UUID, found: Sequence[Row[UUID, UUID, str, date]]
) -> list[Tombstone]:
    """Delete jobs that `to_delete` locked; leave tombstones that remember the objects.

    A worker that has one of them finds nothing to settle. Jobs are locked before days, and these before the
    person: as whoever settles a job does.
    """
    job_ids = [job_id for job_id, *_ in found]
    days = {job_id: day for job_id, _, _, day in found}
    gone = (await session.execute(deletion.delete_analyses(job_ids))).all()
    if counted := sorted({days[job_id] for job_id, counts in gone if counts}):
        await _sum_up(session, user_id, counted)
    await session.execute(deletion.delete_jobs(job_ids))
    await session.execute(deletion.delete_recordings([recording_id for _, recording_id, *_ in found]))
    rows = [Tombstone(job_id=job_id, user_id=user_id, object_key=key) for job_id, _, key, _ in found]
    session.add_all(rows)
    await session.flush()
    return rows


async def announce(parts: Parts, job_id: UUID) -> None:
    """Have all processes look again; those that miss it do so within seconds."""
    parts.snapshots.forget(job_id)
    await parts.watch.announce(job_id)


async def _sum_up(session: AsyncSession, user_id: UUID, days: Sequence[date]) -> None:
    await session.execute(deletion.lock_days(user_id, days))
    left = set((await session.scalars(deletion.sum_up_days(user_id, days))).all())
    if empty := [day for day in days if day not in left]:
        await session.execute(deletion.drop_days(user_id, empty))
    for statement in day_values.renewal(user_id, days):
        await session.execute(statement)
    await session.execute(alerts.forget_reasons(user_id, days))
