"""Analyses for systems that speak FHIR R4. No FHIR server: it has one search, and problems of its own."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from mindtrack_gateway import access, pages
from mindtrack_gateway.analyses.cursor import decode, encode
from mindtrack_gateway.analyses.recorded import RecordedQuery, check_moments
from mindtrack_gateway.dependencies import CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.fhir.observations import MEDIA_TYPE, bundle
from mindtrack_gateway.pages import LONGEST_CURSOR, MAX_PAGE
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import analyses
from mindtrack_shared.domain.grants import Scope

router = APIRouter(prefix="/v1/users", tags=["exports"], dependencies=[documented_bearer])

BUNDLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A Bundle of type `searchset`, newest recording first; `link` leads to the next page.",
        "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
    }
}


class ObservationQuery(RecordedQuery):
    count: Annotated[int, Field(alias="_count", ge=1, le=MAX_PAGE, description="Observations per page.")] = 50
    cursor: Annotated[
        str | None, Field(max_length=LONGEST_CURSOR, description="Of the link to the next page.")
    ] = None


@router.get(
    "/{user_id}/fhir/observations",
    operation_id="listObservations",
    summary="Read a person's analyses as FHIR R4 Observations",
    response_class=Response,
    responses={**documented(NotFoundError, InvalidRequestError, DependencyUnavailableError), **BUNDLE},
)
async def search(
    user_id: UUID | Literal["me"],
    request: Request,
    parts: PartsDep,
    caller: CurrentReader,
    asked: Annotated[ObservationQuery, Query()],
) -> Response:
    """Return an Observation for each analysis: stress score, indices and well-evidenced biomarkers.

    Of yourself, or as a clinician of who granted you `analyses`.
    """
    check_moments(asked)
    person = caller.named(user_id)
    query = analyses.page(
        person,
        limit=asked.count + 1,  # one more than asked for tells whether another page follows
        before=decode(asked.cursor) if asked.cursor else None,
        recorded_after=asked.recorded_after,
        recorded_before=asked.recorded_before,
    )
    async with access.reading(
        parts, caller, person, Scope.ANALYSES, action="listObservations", takes_out=True
    ) as session:
        rows = [row for row, *_ in await session.execute(query)]
        items, more = rows[: asked.count], len(rows) > asked.count
        base = parts.browser.base_url(request)
        last = items[-1] if more else None
        following = f"{base}{pages.following(request, encode(last.recorded_at, last.id))}" if last else None
        found = bundle(items, address=f"{base}{_target(request)}", following=following)
    return Response(json.dumps(found), media_type=MEDIA_TYPE, headers=access.CACHING)


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
