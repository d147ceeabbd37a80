"""Notifications of alerts: by which channels, to what address, when again if it failed, and when never.

A person asks for them; until then nobody is notified. An address is only ever a part of a URL that the
operator configured, so it is held to characters that cannot turn that URL into another one.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum

from mindtrack_shared.domain.webhooks import JITTER

#: RFC 5321, 4.5.3.1: of a path, less its brackets.
LONGEST_ADDRESS = 254
#: Addresses that one person may have, of all channels together.
MOST_ADDRESSES = 5
#: Between two messages that somebody asked for to try their addresses out.
TEST_PAUSE = timedelta(minutes=10)
#: Where nobody said otherwise, by the person's clock.
QUIET_BEGIN, QUIET_END = time(21), time(8)
#: Before each attempt, from the end of the one before it; together about a day. Later it would be no news.
SCHEDULE = (
    timedelta(0),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=14),
)


class Channel(StrEnum):
    EMAIL = "email"
    #: To a topic that an app, such as ntfy's, listens to.
    PUSH = "push"


class Occasion(StrEnum):
    """What a person is notified of. That an alert ended calls for nothing, so it is not among them."""

    OPENED = "opened"
    #: Somebody opened the person's data in an emergency; told when that is over.
    EMERGENCY = "emergency"
    #: Asked for by the person, to try their addresses out.
    TEST = "test"


class NotificationState(StrEnum):
    PENDING = "pending"
    #: Terminal: whoever carries it has taken it.
    SENT = "sent"
    #: Terminal: not wanted any more. The alert ended, the person saw it, or turned notifications off.
    WITHHELD = "withheld"
    #: Terminal: all attempts failed.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Text:
    """What is sent: that there is something to look at, and not what.

    Mail servers and push services carry it, and locked screens show it. The app says more, to whom it knows.
    """

    title: str
    body: str


_OFF = "You asked for these messages; you can turn them off in the app."
_TEXTS = {
    Occasion.OPENED: Text(
        "Something new in your voice diary",
        f"There is something new to read in your voice diary. It can wait for a quiet moment. {_OFF}",
    ),
    Occasion.EMERGENCY: Text(
        "Something new in your voice diary",
        f"There is a new entry in the list of who read your voice diary. {_OFF}",
    ),
    Occasion.TEST: Text("A test from your voice diary", f"This is a test: messages reach you here. {_OFF}"),
}


def text(occasion: Occasion, link: str | None = None) -> Text:
    """Say it, with a link to the app if there is one."""
    said = _TEXTS[occasion]
    return said if link is None else Text(said.title, f"{said.body}\n\n{link}")


#: An address as most of them are: RFC 5321's Dot-string, and a host with a dot in it. Without quotation marks
#: and all else that means something to whoever takes apart what a URL holds.
_EMAIL = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_+~=&%!.-]*[A-Za-z0-9_])?"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
_LONGEST_LOCAL = 64
#: As ntfy has it. Who knows the name can listen, so a short one is refused.
_TOPIC = re.compile(r"[A-Za-z0-9_-]{16,64}")


def amiss(channel: Channel, address: str) -> str | None:
    """Say what is wrong with an address, if anything."""
    match channel:
        case Channel.EMAIL:
            local = address.partition("@")[0]
            sound = _EMAIL.fullmatch(address) and len(local) <= _LONGEST_LOCAL and ".." not in local
            # What carries the mail knows one tag, as in ada+voice@example.org, and drops what has two.
            sound = sound and local.count("+") <= 1
            if not sound or len(address) > LONGEST_ADDRESS:
                return "must be an e-mail address such as ada@example.org"
        case Channel.PUSH:
            if not _TOPIC.fullmatch(address):
                return "must be 16 to 64 letters, digits, hyphens or underscores that nobody guesses"
    return None


def wait_before_next(attempts: int, jitter: random.Random) -> timedelta | None:
    """Return how long to wait after so many failed attempts, or None if that was the last."""
    if attempts >= len(SCHEDULE):
        return None
    return SCHEDULE[attempts] * jitter.uniform(1 - JITTER, 1 + JITTER)
