"""Options that several commands share, and how times are read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, one document a line.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for results; 0 looks once.")]
TimeZone = Annotated[
    str | None,
    typer.Option(
        envvar="MINDTRACK_TIME_ZONE",
        metavar="NAME",
        help="IANA name, e.g. Asia/Tokyo: it decides the day a recording counts for. UTC otherwise.",
    ),
]


def moment(text: str | None, time_zone: str | None, option: str) -> datetime | None:
    """Read a time; without an offset it is in `time_zone`, or else in this machine's.

    Raises:
        typer.BadParameter: it is none, or there is no such zone.

    """
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"not an ISO 8601 time: {text}", param_hint=option) from None
    if read.utcoffset() is not None:
        return read
    if time_zone is None:
        return read.astimezone()
    try:
        return read.replace(tzinfo=ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(f"unknown time zone: {time_zone}", param_hint="--time-zone") from None
