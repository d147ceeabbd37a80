"""What people are told of an alert: how their voice logs sounded to a model, and no more.

No scores, no urgency, nothing about how somebody is: the model heard voices, and it may be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from mindtrack_shared.domain.trends.alerts import End
from mindtrack_shared.domain.trends.measures import Measure


class Reader(StrEnum):
    #: The person whose voice it is.
    PERSON = "person"
    #: A clinician to whom that person gave a grant.
    CLINICIAN = "clinician"


@dataclass(frozen=True, slots=True)
class Message:
    title: str
    body: str
    #: What it does not mean; always shown with the rest.
    meaning: str

    @property
    def text(self) -> str:
        return f"{self.body} {self.meaning}"


_OF_PERSON = (
    "This says how your voice logs sounded to a model beside your own earlier ones. It is not a diagnosis, "
    "and it can be wrong: a cold, a tiring week or another room can do the same."
)
_OF_CLINICIAN = (
    "This says how voice logs sounded to a model beside the same person's earlier ones. It is not a "
    "diagnosis, and it can be wrong: a cold, a tiring week or another room can do the same."
)
#: How a rise of each measure sounds.
_SOUNDED: Mapping[Measure, str] = MappingProxyType(
    {
        Measure.STRESS_SCORE: "more tense",
        Measure.ANXIETY_INDEX: "more anxious",
        Measure.DEPRESSIVE_INDEX: "more subdued",
    }
)
_WHOSE = {Reader.PERSON: "Your", Reader.CLINICIAN: "This person's"}
_RANGE = {Reader.PERSON: "your usual range", Reader.CLINICIAN: "their usual range"}
_MEANING = {Reader.PERSON: _OF_PERSON, Reader.CLINICIAN: _OF_CLINICIAN}
_NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight")
_WEEK = 7
_LONG = 60


def opened(measure: Measure, *, since: date, on: date, reader: Reader = Reader.PERSON) -> Message:
    """What an alert that opened says; `since` is its reason's."""
    sounded = _SOUNDED.get(measure, "different")
    body = (
        f"{_WHOSE[reader]} voice logs have sounded {sounded} than {_RANGE[reader]} "
        f"for {_how_long((on - since).days + 1)}."
    )
    if measure not in _SOUNDED:
        body = body.replace("different than", "different from")
    return Message("A change in recent voice logs", body, _MEANING[reader])


def ended(why: End, *, reader: Reader = Reader.PERSON) -> Message:
    """What the end of an alert says."""
    whose, usual = _WHOSE[reader], _RANGE[reader]
    body = {
        End.SETTLED: f"{whose} voice logs sound within {usual} again.",
        End.SILENT: "There were no voice logs to compare for two weeks, so this notice has ended.",
        End.NOTHING_TO_COMPARE: (
            f"There are no voice logs left to compare with, so this notice has ended. {usual.capitalize()} "
            "will be found anew."
        ),
    }[why]
    return Message("A notice has ended", body, _MEANING[reader])


def _how_long(days: int) -> str:
    if days >= _LONG:
        return "more than two months"
    weeks = max(1, round(days / _WEEK))
    return f"about {_NUMBERS[weeks]} {'week' if weeks == 1 else 'weeks'}"
