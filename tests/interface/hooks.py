"""Tells Schemathesis how recordings are sent: as they are."""

from __future__ import annotations

import schemathesis


@schemathesis.serializer("application/ogg", "audio/*", "video/mp4", "video/webm")  # type: ignore[untyped-decorator]  # a venv of its own
def recording(_context: object, value: object) -> bytes:
    content = getattr(value, "data", value)
    return content if isinstance(content, bytes) else str(content).encode()
