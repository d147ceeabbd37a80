"""Statements that erase what there is about a person. Each builds a query; whoever calls it runs it.

Recordings go first, in batches, as any that is deleted (`db.deletion`). What is left is little, and goes in
one transaction that locks the standing, then shuts the person: nobody adds anything that would outlast it.
`removal` is the list of what there is; a test holds it to the database's tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Integer, Select, delete, func, insert, literal_column, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.sql.dml import Insert, ReturningDelete
from sqlalchemy.sql.expression import cast

from mindtrack_shared.db.clock import after
from mindtrack_shared.db.models import (
    Alert,
    DayRollupRecord,
    DayValueRecord,
    Erasure,
    Grant,
    IdempotencyKey,
    Invitation,
    Note,
    NotificationAddress,
    NotificationPreferences,
    PatientLabel,
    Standing,
    Tombstone,
    Upload,
    WebhookEndpoint,
)
from mindtrack_shared.db.uploads import GRACE
from mindtrack_shared.ids import new_id


def begin(user_id: UUID) -> Insert:
    """Begin to erase a person, unless that is under way."""
    return (
        postgresql.insert(Erasure)
        .values(id=new_id(), user_id=user_id)
        .on_conflict_do_nothing(index_elements=["user_id"], index_where=text("finished_at is null"))
    )


def under_way(user_id: UUID) -> Select[Erasure]:
    """Lock the erasure that is under way: one request at a time goes on with it."""
    return select(Erasure).where(Erasure.user_id == user_id, Erasure.finished_at.is_(None)).with_for_update()


def half_done(age: timedelta) -> Select[UUID]:
    """Persons whose erasure was begun that long ago, and is not finished."""
    return (
        select(Erasure.user_id)
        .where(Erasure.finished_at.is_(None), Erasure.begun_at < after(-age))
        .order_by(Erasure.begun_at)
    )


def finished(user_id: UUID) -> Select[Erasure]:
    """The last erasure that was finished."""
    return (
        select(Erasure)
        .where(Erasure.user_id == user_id, Erasure.finished_at.is_not(None))
        .order_by(Erasure.id.desc())
        .limit(1)
    )


def bury_uploads(user_id: UUID) -> Insert:
    """Have maintenance remove what lies, or may yet come, where a person was to put recordings."""
    until = Upload.expires_at + cast(GRACE, INTERVAL)
    found = select(Upload.id, Upload.user_id, func.gen_random_uuid(), Upload.object_key, until)
    columns = ["job_id", "user_id", "receipt_id", "object_key", "bury_after"]
    return insert(Tombstone).from_select(
        columns, found.where(Upload.user_id == user_id), include_defaults=False
    )


def removal(user_id: UUID) -> Iterator[tuple[str | None, ReturningDelete[int]]]:
    """Delete all else, in this order, each with the name under which a receipt tells the number of rows.

    What hangs on a row goes with it: windows, deliveries and their attempts, events, notifications, former
    words of notes. What has no name follows from recordings.
    """
    for name, table in _ALL_ELSE:
        yield name, delete(table).where(table.user_id == user_id).returning(literal_column("1", Integer))
    # What a clinician called others was sealed with the clinician's key, and goes with it.
    own = delete(PatientLabel).where(PatientLabel.clinician_id == user_id)
    yield None, own.returning(literal_column("1", Integer))


_ALL_ELSE = (
    ("uploads", Upload),
    ("webhooks", WebhookEndpoint),
    ("addresses", NotificationAddress),
    (None, NotificationPreferences),
    ("alerts", Alert),
    ("notes", Note),
    ("labels", PatientLabel),
    ("grants", Grant),
    ("invitations", Invitation),
    (None, IdempotencyKey),
    (None, DayValueRecord),
    (None, DayRollupRecord),
    (None, Standing),
)
