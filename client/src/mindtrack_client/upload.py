"""A recording on its way from disk to the server, read in pieces."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath

from mindtrack_client.models import Priority

#: Called with (bytes read so far, bytes in all) as a recording goes out; from the start again in a retry.
UploadProgress = Callable[[int, int], None]

#: Bytes read from disk at a time.
PIECE = 256 * 1024
UNTYPED = "application/octet-stream"

# `mimetypes` depends on the machine, calls .webm a video and does not know some of what phones send.
_CONTENT_TYPES = {
    ".3gp": "audio/3gpp",
    ".aac": "audio/aac",
    ".amr": "audio/amr",
    ".caf": "audio/x-caf",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".mp4": "audio/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "audio/webm",
}


def content_type(name: str) -> str:
    return _CONTENT_TYPES.get(PurePath(name).suffix.lower(), UNTYPED)


class RecordingFile(io.FileIO):
    """A file that reports how far it was read and keeps the size it had when it was opened.

    Raises:
        OSError: the file cannot be opened.

    """

    def __init__(self, path: Path, on_progress: UploadProgress | None = None) -> None:
        super().__init__(path)
        self.size_bytes = os.fstat(self.fileno()).st_size
        self._on_progress = on_progress

    def read(self, size: int | None = -1, /) -> bytes:
        # A recording that still grows must not outgrow the Content-Length already announced.
        left = max(0, self.size_bytes - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""

    def pieces(self, *, silent: bool = False) -> Iterator[bytes]:
        """Read it from its start; progress is told unless `silent`."""
        self.seek(0)
        while piece := self.read(PIECE):
            yield piece
            if self._on_progress is not None and not silent:
                self._on_progress(self.tell(), self.size_bytes)


@dataclass(frozen=True, slots=True)
class FileContent:
    """A request's content: a recording, and what a form puts around it."""

    file: RecordingFile
    content_type: str
    head: bytes = b""
    tail: bytes = b""

    @property
    def size_bytes(self) -> int:
        return len(self.head) + self.file.size_bytes + len(self.tail)

    def pieces(self, *, silent: bool = False) -> Iterator[bytes]:
        if self.head:
            yield self.head
        yield from self.file.pieces(silent=silent)
        if self.tail:
            yield self.tail

    def digest(self) -> str:
        """Return its `Content-Digest` (RFC 9530), which takes one reading of the file."""
        running = hashlib.sha256()
        for piece in self.pieces(silent=True):
            running.update(piece)
        return f"sha-256=:{base64.b64encode(running.digest()).decode()}:"


def form(file: RecordingFile, name: str, fields: Mapping[str, str]) -> FileContent:
    """Frame a recording and its fields as multipart/form-data (RFC 7578)."""
    boundary = secrets.token_hex(16)
    # The fields first: who refuses them need not receive the recording.
    head = b"".join(
        b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        % (boundary.encode(), field.encode(), value.encode())
        for field, value in fields.items()
    )
    head += (
        b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\nContent-Type: %b\r\n\r\n'
        % (
            boundary.encode(),
            _quotable(name),
            content_type(name).encode(),
        )
    )
    return FileContent(
        file, f"multipart/form-data; boundary={boundary}", head, b"\r\n--%b--\r\n" % boundary.encode()
    )


def _quotable(name: str) -> bytes:
    """Escape what would end a quoted name, as browsers do. Names need not be valid text."""
    escaped = re.sub(r'["\r\n]', lambda found: f"%{ord(found[0]):02X}", name)
    return escaped.encode("utf-8", "replace")


def form_fields(
    recorded_at: datetime | None,
    time_zone: str | None,
    prompt_ended_at: datetime | None,
    priority: Priority | str | None,
) -> dict[str, str]:
    """The text parts that go with the recording.

    Raises:
        ValueError: a time has no offset from UTC, the prompt's end comes without `recorded_at`, or there is
            no such priority.

    """
    if prompt_ended_at is not None and recorded_at is None:
        raise ValueError("prompt_ended_at needs recorded_at to be counted from")
    fields: dict[str, str] = {}
    for name, moment in (("recorded_at", recorded_at), ("prompt_ended_at", prompt_ended_at)):
        if moment is None:
            continue
        if moment.utcoffset() is None:
            raise ValueError(f"{name} needs a UTC offset, got {moment.isoformat()}")
        fields[name] = moment.isoformat()
    if time_zone is not None:
        fields["time_zone"] = time_zone
    if priority is not None:
        fields["priority"] = Priority(priority).value
    return fields
