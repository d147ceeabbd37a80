"""A recording on its way from disk to the server, read in pieces."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path, PurePath

from mindtrack_client.models import Priority

#: Called with (bytes read so far, bytes in all) as a recording goes out.
UploadProgress = Callable[[int, int], None]

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
    return _CONTENT_TYPES.get(PurePath(name).suffix.lower(), "application/octet-stream")


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
        chunk = super().read(left if size is None or size < 0 else min(size, left)) or b""
        if chunk and self._on_progress is not None:
            self._on_progress(self.tell(), self.size_bytes)
        return chunk


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
