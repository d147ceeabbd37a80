"""Notes about a person: a clinician writes them, and who they are about may read all of them.

Decision 28 says why. None of it is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import access, seals
from mindtrack_gateway.access import Caller
from mindtrack_gateway.dependencies import CurrentClinician, CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.notes.schemas import NotePage, NoteText, NoteView, NoteWithRevisions, RevisionView
from mindtrack_gateway.pages import LINK, PageQuery, lead_on
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    documented,
)
from mindtrack_gateway.recordings.idempotency import (
    HEADER,
    REPLAYED_HEADER,
    requested_key,
)
from mindtrack_gateway.seals import Seals
from mindtrack_shared.db import notes
from mindtrack_shared.db.models import Note, NoteRevision
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.ids import new_id

router = APIRouter(prefix="/v1/users", tags=["notes"], dependencies=[documented_bearer])

NO_SUCH_NOTE = "No such note."
KEY_PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Your name for this request: 1 to 255 visible ASCII characters, best a new UUID for each "
    "note. The same text about the same person under the same key is one note, whenever it is sent; the "
    f"answer then says `{REPLAYED_HEADER}: true`.",
    "schema": {"type": "string", "minLength": 1},
}

OF_ONE = documented(NotFoundError, InvalidRequestError, DependencyUnavailableError)
CHANGING = {**OF_ONE, **documented(MalformedRequestError)}


class NoteQuery(PageQuery):
    deleted: Annotated[bool, Field(description="Also those that were deleted.")] = False


@router.post(
    "/{user_id}/notes",
    operation_id="createNote",
    summary="Write a note about a person",
    status_code=HTTPStatus.CREATED,
    responses={
        **documented(
            MalformedRequestError,
            NotFoundError,
            IdempotencyKeyReusedError,
            InvalidRequestError,
            DependencyUnavailableError,
        ),
        200: {"model": NoteView, "description": "You wrote it before, under the same key."},
    },
    openapi_extra={"parameters": [KEY_PARAMETER]},
)
async def create(  # noqa: PLR0913, PLR0917 - what is written, and about whom
    user_id: UUID,
    wanted: NoteText,
    request: Request,
    response: Response,
    parts: PartsDep,
    caller: CurrentClinician,
) -> NoteView:
    """Keep what a clinician writes, for them and for the person; other clinicians are not shown it.

    With a grant of `notes`. This is no place for psychotherapy notes: the person may read it.
    """
    key = requested_key(request)
    async with access.attending(
        parts, caller, user_id, Scope.NOTES, action="createNote", adds=True
    ) as session:
        note_id = new_id()
        text = await parts.seals.seal(session, seals.of_note(user_id, note_id), wanted.text)
        row = await session.scalar(notes.write(note_id, user_id, caller.id, text, key=key))
        if row is None:
            row = await _written_before(session, parts.seals, caller.id, key or "", user_id, wanted.text)
            response.status_code = HTTPStatus.OK
            response.headers[REPLAYED_HEADER] = "true"
        view = await _view(parts.seals, row)
    response.headers.update({**access.CACHING, "Location": f"/v1/users/{user_id}/notes/{view.id}"})
    return view


async def _written_before(  # noqa: PLR0913, PLR0917 - what was written, by whom and about whom
    session: AsyncSession, opened: Seals, author_id: UUID, key: str, person_id: UUID, text: str
) -> Note:
    """Find what the author's key stands for; a note about somebody who granted it once is out of sight."""
    found = (await session.execute(notes.first_words(author_id, key))).one_or_none()
    if found is not None:
        note: Note = found[0]
        first = await opened.open(seals.of_note(note.user_id, note.id), found[1])
        if (note.user_id, first) == (person_id, text):
            return note
    raise IdempotencyKeyReusedError("The note or its person differ. Use a new key for each note.")


@router.get(
    "/{user_id}/notes",
    operation_id="listNotes",
    summary="List notes about a person, newest first",
    responses={**OF_ONE, 200: {"headers": LINK}},
)
async def every(  # noqa: PLR0913, PLR0917 - what a page is asked by
    user_id: UUID | Literal["me"],
    request: Request,
    response: Response,
    parts: PartsDep,
    caller: CurrentReader,
    asked: Annotated[NoteQuery, Query()],
) -> NotePage:
    """Return a page: of yourself, all that was written about you; as a clinician, what you wrote yourself."""
    person = caller.named(user_id)
    query = notes.page(
        person,
        author_id=_author(caller, person),
        limit=asked.enough,
        before=asked.before,
        deleted=asked.deleted,
    )
    async with access.reading(parts, caller, person, Scope.NOTES, action="listNotes") as session:
        rows, last = asked.cut((await session.scalars(query)).all())
        items = await _views(parts.seals, rows)
    response.headers.update(access.CACHING)
    return NotePage(items=items, next_cursor=lead_on(request, response, last.id if last else None))


