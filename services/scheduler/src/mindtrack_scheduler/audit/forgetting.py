"""Removes the beginning of the chain, with its events, once that is as old as retention wants it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile
from uuid import UUID

from sqlalchemy import Engine, Row

from mindtrack_scheduler.audit.chain import Keys
from mindtrack_scheduler.audit.marking import note
from mindtrack_shared.db import access_seals
from mindtrack_shared.domain.access_events import MarkKind


def forget(engine: Engine, keys: Keys, age: timedelta, limit: int) -> int:
    """Remove so many events at most, in one transaction; return how many.

    Only what is sealed goes, and nothing behind a link that must stay. The last link that goes stays as the
    base of those behind it, and a mark says under its MAC that this was rightly done.
    """
    with engine.begin() as connection:
        connection.execute(access_seals.lock_chain())
        going = _going(connection.execute(access_seals.forgettable(age, limit + 1)).all())[:limit]
        if not going:
            return 0
        last = going[-1]
        connection.execute(access_seals.permit_forgetting())
        connection.execute(access_seals.forget([link.event_id for link in going]))
        connection.execute(access_seals.drop_links(before=last.seq))
        note(connection, keys, MarkKind.FORGOTTEN, last.seq, last.mac)
    return len(going)


def _going(links: Sequence[Row[int, UUID, bytes, bool, bool]]) -> list[Row[int, UUID, bytes, bool, bool]]:
    """Leave out the base, whose event is gone already, and all from the first on that must stay."""
    behind_base = links[1:] if links and links[0].is_base else links
    return list(takewhile(lambda link: link.may_go, behind_base))
