"""Identifiers: UUIDv7 (RFC 9562, section 5.7), so that primary keys sort by the time they were made."""

from datetime import datetime, timedelta
from uuid import UUID

import uuid_utils.compat

#: An id begins with this many milliseconds at most, in 48 bits.
MAX_MILLISECONDS = (1 << 48) - 1


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()


def first_id(at: datetime, shifted: timedelta = timedelta(0)) -> UUID:
    """Return what no id comes before that is made at a moment, or so much later, or after that.

    What lies outside the times that ids can tell becomes the first or the last of them.
    """
    milliseconds = int((at.timestamp() + shifted.total_seconds()) * 1000)
    return UUID(int=min(max(milliseconds, 0), MAX_MILLISECONDS) << 80)
