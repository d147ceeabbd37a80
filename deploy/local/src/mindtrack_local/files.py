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


def keep_private(path: Path, text: str) -> Path:
    """Write a secret unless there is one; return where it is."""
    if not path.exists():
        write_private(path, text)
    return path


def load_secret(path: Path) -> str:
    """Read a secret, or make and keep one."""
    return keep_private(path, secrets.token_hex(SECRET_BYTES)).read_text(encoding="utf-8")


def new_audit_key_line(name: str) -> str:
    """Make a line of the file that seals who read what: a name and 32 bytes in hexadecimal digits."""
    return f"{name} {secrets.token_hex(SECRET_BYTES)}\n"
