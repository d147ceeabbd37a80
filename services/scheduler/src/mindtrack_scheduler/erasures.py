"""Goes on with erasures that were left half done: the gateway that began them ended, or could not go on."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import erasing
from mindtrack_shared.db import erasures as statements
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import KeyPlace
from mindtrack_shared.storage import StorageUnavailableError

#: The gateway, which erases while the person waits, is given so much time for it.
GRACE = timedelta(minutes=1)


def finish_erasures(engine: Engine, wakeups: Wakeups, keys: KeyPlace | None) -> int:
    """Finish what was begun and not finished; return how many. Several at a time share the work.

    Objects are not its part: steps leave tombstones of them, and `bury` deletes those. Data keys are. Whoever
    has one that is out of reach is erased another time.
    """
    finished = 0
    with engine.connect() as connection:
        half_done = connection.scalars(statements.half_done(GRACE)).all()
    for user_id in half_done:
        if stopping():
            break
        try:
            _finish(engine, wakeups, keys, user_id)
        except StorageUnavailableError:
            get_logger().warning(events.STORAGE_UNAVAILABLE)
        else:
            finished += 1
    return finished


def _finish(engine: Engine, wakeups: Wakeups, keys: KeyPlace | None, user_id: UUID) -> None:
    while not stopping():
        # A step's rows are used up when its transaction ends.
        with Session(engine, expire_on_commit=False) as session, session.begin():
            step = erasing.go_on(session, user_id, partial(_destroy, keys))
        for job_id in step.job_ids:
            wakeups.job_finished(job_id)
        if step.finished is not None:
            receipt = str(step.finished.id)
            get_logger().info(events.PERSON_ERASED, user_id=str(user_id), receipt_id=receipt)
            return


def _destroy(keys: KeyPlace | None, key_id: UUID) -> None:
    if keys is None:
        raise StorageUnavailableError("somebody has a key, and there is no place for keys")
    keys.destroy(key_id)
