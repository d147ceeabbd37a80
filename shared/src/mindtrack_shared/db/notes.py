"""Statements on clinicians' notes: a note holds what it says now, `note_revisions` what it said before.

An author sees their own; the person, asked for without an author, all of them.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, Select, Update, func, insert, select, true, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import Insert, ReturningInsert, ReturningUpdate

from mindtrack_shared.db.clock import now
from mindtrack_shared.db.models import Note, NoteRevision


def write(
    note_id: UUID, person_id: UUID, author_id: UUID, text: str, *, key: str | None
) -> ReturningInsert[Note]:
    """Keep a note. No row back: the author has used the key."""
    return (
        postgresql.insert(Note)
        .values(id=note_id, user_id=person_id, author_id=author_id, text=text, key=key)
        .on_conflict_do_nothing(index_elements=["author_id", "key"])
        .returning(Note)
    )


def first_words(author_id: UUID, key: str) -> Select[Note, str]:
    """The note that an author's key stands for, and what it said when it was made."""
    former = (
        select(NoteRevision.text)
        .where(NoteRevision.note_id == Note.id, NoteRevision.revision == 1)
        .scalar_subquery()
    )
    return select(Note, func.coalesce(former, Note.text)).where(Note.author_id == author_id, Note.key == key)


def page(
    person_id: UUID,
    *,
    author_id: UUID | None,
    limit: int,
    before: UUID | None = None,
    deleted: bool = False,
) -> Select[Note]:
    """Notes about a person, newest first, older than the one `before`; also `deleted` ones, if wanted."""
    query = (
        select(Note).where(Note.user_id == person_id, _by(author_id)).order_by(Note.id.desc()).limit(limit)
    )
    if before is not None:
        query = query.where(Note.id < before)
    return query if deleted else query.where(Note.deleted_at.is_(None))


def one(note_id: UUID, person_id: UUID, *, author_id: UUID | None) -> Select[Note]:
    """One note, also a deleted one. A foreign one looks like an unknown one."""
    return select(Note).where(Note.id == note_id, Note.user_id == person_id, _by(author_id))


def held(note_id: UUID, person_id: UUID, author_id: UUID) -> Select[Note]:
    """An author's note, to be changed: whoever else changes it waits."""
    return one(note_id, person_id, author_id=author_id).where(Note.deleted_at.is_(None)).with_for_update()


def revisions(note_id: UUID) -> Select[NoteRevision]:
    """What a note said before, latest first."""
    return select(NoteRevision).where(NoteRevision.note_id == note_id).order_by(NoteRevision.revision.desc())


def keep_words(note_id: UUID) -> Insert:
    """Put what a held note says with its former words."""
    said = select(Note.id, Note.revision, Note.text, Note.updated_at).where(Note.id == note_id)
    return insert(NoteRevision).from_select(["note_id", "revision", "text", "written_at"], said)


def change(note_id: UUID, text: str) -> ReturningUpdate[Note]:
    """Say something else, once the former words are kept."""
    return (
        update(Note)
        .where(Note.id == note_id)
        .values(text=text, revision=Note.revision + 1, updated_at=func.greatest(Note.updated_at, now()))
        .returning(Note)
        .execution_options(populate_existing=True)  # the one that was held is in the session
    )


def delete(note_id: UUID) -> Update:
    """Mark a note as deleted, once."""
    listed = update(Note).where(Note.id == note_id, Note.deleted_at.is_(None))
    return listed.values(deleted_at=func.greatest(Note.created_at, now()))


def _by(author_id: UUID | None) -> ColumnElement[bool]:
    return true() if author_id is None else Note.author_id == author_id
