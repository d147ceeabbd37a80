"""Notes about a person: a clinician writes them, and who they are about may read all of them.

Decision 28 says why. None of it is logged.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import access
from mindtrack_gateway.access import Caller
from mindtrack_gateway.dependencies import CurrentClinician, CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.notes.schemas import NotePage, NoteText, NoteView, NoteWithRevisions
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
from mindtrack_shared.db import notes
from mindtrack_shared.db.models import Note
from mindtrack_shared.domain.grants import Scope

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
        row = await session.scalar(notes.write(user_id, caller.id, wanted.text, key=key))
        if row is None:
            row = await _written_before(session, caller.id, key or "", user_id, wanted.text)
            response.status_code = HTTPStatus.OK
            response.headers[REPLAYED_HEADER] = "true"
        view = NoteView.of(row)
    response.headers.update({**access.CACHING, "Location": f"/v1/users/{user_id}/notes/{view.id}"})
    return view


async def _written_before(
    session: AsyncSession, author_id: UUID, key: str, person_id: UUID, text: str
) -> Note:
    """Find what the author's key stands for; a note about somebody who granted it once is out of sight."""
    found = (await session.execute(notes.first_words(author_id, key))).one_or_none()
    if found is None or (found[0].user_id, found[1]) != (person_id, text):
        raise IdempotencyKeyReusedError("The note or its person differ. Use a new key for each note.")
    note: Note = found[0]
    return note


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
        items = [NoteView.of(row) for row in rows]
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
        view = NoteWithRevisions.with_former(row, (await session.scalars(notes.revisions(note_id))).all())
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
        if row.text != wanted.text:
            await session.execute(notes.keep_words(note_id))
            row = (await session.scalars(notes.change(note_id, wanted.text))).one()
        view = NoteView.of(row)
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
    """Mark a note as deleted. It stays on record, for you and the person, for as long as they are here."""
    async with access.attending(
        parts, caller, user_id, Scope.NOTES, action="deleteNote", absent=NO_SUCH_NOTE
    ) as session:
        await _held(session, note_id, user_id, caller)
        await session.execute(notes.delete(note_id))


async def _held(session: AsyncSession, note_id: UUID, person_id: UUID, caller: Caller) -> Note:
    row = await session.scalar(notes.held(note_id, person_id, caller.id))
    if row is None:
        raise NotFoundError(NO_SUCH_NOTE)
    return row


def _author(caller: Caller, person: UUID) -> UUID | None:
    """Whose notes a caller sees: their own; the person, everybody's."""
    return None if person == caller.as_person else caller.id
