"""`mindtrack patients`: who granted a clinician something, and who should be looked at first."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer

from mindtrack_client import render
from mindtrack_client.invocation import invocation
from mindtrack_client.options import AsJson

#: The largest page that the server gives.
PAGE_SIZE = 1000


class Sort(StrEnum):
    STATUS = "status"
    LAST_RECORDED = "last_recorded"
    SEVEN_DAY_Z = "seven_day_z"


class Order(StrEnum):
    DESCENDING = "desc"
    ASCENDING = "asc"


def patients(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    sort: Annotated[Sort, typer.Option(help="`status` is by urgency.")] = Sort.STATUS,
    order: Annotated[
        Order, typer.Option(help="`desc`: the most urgent, the latest, the highest first.")
    ] = Order.DESCENDING,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only who stands so, such as `well_above`; may be given several times."),
    ] = None,
    open_alerts: Annotated[
        bool | None, typer.Option("--open-alerts/--no-open-alerts", help="Only who has some, or none.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only whose label holds this, or whose id it is.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List who granted you something, as a clinician. Each of them can see that you looked."""
    with invocation(context, as_json=as_json) as run:
        found = islice(
            run.mindtrack.patients(
                sort=sort,
                order=order,
                statuses=status or (),
                open_alerts=open_alerts,
                search=search,
                page_size=min(limit, PAGE_SIZE),
            ),
            limit,
        )
        if run.as_json:
            for patient in found:
                run.print_json(patient)
        else:
            render.print_patients(run.out, found)
