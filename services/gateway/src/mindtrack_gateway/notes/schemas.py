"""Notes as clinicians write them, and as they and the person read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mindtrack_shared.db.models import Note, NoteRevision
from mindtrack_shared.domain.notes import LONGEST_NOTE


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("note", "must not hold the character NUL")
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
        AfterValidator(_storable),
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
    def of(cls, row: Note) -> Self:
        return cls.model_validate(row, from_attributes=True)


class RevisionView(BaseModel):
    revision: int
    text: str
    written_at: datetime


class NoteWithRevisions(NoteView):
    former: Annotated[list[RevisionView], Field(description="What it said before, latest first.")]

    @classmethod
    def with_former(cls, row: Note, former: Sequence[NoteRevision]) -> Self:
        words = [RevisionView.model_validate(each, from_attributes=True) for each in former]
        return cls(**NoteView.of(row).model_dump(), former=words)


class NotePage(BaseModel):
    items: list[NoteView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None
