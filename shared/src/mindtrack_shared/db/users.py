"""Statements on users."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningUpdate

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import User
from mindtrack_shared.ids import new_id


def by_subject(subject: str) -> Select[UUID]:
    return select(User.id).where(User.subject == subject)


def lock(user_id: UUID) -> Select[UUID]:
    """Let one thing of a person's that has to be counted or replaced happen at a time."""
    return select(User.id).where(User.id == user_id).with_for_update(key_share=True)


def hold(user_id: UUID) -> Select[UUID]:
    """Keep a person from being erased until the transaction ends; whoever erases them is waited for."""
    return select(User.id).where(User.id == user_id).with_for_update(read=True, key_share=True)


def erased_within(user_id: UUID, elapsed: timedelta) -> Select[bool | None]:
    """Whether a person was erased in a time that ends now; and `hold` them."""
    erased = select(User.erased_at > after(-elapsed)).where(User.id == user_id)
    return erased.with_for_update(read=True, key_share=True, of=User)


def shut(user_id: UUID) -> Select[UUID]:
    """Let nobody add anything of a person's until the transaction ends; who is at it is waited for."""
    return select(User.id).where(User.id == user_id).with_for_update()


def note_erased(user_id: UUID) -> ReturningUpdate[datetime | None]:
    """Note that a person was erased, and return the moment."""
    return update(User).where(User.id == user_id).values(erased_at=now()).returning(User.erased_at)


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
