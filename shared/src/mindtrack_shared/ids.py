"""Identifiers: UUIDv7 (RFC 9562, section 5.7), so that primary keys sort by the time they were made."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()
