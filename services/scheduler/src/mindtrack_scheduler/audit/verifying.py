"""Verifies the chain over access events against its keys, its marks and its anchors.

Everything is read as of one moment, and links one by one: memory grows with anchors, not with events.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, Engine, RowMapping, select

from mindtrack_scheduler.audit.chain import GENESIS, Keys, KeyUnknownError, Link, link_mac, mark_mac
from mindtrack_shared.db import access_seals
from mindtrack_shared.db.clock import now
from mindtrack_shared.db.engine import without_hurry
from mindtrack_shared.domain.access_events import MarkKind
from mindtrack_shared.storage import Anchor

#: Links fetched at a time.
BATCH = 2000
#: How long an event may wait to be sealed, and a link for an anchor.
GRACE = timedelta(minutes=15)
_OF_LINK = frozenset({"seq", "event_id", "sealed_at", "key_id", "mac"})


class Verdict(StrEnum):
    SOUND = "sound"
    #: A link's MAC is not that of its event, its number and the link before.
    ALTERED = "altered"
    #: A link without its event.
    EVENT_MISSING = "event-missing"
    #: Numbers that are skipped.
    LINKS_MISSING = "links-missing"
    #: Its key is not in the file, and nothing can be said of it.
    KEY_UNKNOWN = "key-unknown"
    #: A mark that we did not make.
    MARK_FORGED = "mark-forged"
    #: An event that neither has a link nor waits for one: it did not come in as all do.
    INSERTED = "inserted"
    #: An event that waits for its link for too long, or that is gone while it waited.
    OVERDUE = "overdue"
    #: An anchor tells of a link behind the last one.
    TAIL_MISSING = "tail-missing"
    #: An anchor tells of another link than there is.
    REWRITTEN = "rewritten"
    #: Links from here on have waited for an anchor for too long: were they cut off, nobody would know.
    NOT_ANCHORED = "not-anchored"


class Finding(NamedTuple):
    verdict: Verdict
    #: Numbers of links, or ids.
    about: str


def count(engine: Engine) -> int:
    """Return how many links there are to verify."""
    with engine.connect() as connection:
        return connection.scalar(access_seals.count()) or 0


def verify(
    engine: Engine, keys: Keys, anchors: Iterable[tuple[Anchor, datetime]], *, grace: timedelta = GRACE
) -> Iterator[Finding]:
    """Yield a finding for each link, and for all else that is not as it should be.

    Args:
        engine: of the database.
        keys: those that seal and sealed.
        anchors: with when they were written.
        grace: how long an event may wait to be sealed, and a link for an anchor.

    Raises:
        StorageUnavailableError: anchors cannot be read.

    """
    # Before anything of the database, so that none tells of what is not there yet.
    anchored = defaultdict[int, list[tuple[bytes, datetime]]](list)
    for anchor, written in anchors:
        anchored[anchor.seq].append((anchor.mac, written))
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        without_hurry(connection)
        walk = _Walk(keys, anchored)
        yield from walk.marks(connection)
        yield from walk.links(connection)
        yield from walk.end(connection, grace)
        for event_id in connection.scalars(access_seals.never_sealed()):
            yield Finding(Verdict.INSERTED, str(event_id))
        for event_id in connection.scalars(access_seals.overdue(grace)):
            yield Finding(Verdict.OVERDUE, str(event_id))


class _Walk:
    """Along the chain, link by link."""

    def __init__(self, keys: Keys, anchored: dict[int, list[tuple[bytes, datetime]]]) -> None:
        self._keys = keys
        #: By number of link: what anchors say of it, and when they were written. What was compared goes.
        self._anchored = anchored
        #: Of each restore, the last link that was left and when it was noted.
        self._restores: list[tuple[int, datetime]] = []
        #: The link that we stand at, and what it is.
        self._seq, self._mac = 0, GENESIS
        #: The first link behind the last anchor, and when it was sealed.
        self._unanchored: tuple[int, datetime] | None = None

    def marks(self, connection: Connection) -> Iterator[Finding]:
        """Find out where the chain begins, and what a restore lost."""
        for mark in connection.execute(access_seals.marks()).mappings():
            values = {name: value for name, value in mark.items() if name != "mac"}
            try:
                ours = hmac.compare_digest(mark_mac(self._keys, values), mark["mac"])
            except KeyUnknownError:
                ours = False
            if not ours:
                yield Finding(Verdict.MARK_FORGED, str(mark["id"]))
            elif mark["kind"] == MarkKind.RESTORED:
                self._restores.append((mark["seq"], mark["at"]))
            elif mark["seq"] > self._seq:
                self._seq, self._mac = mark["seq"], mark["seal"]

    def links(self, connection: Connection) -> Iterator[Finding]:
        begins_after = self._seq
        asked = access_seals.links().execution_options(yield_per=BATCH)
        for row in connection.execute(asked).mappings():
            if row["seq"] <= begins_after:
                # The last that was forgotten may still be there; its event is not.
                kept = row["seq"] == begins_after and hmac.compare_digest(row["mac"], self._mac)
                if not kept:
                    yield Finding(Verdict.ALTERED, str(row["seq"]))
                continue
            if row["seq"] == self._seq + 1:
                yield self._judge(row)
            else:  # and what follows a link that is missing cannot be judged
                yield Finding(Verdict.LINKS_MISSING, f"{self._seq + 1}-{row['seq'] - 1}")
            yield from self._compare(row)
            self._seq, self._mac = row["seq"], row["mac"]

    def _judge(self, row: RowMapping) -> Finding:
        about = str(row["seq"])
        if row["id"] is None:
            return Finding(Verdict.EVENT_MISSING, f"{about} {row['event_id']}")
        event = {name: value for name, value in row.items() if name not in _OF_LINK}
        link = Link(row["seq"], row["key_id"], row["sealed_at"], event)
        try:
            sound = hmac.compare_digest(link_mac(self._keys, self._mac, link), row["mac"])
        except KeyUnknownError:
            return Finding(Verdict.KEY_UNKNOWN, f"{about} {row['key_id']}")
        return Finding(Verdict.SOUND if sound else Verdict.ALTERED, about)

    def _compare(self, row: RowMapping) -> Iterator[Finding]:
        found = self._anchored.pop(row["seq"], [])
        if any(mac == row["mac"] for mac, _ in found):
            self._unanchored = None
        elif self._unanchored is None:
            self._unanchored = (row["seq"], row["sealed_at"])
        if any(mac != row["mac"] and not self._lost(row["seq"], written) for mac, written in found):
            yield Finding(Verdict.REWRITTEN, str(row["seq"]))

    def end(self, connection: Connection, grace: timedelta) -> Iterator[Finding]:
        missing = (
            seq
            for seq, found in self._anchored.items()
            if seq > self._seq and not all(self._lost(seq, written) for _, written in found)
        )
        if last := max(missing, default=None):
            yield Finding(Verdict.TAIL_MISSING, f"{self._seq + 1}-{last}")
        moment: datetime | None = connection.scalar(select(now()))
        if self._unanchored is not None and moment is not None and self._unanchored[1] < moment - grace:
            yield Finding(Verdict.NOT_ANCHORED, f"{self._unanchored[0]}-{self._seq}")

    def _lost(self, seq: int, written: datetime) -> bool:
        """Whether an anchor tells of what is known to be lost by a restore."""
        return any(seq > left and written <= at for left, at in self._restores)
