"""What the phone says about a recording, checked and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from mindtrack_gateway.problems import FieldError, InvalidRequestError
from mindtrack_shared.domain.jobs import Priority

#: Phones' clocks run ahead by a little; more than this is a mistake.
CLOCK_SLACK = timedelta(minutes=5)
#: Older recordings belong to an import, not to a log of how somebody is.
OLDEST = timedelta(days=3653)


@dataclass(frozen=True, slots=True)
class CaptureMetadata:
    recorded_at: datetime
    #: When the prompt that the person answers had ended; the recording was running by then.
    prompt_ended_at: datetime | None
    #: IANA name of the zone the person was in.
    time_zone: str
    priority: Priority

    @property
    def recorded_on(self) -> date:
        """The calendar day where the person was."""
        return self.recorded_at.astimezone(ZoneInfo(self.time_zone)).date()


FIELDS = frozenset({"recorded_at", "prompt_ended_at", "time_zone", "priority"})


def capture_metadata(fields: Mapping[str, str], *, now: datetime) -> CaptureMetadata:
    """Validate the form's fields. The defaults are now, UTC and interactive.

    Raises:
        InvalidRequestError: lists everything that is wrong at once.

    """
    errors: list[FieldError] = []
    recorded_at = _field(fields, "recorded_at", now, errors)
    prompt_ended_at = _field(fields, "prompt_ended_at", now, errors)
    time_zone = fields.get("time_zone", "UTC")
    if time_zone not in _zones():
        errors.append(FieldError(field="time_zone", detail="must be an IANA time zone such as Europe/Berlin"))
    priority = fields.get("priority", Priority.INTERACTIVE)
    if priority not in set(Priority):
        errors.append(FieldError(field="priority", detail=f"must be one of {', '.join(Priority)}"))
    if prompt_ended_at and "recorded_at" not in fields:
        errors.append(FieldError(field="prompt_ended_at", detail="needs `recorded_at` to be counted from"))
    if prompt_ended_at and recorded_at and prompt_ended_at < recorded_at:
        errors.append(FieldError(field="prompt_ended_at", detail="must not lie before `recorded_at`"))
    if errors:
        raise InvalidRequestError(errors)
    return CaptureMetadata(
        recorded_at=recorded_at or now,
        prompt_ended_at=prompt_ended_at,
        time_zone=time_zone,
        priority=Priority(priority),
    )


def _field(fields: Mapping[str, str], name: str, now: datetime, errors: list[FieldError]) -> datetime | None:
    """Read a moment; what is wrong with it is added to `errors`."""
    if name not in fields:
        return None
    try:
        return _moment(fields[name], now=now)
    except ValueError as error:
        errors.append(FieldError(field=name, detail=str(error)))
        return None


def _moment(text: str, *, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("must be an RFC 3339 date and time such as 2026-03-01T18:00:00+01:00") from error
    if moment.tzinfo is None:
        raise ValueError("needs an offset from UTC such as Z or +01:00")
    if moment > now + CLOCK_SLACK:
        raise ValueError("must not lie in the future")
    if moment < now - OLDEST:
        raise ValueError(f"must not lie more than {OLDEST.days} days in the past")
    return moment.astimezone(UTC)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
