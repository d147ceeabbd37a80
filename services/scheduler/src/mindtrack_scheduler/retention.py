"""Removes what is kept for a while only, class by class: here is the list of them; periods are settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine
from sqlalchemy.exc import SQLAlchemyError

from mindtrack_scheduler.audit import forgetting
from mindtrack_scheduler.audit.chain import Keys
from mindtrack_scheduler.metrics import RETAINED_AT, RETENTION_REMOVED
from mindtrack_scheduler.settings import RetentionSettings
from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import access_seals, retention
from mindtrack_shared.db.models import Base, Invitation, Notification, WebhookDelivery
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError

#: Rows in one transaction.
BATCH = 500
#: Objects: each is a request, and who waits for the rows of these waits for all of them.
OBJECTS = 20


class RetentionIncompleteError(Exception):
    """Of some classes, not all that is past its period could be removed; the next round goes on with them."""

    def __init__(self, classes: list[str]) -> None:
        super().__init__(f"not all was removed of: {', '.join(classes)}")


class Expired(NamedTuple):
    """How much of a class is past its period."""

    name: str
    #: For ever, if None.
    keep: timedelta | None
    number: int


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    #: For ever, if None.
    keep: timedelta | None
    #: How many are past a period; and one batch of them is removed.
    count: Callable[[timedelta], int]
    remove: Callable[[timedelta], int]


def policies(
    settings: RetentionSettings, engine: Engine, store: RecordingStore, keys: Keys | None
) -> tuple[Policy, ...]:
    """List what is kept for how long. Without keys there is no chain, and accesses stay."""
    return (
        Policy("audio", settings.audio, partial(_count_audio, engine), partial(_remove_audio, engine, store)),
        _of_rows(engine, "deliveries", settings.deliveries, WebhookDelivery, retention.deliveries),
        _of_rows(engine, "notifications", settings.notifications, Notification, retention.notifications),
        _of_rows(engine, "invitations", settings.invitations, Invitation, retention.invitations),
        Policy(
            "accesses",
            settings.accesses if keys else None,
            partial(_count_accesses, engine),
            partial(_forget_accesses, engine, keys),
        ),
    )


def look(listed: tuple[Policy, ...]) -> Iterator[Expired]:
    """Tell what `retain` would remove now."""
    for policy in listed:
        yield Expired(policy.name, policy.keep, 0 if policy.keep is None else policy.count(policy.keep))


def retain(listed: tuple[Policy, ...]) -> Iterator[Expired]:
    """Remove what is past its period, in small transactions; yield how much of each class went.

    Raises:
        RetentionIncompleteError: for some classes, storage or database was away; the others are done.

    """
    failed = []
    for policy in listed:
        removed = 0
        try:
            while policy.keep is not None and not stopping() and (batch := policy.remove(policy.keep)):
                RETENTION_REMOVED.labels(policy.name).inc(batch)
                removed += batch
        except (StorageUnavailableError, SQLAlchemyError) as error:
            get_logger().warning(events.RETENTION_FAILED, data_class=policy.name, error=type(error).__name__)
            failed.append(policy.name)
        if removed:
            get_logger().info(events.RETENTION_REMOVED, data_class=policy.name, count=removed)
        yield Expired(policy.name, policy.keep, removed)
    if failed:
        raise RetentionIncompleteError(failed)
    if not stopping():
        RETAINED_AT.set_to_current_time()


def _of_rows(
    engine: Engine,
    name: str,
    keep: timedelta | None,
    table: type[Base],
    which: Callable[[timedelta], ColumnElement[bool]],
) -> Policy:
    def count(age: timedelta) -> int:
        with engine.connect() as connection:
            return connection.scalar(retention.count(table, which(age))) or 0

    def remove(age: timedelta) -> int:
        with engine.begin() as connection:
            return len(connection.execute(retention.remove(table, which(age), limit=BATCH)).all())

    return Policy(name, keep, count, remove)


def _count_audio(engine: Engine, age: timedelta) -> int:
    with engine.connect() as connection:
        return connection.scalar(retention.count_audio(age)) or 0


def _remove_audio(engine: Engine, store: RecordingStore, age: timedelta) -> int:
    """Remove objects, and note each: when this ends in between, the next round finds the rows again."""
    with engine.begin() as connection:
        found = connection.execute(retention.audio(age, limit=OBJECTS)).all()
        for recording_id, key in found:
            store.remove(key)
            connection.execute(retention.note_audio_removed(recording_id))
    return len(found)


def _count_accesses(engine: Engine, age: timedelta) -> int:
    with engine.connect() as connection:
        return connection.scalar(access_seals.count_forgettable(age)) or 0


def _forget_accesses(engine: Engine, keys: Keys | None, age: timedelta) -> int:
    return 0 if keys is None else forgetting.forget(engine, keys, age, BATCH)
