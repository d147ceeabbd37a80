"""Moments as clients write them: RFC 3339, with an offset from UTC; and the names of time zones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

#: Phones' clocks run ahead by a little; more than this is a mistake.
CLOCK_SLACK = timedelta(minutes=5)
#: Older moments are mistakes, most often of a clock that was never set: no phone recorded voice logs then.
OLDEST_YEARS = 20

#: RFC 3339, section 5.6; the offset is looked at apart, to say so where it is missing.
_FORM = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(?P<offset>Z|[+-]\d\d:\d\d)?", re.IGNORECASE)
#: `+` in an address stands for a blank.
_LOST_PLUS = re.compile(r".*:\d\d(\.\d+)? \d\d:\d\d")


def moment(text: object) -> datetime:
    """Read a moment, in UTC.

    Raises:
        PydanticCustomError: it is none, or it has no offset.

    """
    if not isinstance(text, str):
        raise _refused("must be an RFC 3339 date and time such as 2026-03-01T18:00:00+01:00")
    if _LOST_PLUS.fullmatch(text):
        raise _refused("needs an offset such as Z or +01:00; in an address, write + as %2B")
    found = _FORM.fullmatch(text)
    if found is None:
        raise _refused("must be an RFC 3339 date and time such as 2026-03-01T18:00:00+01:00")
    if found["offset"] is None:
        raise _refused("needs an offset from UTC such as Z or +01:00")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused("is no moment that there is") from error


NO_ZONE = "must be an IANA time zone such as Europe/Berlin"


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that name."""
    return name in _zones()


@cache
def _zones() -> frozenset[str]:
    """All but those that are the machine's own: they are another zone elsewhere."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def implausible(when: datetime, *, now: datetime) -> str | None:
    """Say why nothing of ours happened at a moment, if so."""
    if when > now + CLOCK_SLACK:
        return "must not lie in the future"
    if when < now - timedelta(days=365.25 * OLDEST_YEARS):
        return f"must not lie more than {OLDEST_YEARS} years in the past"
    return None


def _refused(why: str) -> PydanticCustomError:
    return PydanticCustomError("moment", why)


Moment = Annotated[datetime, BeforeValidator(moment)]
