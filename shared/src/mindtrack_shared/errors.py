"""What is an operator's to mend."""

from __future__ import annotations


class OperatorError(Exception):
    """Something that was set up does not fit; the message says what, to whoever operates this.

    Of no other exception does the message reach a log (`observability.exceptions`). So it may hold what
    settings and bundles say, short of secrets, and nothing that anybody sent.
    """


class SettingError(OperatorError, ValueError):
    """A setting, or a file that it names, is none that can be used."""
