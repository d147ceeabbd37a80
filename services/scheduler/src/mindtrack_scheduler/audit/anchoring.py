"""Anchors the chain: keeps its head where who can change the database cannot change it."""

from __future__ import annotations

from sqlalchemy import Engine

from mindtrack_scheduler.metrics import ANCHORS
from mindtrack_shared.db import access_seals
from mindtrack_shared.storage import Anchor, AnchorStore, StorageUnavailableError


def anchor(engine: Engine, store: AnchorStore) -> Anchor | None:
    """Anchor the last link, and return what was anchored; an empty chain has none.

    Raises:
        StorageUnavailableError: the store does not answer; the next anchor will do.

    """
    with engine.connect() as connection:
        head = connection.execute(access_seals.head()).one_or_none()
    if head is None:
        return None
    found = Anchor(head.seq, head.mac)
    try:
        store.add(found)
    except StorageUnavailableError:
        ANCHORS.labels("failed").inc()
        raise
    ANCHORS.labels("kept").inc()
    return found
