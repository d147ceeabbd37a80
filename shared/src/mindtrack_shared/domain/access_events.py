"""Accesses: who read, or tried to read, what is somebody else's; and who changed or took out their own."""

from __future__ import annotations

from enum import StrEnum

LONGEST_ACTION = 64


class ActorRole(StrEnum):
    """What somebody acted as."""

    #: Whose it is: somebody who records, or a system that sends recordings.
    SELF = "self"
    #: By a grant.
    CLINICIAN = "clinician"
    #: Without a grant, in an emergency.
    EMERGENCY = "emergency"


class Outcome(StrEnum):
    ALLOWED = "allowed"
    #: They were told that there is nothing.
    REFUSED = "refused"


class MarkKind(StrEnum):
    """What may rightly be done to the chain over access events."""

    #: Retention removed its beginning.
    FORGOTTEN = "forgotten"
    #: A backup was restored, and the chain's end was lost by it.
    RESTORED = "restored"
