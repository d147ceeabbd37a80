"""Erases all that there is about a person while they wait, step by step (`mindtrack_shared.db.erasing`)."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.jobs.announcing import announce
from mindtrack_shared.db import erasing
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.db.models import Erasure
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import StorageUnavailableError


async def erase(parts: Parts, user_id: UUID) -> Erasure:
    """Erase all that there is about a person; return the receipt. Nothing left: the former one."""
    async with parts.sessions.begin(Fence.own(user_id)) as session:
        await session.run_sync(erasing.begin, user_id)
        access.note_own(session, user_id, action="eraseEverything")
    while True:
        async with parts.sessions.begin(Fence.own(user_id)) as session:
            step = await session.run_sync(erasing.go_on, user_id, parts.seals.destroy)
        await announce(parts, *step.job_ids)
        with suppress(StorageUnavailableError):  # maintenance does it, too
            for key in step.object_keys:
                await parts.store.delete(key)
        if step.finished is not None:
            # After a restore to a moment before, this is what tells whom to erase again.
            get_logger().info(events.PERSON_ERASED, user_id=str(user_id), receipt_id=str(step.finished.id))
            return step.finished
