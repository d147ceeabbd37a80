"""When a notification may go out: not at night, where the person is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Wall-clock times. The hours may pass midnight; equal times mean that no hour is quiet."""

    begin: time = time(21)
    end: time = time(8)


def when_to_notify(now: datetime, time_zone: str, quiet: QuietHours) -> datetime:
    """Tell the earliest moment from `now` on that is not quiet, in UTC.

    Where clocks show the begin or the end twice, or skip it, quiet hours get longer rather than shorter.

    Raises:
        ValueError: `now` has no offset from UTC.

    """
    if now.tzinfo is None:
        raise ValueError("the moment needs an offset from UTC")
    moment = now.astimezone(UTC)
    if quiet.begin == quiet.end:
        return moment
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begin, end = _hours(day, quiet, zone)
        if begin <= moment < end:
            moment = end
    return moment


def _hours(day: date, quiet: QuietHours, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The quiet hours that begin on a day, in UTC."""
    last = day if quiet.begin < quiet.end else day + timedelta(days=1)
    return min(_moments(day, quiet.begin, zone)), max(_moments(last, quiet.end, zone))


def _moments(day: date, at: time, zone: ZoneInfo) -> list[datetime]:
    """The moments at which clocks show a time: two when clocks go back, and when clocks skip it."""
    return [datetime.combine(day, at.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
