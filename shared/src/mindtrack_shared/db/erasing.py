"""Erases all that there is about a person, in steps that are each a transaction of whoever calls.

A step that fails leaves what the steps before it did, and the row that says that an erasure is under way: the
person who asks again goes on with it, and so does maintenance. Several at once share one erasure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from mindtrack_shared.db import data_keys, deletion, erasures, grants, standings, uploads, users
from mindtrack_shared.db.deleting import delete_jobs
from mindtrack_shared.db.models import Erasure

#: Recordings in one transaction.
BATCH = 100
RECORDINGS = "recordings"
KEYS = "keys"

#: Destroys the data key of an id, if it is there. Whatever it raises, the step can be taken again.
Destroy = Callable[[UUID], None]


class Step(NamedTuple):
    #: Once there is nothing left.
    finished: Erasure | None = None
    #: Whose jobs are gone, and which objects nobody needs to wait for.
    job_ids: tuple[UUID, ...] = ()
    object_keys: tuple[str, ...] = ()


def begin(session: Session, user_id: UUID) -> None:
    """Begin to erase a person, unless that is under way."""
    session.execute(erasures.begin(user_id))
    # Before anything else: clinicians read nothing of what is being erased.
    session.execute(grants.withdraw_all(user_id))
    session.execute(grants.revoke_all(user_id))


def go_on(session: Session, user_id: UUID, destroy: Destroy) -> Step:
    """Take the next step of an erasure that was begun."""
    row = session.scalars(erasures.under_way(user_id)).one_or_none()
    if row is None:  # somebody else has finished it
        return Step(session.scalars(erasures.finished(user_id)).one())
    found = session.execute(deletion.to_delete(user_id, limit=BATCH)).all()
    if found:
        return _delete(session, row, found)
    return _finish(session, row, destroy)


def _delete(session: Session, row: Erasure, found: Sequence[Row[UUID, UUID, str, date]]) -> Step:
    delete_jobs(session, row.user_id, found)
    row.removed = {**row.removed, RECORDINGS: row.removed.get(RECORDINGS, 0) + len(found)}
    return Step(job_ids=tuple(job_id for job_id, *_ in found))


def _finish(session: Session, row: Erasure, destroy: Destroy) -> Step:
    """Remove what is not a recording, while nobody can add anything."""
    user_id = row.user_id
    session.execute(standings.hold(user_id))
    session.execute(users.shut(user_id))
    # Somebody who records all the time would never be done with otherwise. Not waited for is who settles a
    # job: they wait for us.
    late = session.execute(deletion.to_delete(user_id, limit=BATCH, wait=False)).all()
    step = _delete(session, row, late) if late else Step()
    if session.scalar(deletion.are_left(user_id)):
        return step
    keys = tuple(session.scalars(uploads.keys(user_id)).all())
    session.execute(erasures.bury_uploads(user_id))
    removed = {RECORDINGS: row.removed.get(RECORDINGS, 0)}
    for name, statement in erasures.removal(user_id):
        deleted = session.execute(statement).all()
        if name is not None:
            removed[name] = len(deleted)
    # Last, as what could still be read cannot be from here on, whether this is committed or not.
    removed[KEYS] = _destroy_key(session, user_id, destroy)
    moment = session.scalar(users.note_erased(user_id))
    former = session.scalars(erasures.finished(user_id)).one_or_none()
    if former is not None and not any(removed.values()):
        session.delete(row)
        return step._replace(finished=former)
    row.removed = removed
    row.finished_at = moment
    return step._replace(finished=row, object_keys=keys)


def _destroy_key(session: Session, user_id: UUID, destroy: Destroy) -> int:
    key_id = session.scalar(data_keys.held(user_id))
    if key_id is None:
        return 0
    destroy(key_id)
    session.execute(data_keys.forget(user_id))
    return 1
