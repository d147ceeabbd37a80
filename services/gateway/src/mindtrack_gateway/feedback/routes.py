"""Say how it was, and read what was said. None of it is logged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Response
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import access, seals
from mindtrack_gateway.access import Caller
from mindtrack_gateway.dependencies import CurrentPrincipal, CurrentReader, Parts, PartsDep, documented_bearer
from mindtrack_gateway.feedback.schemas import (
    SUPPORT,
    FeedbackGiven,
    FeedbackList,
    FeedbackQuery,
    FeedbackView,
    SupportView,
)
from mindtrack_gateway.identity import Role
from mindtrack_gateway.jobs.lifecycle import NO_SUCH_JOB, note_stranger, owner_of
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    NothingToRateError,
    documented,
)
from mindtrack_shared.db import feedback
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import Feedback
from mindtrack_shared.domain.feedback import FeedbackKind, calls_for_support
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import new_id

router = APIRouter(prefix="/v1/jobs", tags=["feedback"], dependencies=[documented_bearer])

ROLES = {FeedbackKind.SELF: Role.USER, FeedbackKind.CLINICIAN: Role.CLINICIAN}
#: What somebody said of themselves is kept nowhere on its way.
CACHING = {"Cache-Control": "no-store"}

ASKED: dict[str, Any] = {
    "ratings": {"value": {"stress": 7, "anxiety": 4, "mood": 3, "note": "The exam is on Friday."}},
    "questionnaires": {
        "value": {
            "phq9": {"items": [1, 1, 0, 2, 0, 0, 1, 0, 0]},
            "gad7": {"total": 8},
            "answered_at": "2026-03-01T18:05:00+01:00",
        }
    },
    "clinician": {"value": {"label": "Anxious"}},
}
SAID: dict[str, Any] = {
    "kind": "self",
    "stress": 7,
    "anxiety": 4,
    "mood": 3,
    "phq9": {"items": [1, 1, 0, 2, 0, 0, 1, 0, 1], "total": 6},
    "gad7": {"items": None, "total": 8},
    "note": "The exam is on Friday.",
    "label": None,
    "answered_at": "2026-03-01T17:05:00Z",
    "given_at": "2026-03-01T17:05:02Z",
}
GIVEN = SAID | {"support": {"notice": SUPPORT, "link": "https://support.example/"}}
LISTED: dict[str, Any] = {"items": [SAID]}


def _example(value: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"example": value}}}


@router.post(
    "/{job_id}/feedback",
    operation_id="giveFeedback",
    summary="Say how it was",
    status_code=HTTPStatus.CREATED,
    responses={
        **documented(
            MalformedRequestError,
            NotFoundError,
            NothingToRateError,
            InvalidRequestError,
            DependencyUnavailableError,
        ),
        201: _example(GIVEN),
        200: {
            "model": FeedbackGiven,
            "description": "It took the place of what you had said before.",
            **_example(GIVEN),
        },
    },
)
async def give(
    job_id: UUID,
    said: Annotated[FeedbackQuery, Body(openapi_examples=ASKED)],
    response: Response,
    parts: PartsDep,
    principal: CurrentPrincipal,
) -> FeedbackGiven:
    """Keep how somebody felt, or what a clinician heard; it replaces, as a whole, what they said before.

    Only for jobs that ended with an analysis. Scores may be calibrated against it later; none changes now.
    """
    access.require(principal, ROLES[said.kind])
    author = Caller(await parts.people.user_id(principal.subject), principal.roles)
    async with _saying(parts, author, job_id, said.kind) as (session, person):
        job = (await session.execute(feedback.held(job_id, person))).one_or_none()
        if job is None:
            raise NotFoundError(NO_SUCH_JOB)
        if job.status is not JobStatus.SUCCEEDED:
            raise _nothing_to_rate(job.status)
        replaced = await session.scalar(feedback.supersede(job_id, said.kind, author.id))
        feedback_id, columns = new_id(), said.columns()
        if said.note is not None:
            place = seals.of_feedback(person, feedback_id)
            columns["note"] = await parts.seals.seal(session, place, said.note)
        given = feedback.give(feedback_id, job_id, person, said.kind, author.id, said=columns)
        kept = (await session.scalars(given)).one()
    response.headers.update(CACHING)
    response.status_code = HTTPStatus.CREATED if replaced is None else HTTPStatus.OK
    return FeedbackGiven.of(kept, said.note, support=_support(parts, said))


@router.get(
    "/{job_id}/feedback",
    operation_id="getFeedback",
    summary="Read what was said",
    responses={
        **documented(NotFoundError, InvalidRequestError, DependencyUnavailableError),
        200: _example(LISTED),
    },
)
async def get(job_id: UUID, response: Response, parts: PartsDep, caller: CurrentReader) -> FeedbackList:
    """Return what holds of a job, whoever said it. What was replaced is not told.

    Of your own job, or as a clinician of one of who granted you `feedback`.
    """
    owner = await owner_of(parts, job_id)
    async with access.reading(
        parts, caller, owner, Scope.FEEDBACK, action="getFeedback", absent=NO_SUCH_JOB
    ) as session:
        rows = (await session.scalars(feedback.given(job_id))).all()
        items = [FeedbackView.of(row, await _note(parts, row)) for row in rows]
    response.headers.update(CACHING)
    return FeedbackList(items=items)


async def _note(parts: Parts, row: Feedback) -> str | None:
    if row.note is None:
        return None
    return await parts.seals.open(seals.of_feedback(row.user_id, row.id), row.note)


@asynccontextmanager
async def _saying(
    parts: Parts, author: Caller, job_id: UUID, kind: FeedbackKind
) -> AsyncIterator[tuple[AsyncSession, UUID]]:
    """Open a transaction in which a job may be rated, and say whose it is.

    As who records, one's own; as a clinician, one of who granted it. Nobody is their own clinician.
    """
    if kind is FeedbackKind.SELF:
        try:
            async with parts.sessions.begin(Fence.own(author.id)) as session:
                yield session, author.id
                access.note_own(session, author.id, action="giveFeedback")
        except NotFoundError:
            await note_stranger(parts, job_id, author.id, action="giveFeedback")
            raise
        return
    owner = await owner_of(parts, job_id)
    async with access.attending(
        parts, author, owner, Scope.FEEDBACK, action="giveFeedback", absent=NO_SUCH_JOB
    ) as session:
        if owner is None:  # nobody grants anything of theirs
            raise NotFoundError(NO_SUCH_JOB)
        yield session, owner


def _nothing_to_rate(status: JobStatus) -> NothingToRateError:
    if status.is_terminal:
        return NothingToRateError("The job ended without an analysis.")
    return NothingToRateError("The job has not ended yet. Please say it once it has an analysis.")


def _support(parts: Parts, said: FeedbackQuery) -> SupportView | None:
    """Point to support where an answer calls for it."""
    if said.phq9 is None or not calls_for_support(said.phq9.items):
        return None
    return SupportView(link=parts.settings.support_url)
