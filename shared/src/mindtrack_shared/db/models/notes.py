"""What clinicians write down."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import Base, is_short_text, is_text
from mindtrack_shared.domain.notes import LONGEST_LABEL, LONGEST_NOTE
from mindtrack_shared.ids import new_id


class Note(Base):
    """What a clinician wrote down about a person. Former words are in `note_revisions`.

    One that was deleted stays, marked: it goes with the person.
    """

    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    #: Whom it is about.
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    #: Null once there is no such clinician any more.
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    #: The author's name for the request that made it (`Idempotency-Key`).
    key: Mapped[str | None]
    text: Mapped[str]
    #: Rises with every change.
    revision: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    #: When the text became what it is.
    updated_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("author_id <> user_id", name="by_another"),
        CheckConstraint("key ~ '^[!-~]{1,255}$'", name="key_visible_ascii"),
        is_text("text", LONGEST_NOTE),
        CheckConstraint("revision > 0", name="revision_positive"),
        CheckConstraint("updated_at >= created_at", name="updated_after"),
        CheckConstraint("deleted_at >= created_at", name="deleted_after"),
        Index("ix_notes_user_id_id", "user_id", "id"),
        # A null differs from every other.
        Index("uq_notes_author_id_key", "author_id", "key", unique=True),
    )


class NoteRevision(Base):
    """What a note said before it was changed."""

    __tablename__ = "note_revisions"

    note_id: Mapped[UUID] = mapped_column(ForeignKey("notes.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    written_at: Mapped[datetime]

    __table_args__ = (
        is_text("text", LONGEST_NOTE),
        CheckConstraint("revision > 0", name="revision_positive"),
    )


class PatientLabel(Base):
    """A clinician's own word for a person, to tell them from others. Nobody else is shown it."""

    __tablename__ = "patient_labels"

    clinician_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    #: The person.
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    __table_args__ = (
        is_short_text("label", LONGEST_LABEL, or_sealed=True),
        CheckConstraint("clinician_id <> user_id", name="of_another"),
        Index("ix_patient_labels_user_id", "user_id"),
    )
