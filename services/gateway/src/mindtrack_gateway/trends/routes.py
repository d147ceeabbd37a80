"""Read a person's trend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import CurrentCaller, PartsDep, documented_bearer
from mindtrack_gateway.problems import InvalidRequestError, NotFoundError, documented
from mindtrack_gateway.trends.schemas import TrendView
from mindtrack_shared.db import analyses
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.trends import LatestScore, trend

router = APIRouter(prefix="/v1/users", tags=["trends"], dependencies=[documented_bearer])

MAX_DAYS = 366


@router.get(
    "/{user_id}/trends",
    operation_id="getTrends",
    summary="Read how the stress score went, day by day",
    responses=documented(NotFoundError, InvalidRequestError),
)
async def get(
    user_id: UUID | Literal["me"],
    parts: PartsDep,
    caller: CurrentCaller,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="Length of the period that ends today.")] = 7,
) -> TrendView:
    """Return the days of the period that have recordings. Today is the person's, not the server's.

    Of yourself, or as a clinician of who granted you `trends`.
    """
    person = caller.named(user_id)
    async with access.reading(parts, caller, person, Scope.TRENDS, action="getTrends") as session:
        newest = (await session.execute(analyses.latest(person))).one_or_none()
        zone = ZoneInfo(newest.time_zone) if newest else UTC
        last_day = datetime.now(zone).date()
        first_day = last_day - timedelta(days=days - 1)
        rows = await session.scalars(analyses.days(person, first_day=first_day, last_day=last_day))
        found = trend(
            [analyses.to_rollup(row) for row in rows],
            first_day=first_day,
            last_day=last_day,
            latest=LatestScore(newest.recorded_at, newest.stress_score) if newest else None,
        )
    return TrendView.of(found, person)
