"""Tables for spreadsheets and statistics: a person's days, and their analyses, each as one file.

Rows are read some at a time, and sent before the next are: memory does not grow with a history. Each time the
grant is looked up anew, so one that ends while a file is under way ends it: the connection is broken off, and
whoever receives it knows that it is not whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from mindtrack_gateway import access
from mindtrack_gateway.analyses.recorded import RecordedQuery, check_moments
from mindtrack_gateway.dependencies import CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.exports import columns
from mindtrack_gateway.exports.columns import Analysed, Column, Day
from mindtrack_gateway.exports.spreadsheet import MEDIA_TYPE, lines
from mindtrack_gateway.history.routes import Period, check_order
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import analyses, day_values
from mindtrack_shared.domain.grants import Scope

router = APIRouter(prefix="/v1/users", tags=["exports"], dependencies=[documented_bearer])

#: Read at a time.
DAYS, ANALYSES = 366, 500

Row = TypeVar("Row")
Place = TypeVar("Place")
#: Rows after a place, and the place of the last one if more follow.
Read = Callable[[Place | None], Awaitable[tuple[Sequence[Row], Place | None]]]


def _file(description: str) -> dict[int | str, dict[str, Any]]:
    return {
        **documented(NotFoundError, InvalidRequestError, DependencyUnavailableError),
        200: {"description": description, "content": {"text/csv": {"schema": {"type": "string"}}}},
    }


@router.get(
    "/{user_id}/history.csv",
    operation_id="exportHistory",
    summary="Download a person's days as CSV",
    response_class=StreamingResponse,
    responses=_file("RFC 4180, UTF-8. A line for each day and origin, newest first; headings name units."),
)
async def days(
    user_id: UUID | Literal["me"],
    parts: PartsDep,
    caller: CurrentReader,
    asked: Annotated[Period, Query()],
) -> StreamingResponse:
    """Send what `getHistory` tells as one table. Of yourself, or as a clinician of who granted `trends`."""
    check_order(asked)
    person = caller.named(user_id)

    async def read(before: date | None) -> tuple[Sequence[Day], date | None]:
        query = day_values.page(
            person, days=DAYS, before=before, first_day=asked.first_day, last_day=asked.last_day
        )
        async with access.reading(
            parts, caller, person, Scope.TRENDS, action="exportHistory", takes_out=True
        ) as session:
            found = [columns.day(row) for row in await session.scalars(query)]
        full = len({each.row.day for each in found}) == DAYS
        return found, found[-1].row.day if full else None

    return await _send("mindtrack-days.csv", columns.DAYS, read)


@router.get(
    "/{user_id}/analyses.csv",
    operation_id="exportAnalyses",
    summary="Download a person's analyses as CSV",
    response_class=StreamingResponse,
    responses=_file("RFC 4180, UTF-8. A line for each analysis, newest first; headings name units."),
)
async def each_analysis(
    user_id: UUID | Literal["me"],
    parts: PartsDep,
    caller: CurrentReader,
    asked: Annotated[RecordedQuery, Query()],
) -> StreamingResponse:
    """Send all analyses as one table. Of yourself, or as a clinician of who granted you `analyses`."""
    check_moments(asked)
    person = caller.named(user_id)

    async def read(
        before: tuple[datetime, UUID] | None,
    ) -> tuple[Sequence[Analysed], tuple[datetime, UUID] | None]:
        query = analyses.page(
            person,
            limit=ANALYSES,
            before=before,
            recorded_after=asked.recorded_after,
            recorded_before=asked.recorded_before,
        )
        async with access.reading(
            parts, caller, person, Scope.ANALYSES, action="exportAnalyses", takes_out=True
        ) as session:
            found = [columns.analysed(*row) for row in await session.execute(query)]
        last = found[-1].row if len(found) == ANALYSES else None
        return found, (last.recorded_at, last.id) if last else None

    return await _send("mindtrack-analyses.csv", columns.ANALYSES, read)


async def _send(name: str, wanted: Sequence[Column[Row]], read: Read[Place, Row]) -> StreamingResponse:
    first, following = await read(None)  # whoever may not read it is told so by the status

    async def table() -> AsyncIterator[bytes]:
        yield lines([[column.heading for column in wanted]])
        rows, place = first, following
        while rows:
            yield lines([column.of(row) for column in wanted] for row in rows)
            if place is None:
                return
            rows, place = await read(place)

    headers = access.CACHING | {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(table(), media_type=MEDIA_TYPE, headers=headers)
