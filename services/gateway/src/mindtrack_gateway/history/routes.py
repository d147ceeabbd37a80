"""Read a person's days, as trends are made of them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from mindtrack_gateway import access, pages
from mindtrack_gateway.dependencies import CurrentReader, PartsDep, documented_bearer
from mindtrack_gateway.history.cursor import decode, encode
from mindtrack_gateway.history.schemas import HistoryPage, by_day
from mindtrack_gateway.pages import LINK, LONGEST_CURSOR
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    NotFoundError,
    documented,
)
from mindtrack_shared.db import day_values
from mindtrack_shared.domain.grants import Scope

router = APIRouter(prefix="/v1/users", tags=["history"], dependencies=[documented_bearer])

#: A leap year.
MAX_DAYS = 366


class Period(BaseModel):
    """Calendar days where the person was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_day: Annotated[date | None, Field(alias="from", description="That day or later.")] = None
    last_day: Annotated[date | None, Field(alias="to", description="That day or earlier.")] = None


def check_order(asked: Period) -> None:
    if asked.first_day and asked.last_day and asked.last_day < asked.first_day:
        raise InvalidRequestError.about("query.to", "must not lie before `from`")


class HistoryQuery(Period):
    limit: Annotated[int, Field(ge=1, le=MAX_DAYS, description="Days that have recordings.")] = 31
    cursor: Annotated[
        str | None, Field(max_length=LONGEST_CURSOR, description="`next_cursor` of the page before.")
    ] = None


@router.get(
    "/{user_id}/history",
    operation_id="getHistory",
    summary="Read a person's days, newest first",
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
    asked: Annotated[HistoryQuery, Query()],
) -> HistoryPage:
    """Return days with what was measured on them, by model and microphone.

    Of yourself, or as a clinician of who granted you `trends`.
    """
    check_order(asked)
    person = caller.named(user_id)
    query = day_values.page(
        person,
        days=asked.limit + 1,  # one more than asked for tells whether another page follows
        before=decode(asked.cursor) if asked.cursor else None,
        first_day=asked.first_day,
        last_day=asked.last_day,
    )
    async with access.reading(parts, caller, person, Scope.TRENDS, action="getHistory") as session:
        days = by_day(await session.scalars(query))
    response.headers.update(access.CACHING)
    items = days[: asked.limit]
    following = None
    if len(days) > asked.limit:
        following = pages.link(request, response, encode(items[-1].day))
    return HistoryPage(user_id=person, items=items, next_cursor=following)
