"""What people say of a recording: the truth that scores are held against.

Questionnaires are known by their arithmetic only; an app that asks them brings their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Of `stress`, `anxiety` and `mood`: whole numbers from 0.
MOST_RATING = 10
#: Of each item of a questionnaire: how often within two weeks, from 0, never.
MOST_ITEM = 3
LONGEST_NOTE = 500


class FeedbackKind(StrEnum):
    #: By the person who recorded.
    SELF = "self"
    #: By a clinician who listened.
    CLINICIAN = "clinician"


class ClinicalLabel(StrEnum):
    """What a clinician heard: one of the five emotions, or none of them for sure."""

    NEUTRAL = "Neutral"
    HAPPY = "Happy"
    SAD = "Sad"
    ANXIOUS = "Anxious"
    STRESSED = "Stressed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Questionnaire:
    name: str
    items: int

    @property
    def most(self) -> int:
        """The largest total."""
        return self.items * MOST_ITEM


#: Kroenke, Spitzer, Williams 2001, "The PHQ-9: validity of a brief depression severity measure", J Gen Intern
#: Med 16(9):606-613, doi:10.1046/j.1525-1497.2001.016009606.x. Nine items, total 0 to 27.
PHQ9 = Questionnaire("phq9", 9)
#: Spitzer, Kroenke, Williams, Löwe 2006, "A brief measure for assessing generalized anxiety disorder: the
#: GAD-7", Arch Intern Med 166(10):1092-1097, doi:10.1001/archinte.166.10.1092. Seven items, total 0 to 21.
GAD7 = Questionnaire("gad7", 7)


def calls_for_support(phq9_items: Sequence[int] | None) -> bool:
    """Say whether the ninth item of a PHQ-9, on thoughts of being better off dead, is anything but 0.

    A reason to point to support, and no more than that: it diagnoses nothing. A bare total does not tell.
    """
    return phq9_items is not None and phq9_items[PHQ9.items - 1] > 0
