"""Everything the service keeps about a person's jobs, in one file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from mindtrack_client.client import MindTrack
from mindtrack_client.errors import GoneError, NotFoundError
from mindtrack_client.version import __version__

JOBS = "jobs.jsonl"
MANIFEST = "manifest.json"
#: Of the layout below; a reader that knows it knows what follows.
FORMAT_VERSION = 1

#: Called with (jobs so far, jobs in all).
Step = Callable[[int, int], None]


class Format(StrEnum):
    JSONL = "jsonl"
    ZIP = "zip"


def collect(mindtrack: MindTrack, page_size: int, on_step: Step) -> Iterator[dict[str, Any]]:
    """Yield every job, newest first, whole. One that is deleted meanwhile is left out."""
    ids = [job.id for job in mindtrack.jobs(page_size=page_size)]
    on_step(0, len(ids))
    for done, job_id in enumerate(ids, start=1):
        try:
            document = mindtrack.document(job_id)
        except (GoneError, NotFoundError):
            continue
        finally:
            on_step(done, len(ids))
        yield document


def write(target: Path, kind: Format, documents: Iterable[dict[str, Any]], *, server: str) -> dict[str, Any]:
    """Write jobs into a file, whole or not at all, and return the manifest."""
    with _replacing(target) as file:
        if kind is Format.JSONL:
            return _write_lines(file, documents, server)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open(JOBS, "w", force_zip64=True) as member:
                manifest = _write_lines(member, documents, server)
            archive.writestr(MANIFEST, json.dumps(manifest, indent=2) + "\n")
        return manifest


def _write_lines(file: IO[bytes], documents: Iterable[dict[str, Any]], server: str) -> dict[str, Any]:
    digest, size, analyses = hashlib.sha256(), 0, 0
    by_status: Counter[str] = Counter()
    for document in documents:
        line = json.dumps(document).encode() + b"\n"
        file.write(line)
        digest.update(line)
        size += len(line)
        by_status[document["status"]] += 1
        analyses += document.get("analysis") is not None
    return {
        "format": "mindtrack-export",
        "version": FORMAT_VERSION,
        "created_at": datetime.now(UTC).isoformat(),
        "created_by": f"mindtrack-client {__version__}",
        "server": server,
        "jobs": by_status.total(),
        "analyses": analyses,
        "by_status": dict(by_status),
        "files": {JOBS: {"bytes": size, "sha256": digest.hexdigest()}},
    }


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file beside the target that takes its place at the end; for its owner's eyes only."""
    part = target.with_name(f".{target.name}.part")
    try:
        part.touch(mode=0o600)
        with part.open("wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
