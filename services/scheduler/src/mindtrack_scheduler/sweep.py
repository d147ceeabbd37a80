"""Removes what uploads left behind: objects that were never submitted, or came again after they were.

The object goes first, then its row: when the sweep ends in between, the next one finds the row again.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from mindtrack_scheduler.metrics import SWEPT_UPLOADS
from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import uploads
from mindtrack_shared.db.uploads import GRACE
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import RecordingStore

#: Rows that are locked while their objects are removed.
BATCH = 20


def sweep(engine: Engine, store: RecordingStore, *, grace: timedelta = GRACE) -> int:
    """Remove uploads that expired that long ago, with their objects; return how many.

    Several at a time share the work. Rows of used uploads go, too: submitting one again finds nothing then.

    Raises:
        StorageUnavailableError: the store does not answer; the batch is left for the next sweep.

    """
    swept = 0
    while not stopping() and (removed := _batch(engine, store, grace)):
        swept += removed
    if swept:
        SWEPT_UPLOADS.inc(swept)
        get_logger().info(events.UPLOADS_SWEPT, count=swept)
    return swept


def _batch(engine: Engine, store: RecordingStore, grace: timedelta) -> int:
    with engine.begin() as connection:
        expired = connection.execute(uploads.expired(since=grace, limit=BATCH)).all()
        for upload_id, key in expired:
            store.remove(key)
            connection.execute(uploads.forget(upload_id))
    return len(expired)
