"""Notes as clinicians write them, and as they and the person read them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mindtrack_gateway.words import storable
from mindtrack_shared.db.models import Note, NoteRevision
from mindtrack_shared.domain.notes import LONGEST_NOTE


def _says_something(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("note", "must say something")
    return text


class NoteText(BaseModel):
    """What a note says, from now on."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST_NOTE,
            description="Plain text, kept as it comes. The person may read it.",
            examples=["Sleeps better since the exams. Agreed: a log each evening."],
        ),
        AfterValidator(storable),
        AfterValidator(_says_something),
    ]


class NoteView(BaseModel):
    id: UUID
    #: Whom it is about.
    user_id: UUID
    author_id: Annotated[UUID | None, Field(description="Null once its clinician is no more.")]
    text: str
    revision: Annotated[int, Field(ge=1, description="1 as it was written first, and 1 more by each change.")]
    created_at: datetime
    updated_at: Annotated[datetime, Field(description="When the text became what it is.")]
    deleted_at: Annotated[datetime | None, Field(description="Only shown where deleted ones were asked for.")]

    @classmethod
    def of(cls, row: Note, text: str) -> Self:
        """Show a note with what it says once it is opened."""
        return cls(
            id=row.id,
            user_id=row.user_id,
            author_id=row.author_id,
            text=text,
            revision=row.revision,
            created_at=row.created_at,
            updated_at=row.updated_at,
            deleted_at=row.deleted_at,
        )


class RevisionView(BaseModel):
    revision: int
    text: str
    written_at: datetime

    @classmethod
    def of(cls, row: NoteRevision, text: str) -> Self:
        return cls(revision=row.revision, text=text, written_at=row.written_at)


class NoteWithRevisions(NoteView):
    former: Annotated[list[RevisionView], Field(description="What it said before, latest first.")]


class NotePage(BaseModel):
    items: list[NoteView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None
