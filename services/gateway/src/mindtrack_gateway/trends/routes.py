"""Read a person's trend."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.problems import InvalidRequestError, NotFoundError, documented
from mindtrack_gateway.trends.rendering import Asked, compressed
from mindtrack_gateway.trends.schemas import TrendView
from mindtrack_shared.db.trend_sources import source
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.trends import Measure, local_day

router = APIRouter(prefix="/v1/users", tags=["trends"], dependencies=[documented_bearer])

MAX_DAYS = 731  # two years


@router.get(
    "/{user_id}/trends",
    operation_id="getTrends",
    summary="Read how somebody's days compare with what is usual for them",
    response_model=TrendView,
    responses=documented(NotFoundError, InvalidRequestError),
)
async def get(  # noqa: PLR0913, PLR0917 - what a trend is asked by
    user_id: UUID | Literal["me"],
    request: Request,
    parts: PartsDep,
    caller: CurrentReader,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="Length of the period that ends today.")] = 7,
    measure: Annotated[
        list[Measure], Query(max_length=len(Measure), description="What to compare with what is usual.")
    ] = [Measure.STRESS_SCORE],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Return the days of the period that have recordings, and what they say beside what is usual.

    Of yourself, or as a clinician of who granted you `trends`. Today is the person's, not the server's. What
    is usual comes from the person's days before, also those before the period.
    """
    asked = Asked(caller.named(user_id), tuple(measure), days)
    now = datetime.now(UTC)
    async with access.reading(parts, caller, asked.person, Scope.TRENDS, action="getTrends") as session:
        query = source(asked.person, asked.measures, days=asked.days, today=now.date())
        zone, read = (await session.execute(query)).one()
    told = compressed(asked, local_day(now, zone or "UTC"), read)
    headers = {**access.CACHING, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        told = gzip.decompress(told)
    return Response(told, media_type="application/json", headers=headers)
