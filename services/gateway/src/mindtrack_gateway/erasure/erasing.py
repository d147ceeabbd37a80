"""Erases all that there is about a person, in steps that are each a transaction.

A step that fails leaves what the steps before it did, and the row that says that an erasure is under way:
whoever asks again goes on with it. Several who ask at once share one erasure.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.jobs.deletion import announce, delete_jobs
from mindtrack_gateway.seals import Seals
from mindtrack_shared.db import deletion, erasures, grants, standings, uploads, users
from mindtrack_shared.db.models import Erasure
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import StorageUnavailableError

#: Recordings in one transaction.
BATCH = 100
RECORDINGS = "recordings"
KEYS = "keys"


class _Step(NamedTuple):
    #: Once there is nothing left.
    finished: Erasure | None = None
    #: Whose jobs are gone, and which objects nobody needs to wait for.
    job_ids: tuple[UUID, ...] = ()
    object_keys: tuple[str, ...] = ()


async def erase(parts: Parts, user_id: UUID) -> Erasure:
    """Erase all that there is about a person; return the receipt. Nothing left: the former one."""
    async with parts.sessions.begin() as session:
        await session.execute(erasures.begin(user_id))
        # Before anything else: clinicians read nothing of what is being erased.
        await session.execute(grants.withdraw_all(user_id))
        await session.execute(grants.revoke_all(user_id))
    while True:
        async with parts.sessions.begin() as session:
            step = await _step(session, parts.seals, user_id)
        for job_id in step.job_ids:
            await announce(parts, job_id)
        with suppress(StorageUnavailableError):  # maintenance does it, too
            for key in step.object_keys:
                await parts.store.delete(key)
        if step.finished is not None:
            # After a restore to a moment before, this is what tells whom to erase again.
            get_logger().info(events.PERSON_ERASED, user_id=str(user_id), receipt_id=str(step.finished.id))
            return step.finished


async def _step(session: AsyncSession, seals: Seals, user_id: UUID) -> _Step:
    row = (await session.scalars(erasures.under_way(user_id))).one_or_none()
    if row is None:  # somebody else has finished it
        return _Step((await session.scalars(erasures.finished(user_id))).one())
    found = (await session.execute(deletion.to_delete(user_id, limit=BATCH))).all()
    if found:
        return await _delete(session, row, found)
    return await _finish(session, seals, row)


async def _delete(session: AsyncSession, row: Erasure, found: Sequence[Row[UUID, UUID, str, date]]) -> _Step:
    await delete_jobs(session, row.user_id, found)
    row.removed = {**row.removed, RECORDINGS: row.removed.get(RECORDINGS, 0) + len(found)}
    return _Step(job_ids=tuple(job_id for job_id, *_ in found))


async def _finish(session: AsyncSession, seals: Seals, row: Erasure) -> _Step:
    """Remove what is not a recording, while nobody can add anything."""
    user_id = row.user_id
    await session.execute(standings.hold(user_id))
    await session.execute(users.shut(user_id))
    # Somebody who records all the time would never be done with otherwise. Not waited for is who settles a
    # job: they wait for us.
    late = (await session.execute(deletion.to_delete(user_id, limit=BATCH, wait=False))).all()
    step = await _delete(session, row, late) if late else _Step()
    if await session.scalar(deletion.are_left(user_id)):
        return step
    keys = tuple((await session.scalars(uploads.keys(user_id))).all())
    await session.execute(erasures.bury_uploads(user_id))
    removed = {RECORDINGS: row.removed.get(RECORDINGS, 0)}
    for name, statement in erasures.removal(user_id):
        deleted = (await session.execute(statement)).all()
        if name is not None:
            removed[name] = len(deleted)
    # Last, as what could still be read cannot be from here on, whether this is committed or not.
    removed[KEYS] = await seals.destroy_key(session, user_id)
    moment = await session.scalar(users.note_erased(user_id))
    former = (await session.scalars(erasures.finished(user_id))).one_or_none()
    if former is not None and not any(removed.values()):
        await session.delete(row)
        return step._replace(finished=former)
    row.removed = removed
    row.finished_at = moment
    return step._replace(finished=row, object_keys=keys)
