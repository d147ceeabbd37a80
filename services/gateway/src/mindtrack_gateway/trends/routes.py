"""Read a person's trend."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute

from mindtrack_gateway.dependencies import CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.problems import InvalidRequestError, NotFoundError, documented
from mindtrack_gateway.trends.rendering import Asked
from mindtrack_gateway.trends.schemas import TrendView
from mindtrack_gateway.trends.telling import DAYS, GZIP, MAX_DAYS, MEASURES, respond, trend_of
from mindtrack_shared.domain.trends import Measure

router = APIRouter(prefix="/v1/users", tags=["trends"], dependencies=[documented_bearer])


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
    days: Annotated[
        int, Query(ge=1, le=MAX_DAYS, description="Length of the period that ends today.")
    ] = DAYS,
    measure: Annotated[
        list[Measure], Query(max_length=len(Measure), description="What to compare with what is usual.")
    ] = [*MEASURES],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Return the days of the period that have recordings, and what they say beside what is usual.

    Of yourself, or as a clinician of who granted you `trends`. Today is the person's, not the server's. What
    is usual comes from the person's days before, also those before the period.
    """
    told = await trend_of(parts, caller, Asked(caller.named(user_id), tuple(measure), days))
    return respond(told, takes_gzip=GZIP in request.headers.get("accept-encoding", ""))


#: People ask for their own each time they open the page; they take a shorter way to the same answer.
ASKED_OFTEN = next(route for route in router.routes if isinstance(route, APIRoute) and route.endpoint is get)
