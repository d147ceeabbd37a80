"""`Content-Digest` (RFC 9530): what the sender says its content hashes to, read and compared."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Self

from mindtrack_gateway.problems import MalformedRequestError

HEADER = "content-digest"
#: Algorithms that are compared, and the bytes of their digests. All others are ignored, as the RFC asks.
ALGORITHMS = {"sha-256": 32, "sha-512": 64}
#: What a field may have; both digests take less than a fifth.
MAX_FIELD = 1024

_KEY = r"[a-z*][a-z0-9_\-.*]*"
_ITEM = r'(?:"(?:[ !#-\[\]-~]|\\["\\])*"|:[A-Za-z0-9+/=]*:|[^\s;,":]+)'
#: One member of an RFC 8941 dictionary whose values are byte sequences; parameters mean nothing here.
_MEMBER = re.compile(rf"({_KEY})=:([A-Za-z0-9+/=]*):(?:; *{_KEY}(?:={_ITEM})?)*")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


class ContentDigest:
    """The digests that a sender gave, of algorithms that we compare. There may be none."""

    def __init__(self, expected: Mapping[str, bytes]) -> None:
        self._expected = dict(expected)

    @classmethod
    def parse(cls, lines: Sequence[str]) -> Self:
        """Read the field's lines.

        Raises:
            MalformedRequestError: this is no dictionary of byte sequences, or a digest has a wrong length.

        """
        field = ", ".join(line.strip(" \t") for line in lines)
        members = _members(field) if field else {}
        digests = {name: _decoded(text) for name, text in members.items()}
        expected = {name: digests[name] for name in ALGORITHMS if name in digests}
        if any(len(digest) != ALGORITHMS[name] for name, digest in expected.items()):
            raise _malformed()
        return cls(expected)

    def __bool__(self) -> bool:
        return bool(self._expected)

    def __str__(self) -> str:
        """Write the field, without what is not compared."""
        return ", ".join(
            f"{name}=:{base64.b64encode(digest).decode()}:" for name, digest in self._expected.items()
        )

    def begin(self) -> Comparison:
        return Comparison(self._expected)


class Comparison:
    """Hashes content as it passes."""

    def __init__(self, expected: Mapping[str, bytes]) -> None:
        self._expected = expected
        self._hashes = {name: hashlib.new(name.replace("-", "")) for name in expected}

    def update(self, chunk: bytes) -> None:
        for running in self._hashes.values():
            running.update(chunk)

    def holds(self) -> bool:
        """Tell whether the content had every digest that it was said to have."""
        return all(
            hmac.compare_digest(self._hashes[name].digest(), digest)
            for name, digest in self._expected.items()
        )


def _members(field: str) -> dict[str, str]:
    """Split a dictionary; of members with the same name the last counts (RFC 8941, section 4.2.2)."""
    if len(field) > MAX_FIELD:
        raise _malformed()
    members: dict[str, str] = {}
    position = 0
    while True:
        found = _MEMBER.match(field, position)
        if found is None:
            raise _malformed()
        members[found[1]] = found[2]
        if found.end() == len(field):
            return members
        comma = _COMMA.match(field, found.end())
        if comma is None:
            raise _malformed()
        position = comma.end()


def _decoded(text: str) -> bytes:
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise _malformed() from error


def _malformed() -> MalformedRequestError:
    return MalformedRequestError(
        "Content-Digest must be like `sha-256=:<base64>:` (RFC 9530), each digest as long as its algorithm's."
    )
