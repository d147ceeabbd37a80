"""Keyset cursors of the list of patients.

A place is a key and the id of a grant, never of a person: addresses end up in logs, where what somebody
scored must not stand beside who they are.
"""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mindtrack_gateway.problems import InvalidRequestError
from mindtrack_shared.db.patients import Key, Place
from mindtrack_shared.domain.patients import URGENCY, Order, PatientSort

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
#: What it is sorted by, in which order, whether there is a key, the key, the grant.
FORM = struct.Struct(">BB?8s16s")
#: Of statuses, from 1 as the database counts.
RANKS = range(1, len(URGENCY) + 1)
_SORTS, _ORDERS = tuple(PatientSort), tuple(Order)


def encode(sort: PatientSort, order: Order, place: Place) -> str:
    key = bytes(8) if place.key is None else _packed(place.key)
    told = FORM.pack(
        _SORTS.index(sort), _ORDERS.index(order), place.key is not None, key, place.grant_id.bytes
    )
    return base64.urlsafe_b64encode(told).decode()


def decode(cursor: str, sort: PatientSort, order: Order) -> Place:
    """Return the place a cursor stands for.

    Raises:
        InvalidRequestError: this is no cursor of ours, or one of a list in another order.

    """
    try:
        by, way, is_known, key, grant_id = FORM.unpack(base64.urlsafe_b64decode(cursor))
        found = Place(_unpacked(key, sort) if is_known else None, UUID(bytes=grant_id))
        if (by, way) == (_SORTS.index(sort), _ORDERS.index(order)):
            return found
    except (ValueError, OverflowError, struct.error) as error:
        raise _refused() from error
    raise _refused()


def _packed(key: Key) -> bytes:
    if isinstance(key, datetime):
        return ((key - EPOCH) // MICROSECOND).to_bytes(8, signed=True)
    return struct.pack(">d", key)


def _unpacked(key: bytes, sort: PatientSort) -> Key:
    if sort is PatientSort.LAST_RECORDED:
        return EPOCH + int.from_bytes(key, signed=True) * MICROSECOND
    value: float = struct.unpack(">d", key)[0]
    return value if sort is PatientSort.SEVEN_DAY_Z else RANKS[RANKS.index(int(value))]


def _refused() -> InvalidRequestError:
    return InvalidRequestError.about(
        "cursor", "must be `next_cursor` of an earlier page with the same `sort` and `order`"
    )