@router.get(
    "/{user_id}/notes/{note_id}",
    operation_id="getNote",
    summary="Read a note with what it said before",
    responses=OF_ONE,
)
async def get(
    user_id: UUID | Literal["me"], note_id: UUID, response: Response, parts: PartsDep, caller: CurrentReader
) -> NoteWithRevisions:
    """Return a note, also a deleted one, to its author and to the person."""
    person = caller.named(user_id)
    async with access.reading(
        parts, caller, person, Scope.NOTES, action="getNote", absent=NO_SUCH_NOTE
    ) as session:
        row = await session.scalar(notes.one(note_id, person, author_id=_author(caller, person)))
        if row is None:
            raise NotFoundError(NO_SUCH_NOTE)
        view = await _with_former(parts.seals, row, (await session.scalars(notes.revisions(note_id))).all())
    response.headers.update(access.CACHING)
    return view


@router.patch(
    "/{user_id}/notes/{note_id}",
    operation_id="changeNote",
    summary="Change what a note says",
    responses=CHANGING,
)
async def change(  # noqa: PLR0913, PLR0917 - which note, and what it is to say
    user_id: UUID,
    note_id: UUID,
    wanted: NoteText,
    response: Response,
    parts: PartsDep,
    caller: CurrentClinician,
) -> NoteView:
    """Say something else. What it said before is kept, and shown to whoever may read the note."""
    async with access.attending(
        parts, caller, user_id, Scope.NOTES, action="changeNote", absent=NO_SUCH_NOTE
    ) as session:
        row = await _held(session, note_id, user_id, caller)
        place = seals.of_note(user_id, note_id)
        if await parts.seals.open(place, row.text) != wanted.text:
            await session.execute(notes.keep_words(note_id))
            text = await parts.seals.seal(session, place, wanted.text)
            row = (await session.scalars(notes.change(note_id, text))).one()
        view = await _view(parts.seals, row)
    response.headers.update(access.CACHING)
    return view


@router.delete(
    "/{user_id}/notes/{note_id}",
    operation_id="deleteNote",
    summary="Take a note out of the list",
    status_code=HTTPStatus.NO_CONTENT,
    responses=OF_ONE,
)
async def delete(user_id: UUID, note_id: UUID, parts: PartsDep, caller: CurrentClinician) -> None:
    """Mark a note as deleted. It stays on record, for you and the person, for as long as they are here.

    One that is deleted stays as it is.
    """
    async with access.attending(
        parts, caller, user_id, Scope.NOTES, action="deleteNote", absent=NO_SUCH_NOTE
    ) as session:
        row = await session.scalar(notes.one(note_id, user_id, author_id=caller.id))
        if row is None:
            raise NotFoundError(NO_SUCH_NOTE)
        await session.execute(notes.delete(note_id))


async def _held(session: AsyncSession, note_id: UUID, person_id: UUID, caller: Caller) -> Note:
    row = await session.scalar(notes.held(note_id, person_id, caller.id))
    if row is None:
        raise NotFoundError(NO_SUCH_NOTE)
    return row


async def _view(opened: Seals, row: Note) -> NoteView:
    (view,) = await _views(opened, [row])
    return view


async def _views(opened: Seals, rows: Sequence[Note]) -> list[NoteView]:
    texts = await opened.open_all([(seals.of_note(row.user_id, row.id), row.text) for row in rows])
    return [NoteView.of(row, text) for row, text in zip(rows, texts, strict=True)]


async def _with_former(opened: Seals, row: Note, former: Sequence[NoteRevision]) -> NoteWithRevisions:
    place = seals.of_note(row.user_id, row.id)
    sealed = [row.text, *(each.text for each in former)]
    text, *texts = await opened.open_all([(place, each) for each in sealed])
    words = [RevisionView.of(each, said) for each, said in zip(former, texts, strict=True)]
    return NoteWithRevisions(**NoteView.of(row, text).model_dump(), former=words)


def _author(caller: Caller, person: UUID) -> UUID | None:
    """Whose notes a caller sees: their own; the person, everybody's."""
    return None if person == caller.as_person else caller.id
