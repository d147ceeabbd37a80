"""Keyset cursors: the id of a page's last job, opaque to clients so that it may grow."""

from __future__ import annotations

import base64
from uuid import UUID

from mindtrack_gateway.problems import InvalidRequestError


def encode(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode(cursor: str) -> UUID:
    """Return the id a cursor stands for.

    Raises:
        InvalidRequestError: this is no cursor of ours.

    """
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise InvalidRequestError.about("cursor", "must be `next_cursor` of an earlier page") from error
