"""Sums up persons' days: those that do not hold what was analysed, or all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from uuid import UUID

from sqlalchemy import Engine

from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import day_values, standings, users
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: Days that are looked for at a time, persons that are gone through at a time.
BATCH = 1_000


def mend(engine: Engine, *, batch: int = BATCH) -> int:
    """Sum up days that hold too little or too much, newest first; return how many.

    After an upgrade from a release that kept no day values, these are all days. Who has days and no standing
    gets one.
    """
    mended, before = 0, None
    while not stopping():
        with engine.connect() as connection:
            found = connection.execute(day_values.amiss(limit=batch)).all()
        by_person: defaultdict[UUID, list[date]] = defaultdict(list)
        for user_id, day in found:
            by_person[user_id].append(day)
        for user_id, days in by_person.items():
            if stopping():
                return mended
            with engine.begin() as connection:
                for statement in day_values.renewal(user_id, days):
                    connection.execute(statement)
        if found == before:
            get_logger().warning(events.DAYS_AMISS, count=len(found))
            break
        mended += len(found)
        if len(found) < batch:
            break
        before = found
    with engine.begin() as connection:
        connection.execute(standings.adopt())
    if mended:
        get_logger().info(events.DAYS_MENDED, count=mended)
    return mended


def rebuild(engine: Engine) -> Iterator[UUID]:
    """Sum up all days of all persons, each in a transaction; yield whose are done."""
    last = None
    while True:
        with engine.connect() as connection:
            found = connection.scalars(users.page(after=last, limit=BATCH)).all()
        for user_id in found:
            with engine.begin() as connection:
                for statement in day_values.renewal(user_id):
                    connection.execute(statement)
            yield user_id
        if len(found) < BATCH:
            return
        last = found[-1]
