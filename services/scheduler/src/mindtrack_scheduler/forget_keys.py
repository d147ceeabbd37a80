"""Deletes idempotency keys that nobody will ask for again, and claims whose gateway died."""

from __future__ import annotations

from sqlalchemy import Engine

from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import idempotency
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: Rows deleted in one transaction.
BATCH = 5000


def forget_keys(engine: Engine, *, batch: int = BATCH) -> int:
    """Delete expired keys; return how many. Several at a time share the work."""
    forgotten = 0
    while not stopping():
        with engine.begin() as connection:
            deleted = len(connection.scalars(idempotency.forget(limit=batch)).all())
        forgotten += deleted
        if deleted < batch:
            break
    if forgotten:
        get_logger().info(events.KEYS_FORGOTTEN, count=forgotten)
    return forgotten
