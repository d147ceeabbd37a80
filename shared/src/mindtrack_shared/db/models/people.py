"""People, the keys of what is sealed for them, and what remains of those who had everything deleted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import Base, Measurements, is_object, measurements
from mindtrack_shared.ids import new_id


class User(Base):
    """A person who records. Known to us by the token's subject and nothing else."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subject: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: When all that there was about them was erased last. The row itself stays: services remember its id.
    erased_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("length(subject) between 1 and 255", name="subject_bounded"),)


class DataKeyRecord(Base):
    """Which key a person's recordings and words are sealed with now. The key itself, wrapped, lies elsewhere.

    What is sealed names its key, so nothing is looked up here to read.
    """

    __tablename__ = "data_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[UUID] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())


class Erasure(Base):
    """That a person had everything about them erased, and how much there was. Its id is the receipt."""

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    begun_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    #: Null while something may be left.
    finished_at: Mapped[datetime | None]
    #: Numbers by name.
    removed: Mapped[Measurements] = mapped_column(measurements, server_default=text("'{}'"))

    __table_args__ = (
        CheckConstraint("finished_at >= begun_at", name="finished_after"),
        is_object("removed"),
        Index("ix_erasures_user_id_id", "user_id", "id"),
        # Whoever asks again goes on with it.
        Index("uq_erasures_under_way", "user_id", unique=True, postgresql_where=text("finished_at is null")),
    )
