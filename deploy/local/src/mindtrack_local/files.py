"""Files that only their owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SECRET_BYTES = 32


def write_private(path: Path, text: str) -> None:
    """Write a secret whole or not at all, readable by its owner only, also while it is being written."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def load_secret(path: Path) -> str:
    """Read a secret, or make and keep one."""
    if not path.exists():
        write_private(path, secrets.token_hex(SECRET_BYTES))
    return path.read_text(encoding="utf-8")
