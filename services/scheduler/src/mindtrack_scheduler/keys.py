"""Data keys, gone through by an operator: to wrap them anew, and to find those that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Engine, Row

from mindtrack_shared.db import data_keys
from mindtrack_shared.sealing import DataKeys, KeyPlace

#: Persons gone through at a time.
BATCH = 1_000


def rewrap(engine: Engine, keys: DataKeys) -> Iterator[bool]:
    """Wrap every data key with the current key-encryption key; tell of each whether that was to be done.

    No recording and no row is written anew. Who is erased meanwhile is: each key's row is held while the key
    is written.

    Raises:
        StorageUnavailableError: keys are out of reach; what was done is done.
        UnwrapRefusedError: the key-encryption key that opens one is not here any more.

    """
    for person, _ in _everybody(engine):
        with engine.begin() as connection:
            key_id = connection.scalar(data_keys.held(person))
            yield key_id is not None and keys.rewrap(key_id, person)


def lost(engine: Engine, place: KeyPlace) -> Iterator[UUID]:
    """Name who has a key that is not there: after a restore, who was erased since that moment.

    Raises:
        StorageUnavailableError: the place is out of reach.

    """
    return (person for person, key_id in _everybody(engine) if not place.holds(key_id))


def _everybody(engine: Engine) -> Iterator[Row[UUID, UUID]]:
    last = None
    while True:
        with engine.connect() as connection:
            found = connection.execute(data_keys.page(limit=BATCH, after=last)).all()
        yield from found
        if len(found) < BATCH:
            return
        last = found[-1].user_id
