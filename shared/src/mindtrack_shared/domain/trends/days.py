"""What goes into a trend: a person's days. And which day it is where the person is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from mindtrack_shared.domain.trends.measures import SCALES, Measure


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """What a value hangs on beside the person. Values are compared within one origin only."""

    bundle_revision: str
    #: What is known of the microphone and what follows it, such as headset and codec.
    device_class: str


@dataclass(frozen=True, slots=True)
class DayValue:
    """One measure on one of a person's calendar days, from one origin.

    Only recordings that passed the quality gate and are not indeterminate are in it.
    """

    #: The calendar day where the person was.
    day: date
    origin: Origin
    #: Recordings that have the measure; at least one.
    recordings: int
    speech_seconds: float
    #: Mean of the transformed measure (`measures.Scale`), weighted by seconds of speech.
    value: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a day takes from one recording."""

    #: Natural, in the measure's unit.
    value: float
    #: More than 0.
    speech_seconds: float


def day_value(day: date, origin: Origin, recordings: Iterable[Recorded], *, measure: Measure) -> DayValue:
    """Make a day of its recordings.

    Raises:
        ValueError: there are no recordings, or one without speech.

    """
    known = list(recordings)
    if not known or any(each.speech_seconds <= 0 for each in known):
        raise ValueError("a day needs recordings, and each of them speech")
    scale = SCALES[measure]
    seconds = sum(each.speech_seconds for each in known)
    total = sum(scale.transform(each.value) * each.speech_seconds for each in known)
    return DayValue(day, origin, len(known), seconds, total / seconds)


def local_day(moment: datetime, time_zone: str) -> date:
    """Tell the calendar day of a moment in an IANA time zone.

    Raises:
        ValueError: the moment has no offset from UTC.

    """
    if moment.tzinfo is None:
        raise ValueError("the moment needs an offset from UTC")
    return moment.astimezone(ZoneInfo(time_zone)).date()
