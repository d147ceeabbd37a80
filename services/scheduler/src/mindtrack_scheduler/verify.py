"""Compares the database with object storage: after a restore, or when somebody doubts either."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine, select

from mindtrack_shared.db.models import Recording
from mindtrack_shared.storage import ObjectMissingError, RecordingStore

#: Rows fetched at a time.
BATCH = 1000


@dataclass
class Findings:
    recordings: int = 0
    #: Keys of rows without an object: what must never be.
    missing: list[str] = field(default_factory=list)
    #: Keys of objects that are not what was uploaded.
    damaged: list[str] = field(default_factory=list)
    #: Keys of objects without a row: an upload that was not accepted in the end, or newer than the database.
    orphaned: list[str] = field(default_factory=list)


def verify(
    engine: Engine,
    store: RecordingStore,
    *,
    checksums: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Look up every recording's object by its size or, reading all of it, by its SHA-256.

    Args:
        engine: of the database.
        store: where the objects are.
        checksums: read and hash every object.
        progress: told how many recordings were looked up since it was told last.

    Raises:
        StorageUnavailableError: the store does not answer.

    """
    # What lies elsewhere is an upload: no recording yet, or not any more.
    sizes = {key: size for key, size in store.sizes() if key.startswith("recordings/")}
    findings = Findings()
    known = select(Recording.object_key, Recording.size_bytes, Recording.sha256).execution_options(
        yield_per=BATCH
    )
    with engine.connect() as connection:
        for key, size_bytes, sha256 in connection.execute(known):
            findings.recordings += 1
            found = sizes.pop(key, None)
            if found is None:
                findings.missing.append(key)
            elif found != size_bytes or (checksums and _sha256(store, key) != sha256):
                findings.damaged.append(key)
            progress(1)
    findings.orphaned.extend(sorted(sizes))
    return findings


def _sha256(store: RecordingStore, key: str) -> bytes | None:
    digest = hashlib.sha256()
    try:
        for chunk in store.read(key):
            digest.update(chunk)
    except ObjectMissingError:
        return None
    return digest.digest()
