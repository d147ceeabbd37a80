"""Grants: a person's consent for one clinician, what it opens, what it may be for, and how long it holds.

A person makes an invitation and tells its code; the clinician who redeems it gets the grant. Codes are random
enough that only their digests need to be kept, and short enough to be read aloud.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LONGEST_PURPOSE = 200
#: Of a grant, from when it is given. Whoever wants more is asked again.
GRANT_DAYS = 90
MOST_GRANT_DAYS = 366
#: Of an invitation's code, from when it is made.
CODE_DAYS = 7
MOST_CODE_DAYS = 30

#: Douglas Crockford's base 32: without I, L, O and U, which are misread or mean something.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_BYTES = 10
CODE_LENGTH = 16
CODE_GROUP = 4
#: What people write instead of digits.
_MISREAD = str.maketrans("OIL", "011", "- \t")


class Scope(StrEnum):
    """What a grant opens."""

    #: Day by day, how the stress score went.
    TRENDS = "trends"
    #: Each analysis: probabilities, indices, biomarkers.
    ANALYSES = "analyses"
    #: What was said of recordings: to read it all, and to say what the clinician heard.
    FEEDBACK = "feedback"
    #: That a trend rule fired.
    ALERTS = "alerts"
    #: What clinicians write down.
    NOTES = "notes"


class UseContext(StrEnum):
    """Where what is read is used."""

    HEALTHCARE = "healthcare"
    #: Wellness: the person and somebody who supports them.
    SELF_SUPPORT = "self_support"
    RESEARCH = "research"
    WORKPLACE = "workplace"
    EDUCATION = "education"

    @property
    def prohibition(self) -> str | None:
        """Why nothing is granted for it, if so."""
        return PROHIBITION if self in _PROHIBITED else None


#: In force since 2 February 2025. Medical and safety reasons are excepted: such use is healthcare.
PROHIBITION = (
    "Inferring people's emotions at work and in education is a prohibited practice: "
    "Regulation (EU) 2024/1689 (AI Act), Article 5(1)(f)."
)
_PROHIBITED = frozenset({UseContext.WORKPLACE, UseContext.EDUCATION})
PERMITTED = tuple(context for context in UseContext if context.prohibition is None)


class InvitationState(StrEnum):
    OPEN = "open"
    #: It became a grant.
    REDEEMED = "redeemed"
    #: Taken back before anybody redeemed it.
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class RevokedBy(StrEnum):
    """What ended a grant before its time."""

    PERSON = "person"
    #: Given back.
    CLINICIAN = "clinician"
    #: The person gave the same clinician another one, which took its place as a whole.
    REPLACEMENT = "replacement"


class GrantState(StrEnum):
    LIVE = "live"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Validity:
    """When a grant holds: from `granted_at` until it expires or is revoked, whichever comes first."""

    granted_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.granted_at <= now < min(self.expires_at, self.revoked_at or self.expires_at)

    def state(self, now: datetime) -> GrantState:
        # One that had expired before it was replaced has expired.
        if self.revoked_at is not None and self.revoked_at < self.expires_at:
            return GrantState.REVOKED
        return GrantState.EXPIRED if self.expires_at <= now else GrantState.LIVE


def invitation_state(
    now: datetime, *, expires_at: datetime, redeemed: bool, withdrawn: bool
) -> InvitationState:
    if redeemed:
        return InvitationState.REDEEMED
    if withdrawn:
        return InvitationState.WITHDRAWN
    return InvitationState.EXPIRED if expires_at <= now else InvitationState.OPEN


# --- codes ----------------------------------------------------------------------------------------------


def new_code() -> str:
    """Make a code: 80 bits of chance, in groups to be read aloud."""
    number = int.from_bytes(secrets.token_bytes(CODE_BYTES))
    symbols = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(CODE_LENGTH)))
    return "-".join(symbols[start : start + CODE_GROUP] for start in range(0, CODE_LENGTH, CODE_GROUP))


def code_digest(written: str) -> bytes | None:
    """Return the SHA-256 of a code as somebody wrote it down, or None for what is none.

    Letters may be small, groups apart or not, and O, I and L stand for what they look like. A plain digest is
    enough: there are too many codes to try, so nothing needs to be slow.
    """
    symbols = written.upper().translate(_MISREAD)
    if len(symbols) != CODE_LENGTH or not set(ALPHABET).issuperset(symbols):
        return None
    return hashlib.sha256(symbols.encode()).digest()
