"""Looks for what must not be anywhere but in Postgres and object storage: in logs, Valkey, metrics, traces,
temporary files and command lines of all processes.

A canary is a value that is unique to the place where it was put, so that one that is found tells which place
leaked. What the system makes itself and must keep to itself, such as tokens, is looked for likewise.
"""

from __future__ import annotations

import base64
import secrets
import threading
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from redis import Redis
from redis.client import Monitor

#: Of the text around what was found.
CONTEXT = 60  # bytes
#: How often temporary files and processes are looked at.
LOOK_EVERY = 0.1  # seconds
#: Larger files are read no further.
LARGEST_FILE = 32 * 1024 * 1024

#: Where something can be found, and what is there.
Sinks = Mapping[str, Iterable[bytes]]


@dataclass
class Canaries:
    #: By value, where each was put.
    places: dict[str, str] = field(default_factory=dict)

    def new(self, place: str) -> str:
        """Make a value for a place: a word that is valid nearly everywhere."""
        return self.keep(place, f"canary-{secrets.token_hex(6)}")

    def keep(self, place: str, value: str) -> str:
        """Look for a value that somebody else made, too."""
        self.places[value] = place
        return value

    def found_in(self, sinks: Sinks) -> list[str]:
        """Say which are found, where, and in what form."""
        wanted = [(form, name, place) for value, place in self.places.items() for name, form in forms(value)]
        return [
            f"{place} as {name} in {sink}: {_around(content, form)!r}"
            for sink, contents in sinks.items()
            for content in contents
            for form, name, place in wanted
            if form in content
        ]


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """Return how text may be written: as it is, in hexadecimal, and in base64 wherever it begins."""
    plain = value.encode()
    yield "text", plain
    yield "hexadecimal", plain.hex().encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        # Without what depends on neighbours.
        yield "base64", encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]


def _around(content: bytes, form: bytes) -> bytes:
    at = content.index(form)
    return content[max(0, at - CONTEXT) : at + len(form) + CONTEXT]


def files(*folders: Path) -> Iterator[bytes]:
    """Read all files of folders."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            with suppress(OSError):
                if path.is_file():
                    yield str(path.relative_to(folder)).encode() + b"\n" + path.read_bytes()


def pages(urls: Iterable[str]) -> Iterator[bytes]:
    for url in urls:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - on loopback
            yield answer.read()


def live_keys(redis: Redis) -> Iterator[bytes]:
    """Read every key and what it holds, whatever its type."""
    redis.config_set("rdbcompression", "no")  # else `DUMP` would hide long texts
    for key in redis.scan_iter():
        yield key + b" " + (redis.dump(key) or b"")


@dataclass
class Commands:
    """Everything that clients ask of Valkey, as they ask it: messages, wake-ups and limits, too."""

    heard: list[bytes] = field(default_factory=list)

    def listen(self, redis: Redis) -> None:
        with suppress(Exception), _monitor(redis) as monitor:  # until its connection is cut
            for command in monitor.listen():
                self.heard.append(str(command["command"]).encode())


def _monitor(redis: Redis) -> Monitor:
    return Monitor(redis.connection_pool)  # type: ignore[no-untyped-call]


@contextmanager
def overheard(url: str, commands: Commands) -> Iterator[None]:
    """Listen to what goes through Valkey. Add to what was heard before."""
    redis = Redis.from_url(url)
    listener = threading.Thread(target=commands.listen, args=(redis,), daemon=True)
    listener.start()
    try:
        yield
    finally:
        with suppress(Exception):
            redis.connection_pool.disconnect()


class Watch:
    """Remembers what files were there, however briefly: in temporary folders, and deleted ones still open.

    Args:
        folders: for temporary files.

    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._seen: set[tuple[Any, ...]] = set()
        self._over = threading.Event()
        self.files: list[bytes] = []
        self.command_lines: set[bytes] = set()
        #: How many times it looked.
        self.looks = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self.look()

    def look(self) -> None:
        self.looks += 1
        for folder in self._folders:
            for path in folder.rglob("*"):
                self._read(path, str(path))
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, OSError):
                self.command_lines.add(" ".join(process.cmdline()).encode())
                self._read_deleted(Path(f"/proc/{process.pid}/fd"))

    def _read_deleted(self, descriptors: Path) -> None:
        """Read files that have no name any more; those in memory alone never had one."""
        for descriptor in descriptors.iterdir():
            with suppress(OSError):
                name = str(descriptor.readlink())
                if name.startswith("/") and name.endswith(" (deleted)") and not name.startswith("/memfd:"):
                    self._read(descriptor, name)

    def _read(self, path: Path, name: str) -> None:
        with suppress(OSError):
            status = path.stat()
            mark = (name, status.st_ino, status.st_size, status.st_mtime_ns)
            if path.is_file() and mark not in self._seen:
                self._seen.add(mark)
                with path.open("rb") as file:
                    self.files.append(name.encode() + b"\n" + file.read(LARGEST_FILE))
