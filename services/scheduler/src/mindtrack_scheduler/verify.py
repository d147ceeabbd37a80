"""Compares the database with object storage: after a restore, or when somebody doubts either.

Both are read once, side by side in order of keys, so that memory does not grow with what is stored; only a
folder is listed as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine, Row, collate, select, union_all

from mindtrack_shared.db.engine import without_hurry
from mindtrack_shared.db.models import Recording, Tombstone, Upload
from mindtrack_shared.sealing import KeyMissingError, SealBrokenError, SealedRecordings, sealed_size
from mindtrack_shared.storage import ListedObject, ObjectMissingError, RecordingStore

#: Rows fetched at a time.
BATCH = 1000
#: What is no recording at all.
OTHERS = "anchors/"
#: How long an upload, from its first byte to the commit of its row, may take.
GRACE = timedelta(hours=1)
#: What maintenance removes by its row: uploads that nobody submitted, and what people deleted.
_AWAITED = (select(Upload.object_key), select(Tombstone.object_key).where(Tombstone.object_key.is_not(None)))


class Verdict(StrEnum):
    SOUND = "sound"
    #: A row without an object: what must never be.
    MISSING = "missing"
    #: An object that is not what was uploaded.
    DAMAGED = "damaged"
    #: An object without a row: an upload that was not accepted in the end, or newer than the database.
    ORPHANED = "orphaned"


class Finding(NamedTuple):
    key: str
    verdict: Verdict


def verify(
    engine: Engine, recordings: SealedRecordings, *, checksums: bool, grace: timedelta = GRACE
) -> Iterator[Finding]:
    """Look up every recording's object by its size or, reading all of it, by its SHA-256; in order of keys.

    Args:
        engine: of the database.
        recordings: where the objects are; to hash them, keys must be within reach.
        checksums: read and hash every object.
        grace: objects that are younger may be uploads whose rows are not committed yet, and are no orphans.

    Raises:
        StorageUnavailableError: the store does not answer.
        ListingUnorderedError: the store does not list its objects in order of keys.

    """
    settled = datetime.now(UTC) - grace
    # By bytes, as stores sort; a database's own collation is another order.
    columns = Recording.object_key, Recording.size_bytes, Recording.sha256, Recording.user_id
    known = (
        select(*columns)
        .where(Recording.audio_removed_at.is_(None))
        .order_by(collate(Recording.object_key, "C"))
    )
    with engine.connect() as connection:
        without_hurry(connection)
        # Rows as of now, before the first object is listed: what is committed meanwhile is not missed.
        awaited = set(connection.scalars(union_all(*_AWAITED)))
        rows = iter(connection.execute(known.execution_options(yield_per=BATCH)))
        objects = (found for found in recordings.store.objects() if not found.key.startswith(OTHERS))
        row, found = next(rows, None), next(objects, None)
        while row is not None or found is not None:
            if row is not None and found is not None and row.object_key == found.key:
                yield Finding(found.key, _judge(row, found, recordings if checksums else None))
                row, found = next(rows, None), next(objects, None)
            elif row is not None and (found is None or row.object_key < found.key):
                yield Finding(row.object_key, Verdict.MISSING)
                row = next(rows, None)
            elif found is not None:
                if found.modified < settled and found.key not in awaited:
                    yield Finding(found.key, Verdict.ORPHANED)
                found = next(objects, None)


def orphans(engine: Engine, store: RecordingStore, *, grace: timedelta) -> Iterator[str]:
    """Name objects that are that old and have no row; errors as for `verify`."""
    for key, verdict in verify(engine, SealedRecordings(store, None), checksums=False, grace=grace):
        if verdict is Verdict.ORPHANED:
            yield key


def remove_orphans(engine: Engine, store: RecordingStore, *, grace: timedelta) -> Iterator[str]:
    """Remove objects that are that old and have no row; yield their keys. Errors as for `verify`.

    Not after a restore: what was accepted after its moment has no row any more, and may be wanted back.
    """
    for key in orphans(engine, store, grace=grace):
        if not _has_row(engine, key):  # it may have since
            store.remove(key)
            yield key


def _has_row(engine: Engine, key: str) -> bool:
    with engine.connect() as connection:
        return connection.scalar(select(Recording.id).where(Recording.object_key == key)) is not None


def _judge(row: Row[str, int, bytes, UUID], found: ListedObject, hashed: SealedRecordings | None) -> Verdict:
    key, size_bytes, sha256, person = row
    if found.size not in {size_bytes, sealed_size(size_bytes)}:
        return Verdict.DAMAGED
    if hashed is not None and _sha256(hashed, key, person) != sha256:
        return Verdict.DAMAGED
    return Verdict.SOUND


def _sha256(recordings: SealedRecordings, key: str, person: UUID) -> bytes | None:
    """Hash what was uploaded; None if it is gone or cannot be opened."""
    digest = hashlib.sha256()
    try:
        for chunk in recordings.read(key, person):
            digest.update(chunk)
    except (ObjectMissingError, SealBrokenError, KeyMissingError):
        return None
    return digest.digest()
