"""Notes what was rightly done to the chain, under a MAC: who can change the database cannot pretend it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from mindtrack_scheduler.audit.chain import GENESIS, Keys, mark_mac
from mindtrack_shared.db import access_seals
from mindtrack_shared.db.clock import now
from mindtrack_shared.db.models import AccessMark
from mindtrack_shared.domain.access_events import MarkKind
from mindtrack_shared.ids import new_id


def note_restored(engine: Engine, keys: Keys) -> int:
    """Note that a backup was restored; return the number of the last link that there is.

    What anchors say of later links, if they were written before now, is known to be lost from then on.
    """
    with engine.begin() as connection:
        connection.execute(access_seals.lock_chain())
        head = connection.execute(access_seals.head()).one_or_none()
        seq, seal = (head.seq, head.mac) if head is not None else (0, GENESIS)
        note(connection, keys, MarkKind.RESTORED, seq, seal)
        return seq


def note(connection: Connection, keys: Keys, kind: MarkKind, seq: int, seal: bytes) -> None:
    """Add a mark, in the transaction that does what it tells of."""
    mark: dict[str, Any] = {
        "id": new_id(),
        "kind": kind.value,
        "at": connection.scalar(select(now())),
        "seq": seq,
        "seal": seal,
        "key_id": keys.current,
    }
    connection.execute(insert(AccessMark).values(mark | {"mac": mark_mac(keys, mark)}))
