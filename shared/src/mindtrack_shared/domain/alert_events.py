"""What happens to an alert, and is remembered."""

from __future__ import annotations

from enum import StrEnum


class AlertEventKind(StrEnum):
    #: By the rule.
    OPENED = "opened"
    #: Somebody says that they have seen it: the person, or a clinician of theirs.
    ACKNOWLEDGED = "acknowledged"
    #: By the rule.
    ENDED = "ended"
