"""What the phone says about a recording, checked and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TypeVar

from mindtrack_gateway.moments import NO_ZONE, implausible, is_zone
from mindtrack_gateway.problems import FieldError, InvalidRequestError
from mindtrack_gateway.words import CONTROL_REFUSED, holds_control
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.domain.recordings import MAX_APP_VERSION, MAX_DEVICE, Microphone
from mindtrack_shared.domain.trends import local_day

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class CaptureMetadata:
    recorded_at: datetime
    #: When the prompt that the person answers had ended; the recording was running by then.
    prompt_ended_at: datetime | None
    #: IANA name of the zone the person was in.
    time_zone: str
    priority: Priority
    #: How it was recorded, where that was said.
    device: str | None = None
    microphone: Microphone | None = None
    app_version: str | None = None

    @property
    def recorded_on(self) -> date:
        """The calendar day where the person was."""
        return local_day(self.recorded_at, self.time_zone)


FIELDS = frozenset(
    {"recorded_at", "prompt_ended_at", "time_zone", "priority", "device", "microphone", "app_version"}
)


def capture_metadata(fields: Mapping[str, str], *, now: datetime) -> CaptureMetadata:
    """Validate the fields. The defaults are now, UTC and interactive.

    Raises:
        InvalidRequestError: lists everything that is wrong at once.

    """
    return _Reading(fields, now).metadata()


class _Reading:
    """Reads fields one by one, and collects what is wrong with them."""

    def __init__(self, fields: Mapping[str, str], now: datetime) -> None:
        self._fields = fields
        self._now = now
        self._errors: list[FieldError] = []

    def metadata(self) -> CaptureMetadata:
        recorded_at = self._moment("recorded_at")
        prompt_ended_at = self._moment("prompt_ended_at")
        self._compare(recorded_at, prompt_ended_at)
        found = CaptureMetadata(
            recorded_at=recorded_at or self._now,
            prompt_ended_at=prompt_ended_at,
            time_zone=self._time_zone(),
            priority=self._choice("priority", Priority) or Priority.INTERACTIVE,
            device=self._text("device", MAX_DEVICE),
            microphone=self._choice("microphone", Microphone),
            app_version=self._text("app_version", MAX_APP_VERSION),
        )
        if self._errors:
            raise InvalidRequestError(self._errors)
        return found

    def _refuse(self, field: str, detail: str) -> None:
        self._errors.append(FieldError(field=field, detail=detail))

    def _compare(self, recorded_at: datetime | None, prompt_ended_at: datetime | None) -> None:
        if prompt_ended_at and "recorded_at" not in self._fields:
            self._refuse("prompt_ended_at", "needs `recorded_at` to be counted from")
        if prompt_ended_at and recorded_at and prompt_ended_at < recorded_at:
            self._refuse("prompt_ended_at", "must not lie before `recorded_at`")

    def _moment(self, name: str) -> datetime | None:
        if name not in self._fields:
            return None
        try:
            return _moment(self._fields[name], now=self._now)
        except ValueError as error:
            self._refuse(name, str(error))
            return None

    def _time_zone(self) -> str:
        name = self._fields.get("time_zone", "UTC")
        if not is_zone(name):
            self._refuse("time_zone", NO_ZONE)
        return name

    def _choice(self, name: str, choices: type[Choice]) -> Choice | None:
        said = self._fields.get(name)
        if said is None:
            return None
        if said not in set(choices):
            self._refuse(name, f"must be one of {', '.join(choices)}")
            return None
        return choices(said)

    def _text(self, name: str, most: int) -> str | None:
        said = self._fields.get(name)
        if said is not None and not 1 <= len(said) <= most:
            self._refuse(name, f"must have 1 to {most} characters")
        elif said is not None and holds_control(said):
            self._refuse(name, CONTROL_REFUSED)
        return said


def _moment(text: str, *, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("must be an RFC 3339 date and time such as 2026-03-01T18:00:00+01:00") from error
    if moment.tzinfo is None:
        raise ValueError("needs an offset from UTC such as Z or +01:00")
    if why := implausible(moment, now=now):
        raise ValueError(f"{why}: is the phone's clock right?")
    return moment.astimezone(UTC)
