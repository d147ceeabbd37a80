"""Seals access events: adds those that were committed since to the chain, in the order of their ids.

Whoever reads waits for nobody: events are inserted freely, and get their links here, one sealer at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, RowMapping, insert

from mindtrack_scheduler.audit.chain import GENESIS, Keys, Link, link_mac
from mindtrack_scheduler.metrics import SEALED_EVENTS
from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import access_seals
from mindtrack_shared.db.models import AccessSeal

#: Events sealed in one transaction.
BATCH = 1000


def seal(engine: Engine, keys: Keys, *, batch: int = BATCH) -> int:
    """Seal what is not yet; return how many events."""
    sealed = 0
    while not stopping():
        with engine.begin() as connection:
            added = _seal_batch(connection, keys, batch)
        SEALED_EVENTS.inc(added)
        sealed += added
        if added < batch:
            break
    return sealed


def _seal_batch(connection: Connection, keys: Keys, batch: int) -> int:
    connection.execute(access_seals.lock_chain())
    found = connection.execute(access_seals.unsealed(batch)).mappings().all()
    if not found:
        return 0
    head = connection.execute(access_seals.head()).one_or_none()
    seq, before = (head.seq, head.mac) if head is not None else (0, GENESIS)
    connection.execute(insert(AccessSeal), _links(keys, seq, before, found))
    connection.execute(access_seals.note_sealed([row["id"] for row in found]))
    return len(found)


def _links(keys: Keys, seq: int, before: bytes, found: Sequence[RowMapping]) -> list[dict[str, object]]:
    links: list[dict[str, object]] = []
    for number, row in enumerate(found, start=seq + 1):
        event = {name: value for name, value in row.items() if name != "sealed_at"}
        link = Link(number, keys.current, row["sealed_at"], event)
        before = link_mac(keys, before, link)
        links.append(
            {
                "seq": number,
                "event_id": row["id"],
                "sealed_at": link.sealed_at,
                "key_id": link.key_id,
                "mac": before,
            }
        )
    return links
