"""Whom a clinician looks after: who stands how, what changed, and who has fallen silent.

`db.patients` decides whom a list shows and writes it down in the statement that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, Field
from sqlalchemy import Row

from mindtrack_gateway import access, pages, seals
from mindtrack_gateway.access import Caller
from mindtrack_gateway.dependencies import CurrentClinician, Parts, PartsDep, documented_bearer
from mindtrack_gateway.pages import LINK, LONGEST_CURSOR, PageQuery
from mindtrack_gateway.patients.places import decode, encode
from mindtrack_gateway.patients.schemas import (
    Label,
    LabelView,
    OverviewView,
    PatientPage,
    PatientView,
)
from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    documented,
)
from mindtrack_gateway.words import one_line
from mindtrack_shared.db import patients
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.patients import Asked, Place
from mindtrack_shared.domain.notes import LONGEST_LABEL
from mindtrack_shared.domain.patients import Order, PatientSort
from mindtrack_shared.domain.trends import Status

router = APIRouter(prefix="/v1/patients", tags=["patients"], dependencies=[documented_bearer])

MAX_PAGE = 1000
#: As trends have it: two weeks without a recording are a gap.
SILENT_DAYS = 14


class PatientQuery(PageQuery):
    """Which persons, in which order."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[
        str | None,
        Field(
            max_length=LONGEST_CURSOR,
            description="`next_cursor` of the page before. It holds with other filters, too, and with the "
            "same `sort` and `order`.",
        ),
    ] = None
    sort: Annotated[PatientSort, Field(description="`status` is by urgency.")] = PatientSort.STATUS
    order: Annotated[Order, Field(description="`desc`: the most urgent, the latest, the highest first.")] = (
        Order.DESCENDING
    )
    status: Annotated[tuple[Status, ...], Field(description="Any of these; may be repeated.")] = ()
    open_alerts: Annotated[
        bool | None, Field(description="Only who has open alerts, or who has none. Needs their `alerts`.")
    ] = None
    search: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=LONGEST_LABEL,
            description="Only whose label holds these characters, in either case; or whose id this is.",
        ),
        AfterValidator(one_line),
    ] = None


@router.get(
    "",
    operation_id="listPatients",
    summary="List the persons who granted you something",
    responses={**documented(InvalidRequestError, DependencyUnavailableError), 200: {"headers": LINK}},
)
async def every(
    request: Request,
    response: Response,
    parts: PartsDep,
    caller: CurrentClinician,
    asked: Annotated[PatientQuery, Query()],
) -> PatientPage:
    """Return a page of those whose grant is live at this moment. Each of them can see that you looked."""
    query = patients.page(
        _asked(caller, "listPatients"),
        limit=asked.limit,
        sort=asked.sort,
        order=asked.order,
        after_place=decode(asked.cursor, asked.sort, asked.order) if asked.cursor else None,
        statuses=set(asked.status),
        open_alerts=asked.open_alerts,
        among=await _among(parts, caller, asked.search) if asked.search else None,
    )
    async with parts.sessions.begin(Fence(clinician=caller.id)) as session:
        rows = (await session.execute(query)).all()
    response.headers.update(access.CACHING)
    shown, last = asked.cut(rows)
    following = None
    if last is not None:
        place = Place(last.key, last.grant_id)
        following = pages.link(request, response, encode(asked.sort, asked.order, place))
    items = [
        PatientView.of(row, label)
        for row, label in zip(shown, await _labels(parts, caller, shown), strict=True)
    ]
    return PatientPage(items=items, next_cursor=following)


async def _labels(parts: Parts, caller: Caller, rows: Sequence[Row[Any]]) -> list[str | None]:
    """Open the labels of some persons."""
    called = {row.user_id: row.label for row in rows if row.label is not None}
    opened = await _opened(parts, caller, called)
    return [opened.get(row.user_id) for row in rows]


async def _among(parts: Parts, caller: Caller, search: str) -> set[UUID]:
    """Find whose label holds some characters, in either case; they may be somebody's id."""
    async with parts.sessions.begin(Fence(clinician=caller.id)) as session:
        called = dict((await session.execute(patients.labels(caller.id))).all())
    wanted = search.casefold()
    found = {
        person
        for person, label in (await _opened(parts, caller, called)).items()
        if wanted in label.casefold()
    }
    with suppress(ValueError):
        found.add(UUID(search))
    return found


async def _opened(parts: Parts, caller: Caller, called: Mapping[UUID, str]) -> dict[UUID, str]:
    places = [(seals.of_label(caller.id, person), label) for person, label in called.items()]
    return dict(zip(called, await parts.seals.open_all(places), strict=True))


@router.get(
    "/overview",
    operation_id="getPatientsOverview",
    summary="Count the persons who granted you something",
    responses=documented(InvalidRequestError, DependencyUnavailableError),
)
async def overview(
    response: Response,
    parts: PartsDep,
    caller: CurrentClinician,
    silent_days: Annotated[int, Query(ge=1, le=366, description="What `silent` means.")] = SILENT_DAYS,
) -> OverviewView:
    """Return how many stand how. Each of them can see that you looked: one of one is no secret."""
    query = patients.overview(_asked(caller, "getPatientsOverview"), silent=timedelta(days=silent_days))
    async with parts.sessions.begin(Fence(clinician=caller.id)) as session:
        row = (await session.execute(query)).one()
    response.headers.update(access.CACHING)
    return OverviewView.of(row, silent_days=silent_days)


@router.put(
    "/{user_id}/label",
    operation_id="labelPatient",
    summary="Call a person something",
    responses=documented(
        MalformedRequestError, NotFoundError, InvalidRequestError, DependencyUnavailableError
    ),
)
async def label(
    user_id: UUID, wanted: Label, response: Response, parts: PartsDep, caller: CurrentClinician
) -> LabelView:
    """Keep your own word for somebody who granted you anything, so that you can tell them from others."""
    async with access.attending(parts, caller, user_id, None, action="labelPatient", adds=True) as session:
        if wanted.label is None:
            await session.execute(patients.remove_label(caller.id, user_id))
        else:
            place = seals.of_label(caller.id, user_id)
            text = await parts.seals.seal(session, place, wanted.label)
            await session.execute(patients.set_label(caller.id, user_id, text))
    response.headers.update(access.CACHING)
    return LabelView(user_id=user_id, label=wanted.label)


def _asked(caller: Caller, action: str) -> Asked:
    return Asked(caller.id, action, access.request_id())
