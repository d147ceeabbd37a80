"""What clients were told, written down as it happens: a line of JSON for each answer and each state seen."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

#: What the API says of a job that it does not know, or that is somebody else's.
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A job was promised: whoever sent the recording may forget it."""

    at: float
    fault: str
    job: str
    key: str
    status: int
    #: From the request's first byte to the whole answer.
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An answer that promises nothing; status 0 is a connection that broke."""

    at: float
    fault: str
    key: str
    status: int
    retry_after: str | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A job's state, as the API told it."""

    at: float
    fault: str
    job: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Erased:
    """A job whose deletion was answered."""

    at: float
    fault: str
    job: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """What was done to the system, for whoever reads the journal. Nothing is judged by it."""

    at: float
    fault: str
    what: str


Entry = Accepted | Refused | Seen | Erased | Note
_KINDS = {kind.__name__.lower(): kind for kind in (Accepted, Refused, Seen, Erased, Note)}


class Journal:
    """Appends entries to a file; keeps them, too. Serves any number of threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()
        self.entries: list[Entry] = []

    def write(self, entry: Entry) -> None:
        line = json.dumps({"kind": type(entry).__name__.lower(), **asdict(entry)})
        with self._lock:
            self._file.write(line + "\n")
            self.entries.append(entry)

    def note(self, fault: str, what: str) -> None:
        self.write(Note(at=time.time(), fault=fault, what=what))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Entry]:
    """Read a journal again, to judge it anew."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        yield _KINDS[fields.pop("kind")](**fields)
