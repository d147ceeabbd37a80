"""Keyset cursors of lists in the order of recording: a moment, and an id for several at one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mindtrack_gateway.problems import InvalidRequestError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Of the microseconds since 1970, which may be before it.
MOMENT_BYTES = 8


def encode(recorded_at: datetime, last: UUID) -> str:
    microseconds = (recorded_at - EPOCH) // timedelta(microseconds=1)
    place = microseconds.to_bytes(MOMENT_BYTES, signed=True) + last.bytes
    return base64.urlsafe_b64encode(place).decode()


def decode(cursor: str) -> tuple[datetime, UUID]:
    """Return the place a cursor stands for.

    Raises:
        InvalidRequestError: this is no cursor of ours.

    """
    try:
        place = base64.urlsafe_b64decode(cursor)
        microseconds = int.from_bytes(place[:MOMENT_BYTES], signed=True)
        return EPOCH + timedelta(microseconds=microseconds), UUID(bytes=place[MOMENT_BYTES:])
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError.about("cursor", "must be `next_cursor` of an earlier page") from error
