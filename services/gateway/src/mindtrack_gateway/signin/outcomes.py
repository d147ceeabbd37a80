"""What the page is told, by `/?sign_in=<code>`, when somebody could not sign in."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    #: The person, or the provider, said no.
    DENIED = "denied"
    #: It took too long, was tried twice, or began in another browser: trying again helps.
    EXPIRED = "expired"
    #: The provider cannot be reached; later it may.
    UNAVAILABLE = "unavailable"
    #: What the provider said is not what we accept: somebody has to look at the settings.
    REFUSED = "refused"
    #: Nobody can sign in here: no provider is configured.
    OFF = "off"


class SignInError(Exception):
    """Somebody could not sign in.

    Args:
        outcome: what the page is told.
        reason: what the log is told; nothing that came from outside.

    """

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(f"{outcome}: {reason}")
        self.outcome = outcome
        self.reason = reason
