"""What a reader of a trend must know before believing it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CaveatCode(StrEnum):
    #: The period holds no recording that counts.
    NO_RECORDINGS = "no_recordings"
    #: There is no baseline yet.
    CALIBRATING = "calibrating"
    #: Fewer recording days in the last seven days than a status needs.
    FEW_RECENT_DAYS = "few_recent_days"
    #: Too few recording days in the period for a slope with an interval.
    FEW_DAYS = "few_days"
    #: More than two weeks of the period without a recording.
    GAP = "gap"
    #: More than one device class in the period.
    DEVICE_CHANGE = "device_change"
    #: Days on a device class without a baseline of its own, which are shown and not judged.
    DEVICE_NOT_JUDGED = "device_not_judged"
    #: More than one bundle revision in the period.
    MODEL_CHANGE = "model_change"
    #: Recordings that were left out because the model could not tell.
    INDETERMINATE_EXCLUDED = "indeterminate_excluded"
    #: The baseline's newest day is months old.
    OLD_BASELINE = "old_baseline"


SENTENCES: dict[CaveatCode, str] = {
    CaveatCode.NO_RECORDINGS: "There are no recordings in this period that a trend can use.",
    CaveatCode.CALIBRATING: (
        "What is usual for this person is not known yet, so nothing is compared with it."
    ),
    CaveatCode.FEW_RECENT_DAYS: "The last week has too few days with recordings to say where it stands.",
    CaveatCode.FEW_DAYS: "There are too few days with recordings in this period to tell a direction.",
    CaveatCode.GAP: "More than two weeks of this period have no recordings; what happened then is not known.",
    CaveatCode.DEVICE_CHANGE: (
        "Recordings came from different kinds of device; each is compared with earlier ones of its kind."
    ),
    CaveatCode.DEVICE_NOT_JUDGED: (
        "Some days came from a kind of device that is too new to compare; they are shown and not judged."
    ),
    CaveatCode.MODEL_CHANGE: (
        "The model changed in this period; values before and after must not be compared."
    ),
    CaveatCode.INDETERMINATE_EXCLUDED: "Recordings of which the model could not tell are left out.",
    CaveatCode.OLD_BASELINE: "What counts as usual comes from months ago.",
}


@dataclass(frozen=True, slots=True)
class Caveat:
    code: CaveatCode

    @property
    def sentence(self) -> str:
        return SENTENCES[self.code]
