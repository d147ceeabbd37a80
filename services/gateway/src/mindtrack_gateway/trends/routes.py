"""Read a person's trend."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.problems import InvalidRequestError, NotFoundError, documented
from mindtrack_gateway.trends.schemas import TrendView
from mindtrack_shared.db import analyses, day_values
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.trends import HISTORY, LatestScore, Measure, report, trend

router = APIRouter(prefix="/v1/users", tags=["trends"], dependencies=[documented_bearer])

MAX_DAYS = 731  # two years
#: Takes half a millisecond for 90 days, and spares six of seven bytes.
COMPRESSION = 3


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
    person = caller.named(user_id)
    async with access.reading(parts, caller, person, Scope.TRENDS, action="getTrends") as session:
        newest = (await session.execute(analyses.latest(person))).one_or_none()
        zone = ZoneInfo(newest.time_zone) if newest else UTC
        last_day = datetime.now(zone).date()
        first_day = last_day - timedelta(days=days - 1)
        rollups = await session.execute(analyses.days(person, first_day=first_day, last_day=last_day))
        left_out = await session.scalar(
            analyses.indeterminate(person, first_day=first_day, last_day=last_day)
        )
        history = {
            each: await session.execute(
                day_values.between(person, each, first_day=first_day - HISTORY, last_day=last_day)
            )
            for each in measure
        }
    found = trend(
        map(analyses.to_rollup, rollups),
        first_day=first_day,
        last_day=last_day,
        latest=LatestScore(newest.recorded_at, newest.stress_score) if newest else None,
    )
    reports = [
        report(
            [day_values.to_day_value(row) for row in rows],
            measure=each,
            first_day=first_day,
            last_day=last_day,
            indeterminate=left_out or 0,
        )
        for each, rows in history.items()
    ]
    # Written out here: FastAPI would check each of hundreds of points once more.
    told = TrendView.of(found, reports, person).model_dump_json().encode()
    headers = {**access.CACHING, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        told = gzip.compress(told, COMPRESSION)
        headers["Content-Encoding"] = "gzip"
    return Response(told, media_type="application/json", headers=headers)
