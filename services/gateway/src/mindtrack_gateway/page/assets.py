"""The page's own files, read once. Their address names their content, so that browsers keep them for good."""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

#: What there is, and its media type.
MEDIA_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "LICENSE": "text/plain; charset=utf-8",
}
DIGEST_LENGTH = 16  # hexadecimal digits
IMPORT = re.compile(r'^(?:import|export|\} from)\b.*?"(\.[^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    compressed: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    by_path: Mapping[str, Asset]
    #: Of all of them: modules name each other by relative addresses, and belong together.
    digest: str

    def address(self, path: str) -> str:
        """Return where a file is served.

        Raises:
            KeyError: there is none of that name.

        """
        if path not in self.by_path:
            raise KeyError(path)
        return f"/static/{self.digest}/{path}"

    def imported(self, path: str) -> tuple[str, ...]:
        """List what a module imports, also through others. A browser alone finds out step by step.

        Raises:
            KeyError: one of them is not there.

        """
        found, wanted = dict[str, None](), [path]
        while wanted:
            here = wanted.pop()
            for name in IMPORT.findall(self.by_path[here].body.decode()):
                needed = posixpath.normpath(posixpath.join(posixpath.dirname(here), name))
                if needed not in found:
                    found[needed] = None
                    wanted.append(needed)
        return tuple(found)


@cache
def assets() -> Assets:
    """Read the files of this installation."""
    here = files("mindtrack_gateway.page")
    read = dict(_walk(here / "static", ""))
    read.update(_walk(here / "catalogues", "catalogues/"))
    whole = hashlib.sha256()
    for path in sorted(read):
        whole.update(f"{path}\0{len(read[path])}\0".encode() + read[path])
    found = {
        path: Asset(body, gzip.compress(body, mtime=0), MEDIA_TYPES[path.rpartition(".")[2]])
        for path, body in read.items()
    }
    return Assets(MappingProxyType(found), whole.hexdigest()[:DIGEST_LENGTH])


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in MEDIA_TYPES:
            yield f"{prefix}{entry.name}", entry.read_bytes()
