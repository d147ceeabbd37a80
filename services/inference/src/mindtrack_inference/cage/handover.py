"""How a recording gets from the parent to the child: through a file in memory that has no name.

It is never whole in either one's own memory, however long it is, and never on a disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Handover:
    """Holds one recording at a time. Only the parent can write to it."""

    def __init__(self) -> None:
        self._file = os.memfd_create("recording")

    def put(self, chunks: Iterable[bytes]) -> int:
        """Take a recording as it comes, in place of the one before; return how many bytes it has.

        What `chunks` raises passes through.
        """
        self.clear()
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        return os.lseek(self._file, 0, os.SEEK_CUR)

    def clear(self) -> None:
        """Give its memory back."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)

    @contextmanager
    def readable(self) -> Iterator[int]:
        """Descriptor for a child to inherit; it reads from a position of its own."""
        descriptor = os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def close(self) -> None:
        os.close(self._file)
