"""Statements on which data key a person has. Each builds a query; whoever calls it runs it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Delete, Select, delete, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from mindtrack_shared.db.models import DataKeyRecord


def current(user_id: UUID) -> Select[UUID]:
    """The key to seal with. Nobody destroys it before this transaction has ended."""
    return (
        select(DataKeyRecord.key_id)
        .where(DataKeyRecord.user_id == user_id)
        .with_for_update(read=True, key_share=True)
    )


def give(user_id: UUID, key_id: UUID) -> ReturningInsert[UUID]:
    """Give a person a key. No row back: somebody else just gave them one."""
    return (
        postgresql.insert(DataKeyRecord)
        .values(user_id=user_id, key_id=key_id)
        .on_conflict_do_nothing(index_elements=["user_id"])
        .returning(DataKeyRecord.key_id)
    )


def replace(user_id: UUID, key_id: UUID, *, lost: UUID) -> ReturningUpdate[UUID]:
    """Give a person another key for one that is gone. No row back: somebody else just did."""
    return (
        update(DataKeyRecord)
        .where(DataKeyRecord.user_id == user_id, DataKeyRecord.key_id == lost)
        .values(key_id=key_id)
        .returning(DataKeyRecord.key_id)
    )


def held(user_id: UUID) -> Select[UUID]:
    """A person's key, to be destroyed or wrapped again: whoever else would waits."""
    return select(DataKeyRecord.key_id).where(DataKeyRecord.user_id == user_id).with_for_update()


def forget(user_id: UUID) -> Delete:
    return delete(DataKeyRecord).where(DataKeyRecord.user_id == user_id)


def page(*, limit: int, after: UUID | None = None) -> Select[UUID, UUID]:
    """Persons who have a key, with its id, in order."""
    found = select(DataKeyRecord.user_id, DataKeyRecord.key_id).order_by(DataKeyRecord.user_id).limit(limit)
    return found if after is None else found.where(DataKeyRecord.user_id > after)
