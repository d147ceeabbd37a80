"""Keyset cursors of lists of days: the page's last one."""

from __future__ import annotations

import base64
from datetime import date

from mindtrack_gateway.problems import InvalidRequestError

ORDINAL_BYTES = 3


def encode(last: date) -> str:
    return base64.urlsafe_b64encode(last.toordinal().to_bytes(ORDINAL_BYTES)).decode()


def decode(cursor: str) -> date:
    """Return the day a cursor stands for.

    Raises:
        InvalidRequestError: this is no cursor of ours.

    """
    try:
        return date.fromordinal(int.from_bytes(base64.urlsafe_b64decode(cursor)))
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError.about("cursor", "must be `next_cursor` of an earlier page") from error
