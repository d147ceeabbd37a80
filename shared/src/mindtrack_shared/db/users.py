"""Statements on users."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from mindtrack_shared.db.models import User
from mindtrack_shared.ids import new_id


def by_subject(subject: str) -> Select[UUID]:
    return select(User.id).where(User.subject == subject)


def lock(user_id: UUID) -> Select[UUID]:
    """Let one thing of a person's that has to be counted or replaced happen at a time."""
    return select(User.id).where(User.id == user_id).with_for_update(key_share=True)


def count() -> Select[int]:
    return select(func.count()).select_from(User)


def page(*, after: UUID | None, limit: int) -> Select[UUID]:
    """Everybody, in the order of their ids."""
    found = select(User.id).order_by(User.id).limit(limit)
    return found if after is None else found.where(User.id > after)


def ensure(subject: str) -> Insert:
    """Make the row of a person seen for the first time; harmless when it exists."""
    return (
        insert(User).values(id=new_id(), subject=subject).on_conflict_do_nothing(index_elements=["subject"])
    )
