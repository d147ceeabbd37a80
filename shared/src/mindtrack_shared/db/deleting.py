"""What it means to delete a recording: the one place, for whoever deletes one job or all of them.

Unlike its neighbours, this runs statements, as their order matters. The gateway calls it by `run_sync`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from mindtrack_shared.db import alerts, day_values, deletion
from mindtrack_shared.db.models import Tombstone


def delete_jobs(
    session: Session, user_id: UUID, found: Sequence[Row[UUID, UUID, str, date]]
) -> list[Tombstone]:
    """Delete jobs that `to_delete` locked; leave tombstones that remember the objects.

    A worker that has one of them finds nothing to settle. Jobs are locked before days, and these before the
    person: as whoever settles a job does.
    """
    job_ids = [job_id for job_id, *_ in found]
    days = {job_id: day for job_id, _, _, day in found}
    gone = session.execute(deletion.delete_analyses(job_ids)).all()
    if counted := sorted({days[job_id] for job_id, counts in gone if counts}):
        _sum_up(session, user_id, counted)
    session.execute(deletion.delete_jobs(job_ids))
    session.execute(deletion.delete_recordings([recording_id for _, recording_id, *_ in found]))
    rows = [Tombstone(job_id=job_id, user_id=user_id, object_key=key) for job_id, _, key, _ in found]
    session.add_all(rows)
    session.flush()
    return rows


def _sum_up(session: Session, user_id: UUID, days: Sequence[date]) -> None:
    session.execute(deletion.lock_days(user_id, days))
    left = set(session.scalars(deletion.sum_up_days(user_id, days)).all())
    if empty := [day for day in days if day not in left]:
        session.execute(deletion.drop_days(user_id, empty))
    for statement in day_values.renewal(user_id, days):
        session.execute(statement)
    session.execute(alerts.lose_evidence(user_id, days))
