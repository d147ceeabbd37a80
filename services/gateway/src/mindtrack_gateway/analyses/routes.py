"""List a person's analyses, page by page."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from mindtrack_gateway import access, pages
from mindtrack_gateway.analyses.cursor import decode, encode
from mindtrack_gateway.analyses.recorded import RecordedQuery, check_moments
from mindtrack_gateway.analyses.schemas import AnalysisPage, RecordedAnalysisView
from mindtrack_gateway.dependencies import CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.pages import LINK, PageQuery
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import analyses
from mindtrack_shared.domain.grants import Scope

router = APIRouter(prefix="/v1/users", tags=["analyses"], dependencies=[documented_bearer])


class AnalysisQuery(RecordedQuery, PageQuery):
    pass


@router.get(
    "/{user_id}/analyses",
    operation_id="listAnalyses",
    summary="List a person's analyses, newest recording first",
    responses={
        **documented(NotFoundError, InvalidRequestError, DependencyUnavailableError),
        200: {"headers": LINK},
    },
)
async def page(  # noqa: PLR0913, PLR0917 - what a page is asked by
    user_id: UUID | Literal["me"],
    request: Request,
    response: Response,
    parts: PartsDep,
    caller: CurrentReader,
    asked: Annotated[AnalysisQuery, Query()],
) -> AnalysisPage:
    """Return a page, without windows. Of yourself, or as a clinician of who granted you `analyses`."""
    check_moments(asked)
    person = caller.named(user_id)
    query = analyses.page(
        person,
        limit=asked.enough,
        before=decode(asked.cursor) if asked.cursor else None,
        recorded_after=asked.recorded_after,
        recorded_before=asked.recorded_before,
    )
    async with access.reading(parts, caller, person, Scope.ANALYSES, action="listAnalyses") as session:
        rows, last = asked.cut((await session.execute(query)).all())
        items = [RecordedAnalysisView.of(*row) for row in rows]
    response.headers.update(access.CACHING)
    following = None
    if last is not None:
        following = pages.link(request, response, encode(last[0].recorded_at, last[0].id))
    return AnalysisPage(user_id=person, items=items, next_cursor=following)
