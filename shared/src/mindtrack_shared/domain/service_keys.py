"""Keys by which systems call us: what one looks like, what it opens, and how long it holds.

A key is `mt_live_<id>_<secret>`. Its form tells us, and whoever looks for leaked secrets, what it is before
anything is looked up. The secret has 32 random bytes, so a plain digest of it is all that needs to be kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

PREFIX = "mt_live_"
ID_BYTES = 8
ID_LENGTH = 2 * ID_BYTES
SECRET_BYTES = 32
#: From when it is made.
KEY_DAYS = 90
MOST_KEY_DAYS = 366
#: Of one system, so that the next can be handed out before the last is revoked.
MOST_LIVE_KEYS = 2
LONGEST_SERVICE = 60
#: What a system is called among callers; no issuer's token may say so of anybody.
SUBJECT_PREFIX = "mindtrack-service:"

_SERVICE = re.compile(rf"[a-z][a-z0-9-]{{0,{LONGEST_SERVICE - 1}}}", re.ASCII)
_KEY = re.compile(rf"{PREFIX}([0-9a-f]{{{ID_LENGTH}}})_([A-Za-z0-9_-]{{43}})", re.ASCII)


class KeyScope(StrEnum):
    """What a key opens: always of what the system itself sent, and of nobody else's."""

    #: Send recordings, cancel and delete their jobs.
    RECORDINGS = "recordings"
    #: Read jobs with their analyses.
    JOBS = "jobs"
    #: Be told when they end.
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """A key as its holder has it."""

    id: str
    secret: str

    @classmethod
    def generate(cls) -> Self:
        return cls(secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Take a key apart; None if it cannot be one."""
        found = _KEY.fullmatch(text)
        return cls(found[1], found[2]) if found else None

    @property
    def text(self) -> str:
        """The whole key. To be shown once."""
        return f"{PREFIX}{self.id}_{self.secret}"

    @property
    def secret_sha256(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()

    def __repr__(self) -> str:
        return f"ServiceKey({self.id})"


def is_service_name(text: str) -> bool:
    """Tell whether a system may be called that."""
    return _SERVICE.fullmatch(text) is not None
