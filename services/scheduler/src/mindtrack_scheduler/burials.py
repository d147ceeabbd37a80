"""Deletes the audio of deleted jobs where the store was away when their owner deleted them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import deletion
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError

#: The gateway, which deletes at once, is given so much time for it.
GRACE = timedelta(minutes=1)
#: Objects deleted in one transaction.
BATCH = 20


def bury(engine: Engine, store: RecordingStore) -> int:
    """Delete what is left of deleted jobs; return how many. Several at a time share the work."""
    buried = 0
    while not stopping():
        with engine.begin() as connection:
            found = connection.execute(deletion.unburied(older_than=GRACE, limit=BATCH)).all()
            try:
                for job_id, object_key in found:
                    store.remove(object_key or "")
                    connection.execute(deletion.bury(job_id))
                    buried += 1
            except StorageUnavailableError:
                get_logger().warning(events.STORAGE_UNAVAILABLE)
                return buried
        if len(found) < BATCH:
            break
    return buried
