"""The persons of one clinician, and in which order they are shown."""

from __future__ import annotations

from enum import StrEnum

from mindtrack_shared.domain.trends import Status

#: From what can wait to what should be looked at first. Of the stress score, below is no reason to worry; of
#: whom nothing is known lately comes before those who are as usual.
URGENCY = (
    Status.BELOW,
    Status.WITHIN_RANGE,
    Status.CALIBRATING,
    Status.NO_STATUS,
    Status.ABOVE,
    Status.WELL_ABOVE,
)


#: Days of a person's trend that a list shows.
RECENT_DAYS = 28


class PatientSort(StrEnum):
    #: By urgency.
    STATUS = "status"
    LAST_RECORDED = "last_recorded"
    SEVEN_DAY_Z = "seven_day_z"


class Order(StrEnum):
    #: The most urgent, the latest, the highest first.
    DESCENDING = "desc"
    ASCENDING = "asc"
