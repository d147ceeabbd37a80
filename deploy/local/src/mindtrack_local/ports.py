"""Ports on the loopback interface, handed out so that two stacks starting at once do not collide."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

from mindtrack_local.errors import PortTakenError

HOST = "127.0.0.1"
PORTS_TRIED = 100


class Reservation:
    """A free port that no other stack of this user will be given until `release`.

    The port itself stays unbound, for the server that will listen on it. The lock closes the gap
    between finding a port free and the server binding it.
    """

    def __init__(self, port: int, lock: IO[bytes]) -> None:
        self.port = port
        self._lock = lock

    def release(self) -> None:
        self._lock.close()


def reserve(part: str, preferred: int, *, strict: bool = False) -> Reservation:
    """Reserve the preferred port or, unless `strict`, the next free one.

    Raises:
        PortTakenError: there is none.

    """
    candidates = range(preferred, min(preferred + (1 if strict else PORTS_TRIED), 65536))
    for port in candidates:
        if reservation := _try(port):
            return reservation
    ports = f"port {preferred} is" if strict else f"ports {preferred} to {candidates[-1]} are"
    raise PortTakenError(part, ports)


def _try(port: int) -> Reservation | None:
    folder = Path(tempfile.gettempdir()) / f"mindtrack-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = (folder / str(port)).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_free(port):
            return Reservation(port, lock)
    except BlockingIOError:
        pass
    lock.close()
    return None


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT counts as free, one with a listener does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
