from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mindtrack_gateway.problems import InvalidRequestError
from mindtrack_gateway.recordings.metadata import capture_metadata
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.domain.recordings import Microphone

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_defaults_are_now_utc_and_interactive() -> None:
    metadata = capture_metadata({}, now=NOW)

    assert metadata.recorded_at == NOW
    assert metadata.time_zone == "UTC"
    assert metadata.prompt_ended_at is None
    assert metadata.priority is Priority.INTERACTIVE


def test_bulk_is_asked_for_by_name() -> None:
    assert capture_metadata({"priority": "bulk"}, now=NOW).priority is Priority.BULK


@pytest.mark.parametrize("priority", ["", "BULK", "urgent"])
def test_another_priority_is_told_which_there_are(priority: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        capture_metadata({"priority": priority}, now=NOW)

    assert refused.value.errors is not None
    assert [(error.field, error.detail) for error in refused.value.errors] == [
        ("priority", "must be one of interactive, bulk")
    ]


@pytest.mark.parametrize(
    ("recorded_at", "time_zone", "day"),
    [
        ("2026-02-28T23:30:00Z", "UTC", date(2026, 2, 28)),
        ("2026-02-28T23:30:00Z", "Europe/Berlin", date(2026, 3, 1)),
        ("2026-02-28T23:30:00Z", "America/Los_Angeles", date(2026, 2, 28)),
        ("2026-02-28T11:30:00+13:00", "Pacific/Auckland", date(2026, 2, 28)),
    ],
)
def test_the_day_is_the_persons_day(recorded_at: str, time_zone: str, day: date) -> None:
    metadata = capture_metadata({"recorded_at": recorded_at, "time_zone": time_zone}, now=NOW)

    assert metadata.recorded_on == day


@pytest.mark.parametrize(
    ("recorded_at", "detail"),
    [
        ("yesterday", "RFC 3339"),
        ("2026-02-28T10:00:00", "offset"),
        ((NOW + timedelta(minutes=6)).isoformat(), "future"),
        ((NOW - timedelta(days=20 * 366)).isoformat(), "more than 20 years in the past"),
        ("1970-01-01T00:00:00Z", "in the past"),
        ("0001-01-01T00:00:00+14:00", "in the past"),
        ("9999-12-31T23:59:59-14:00", "future"),
    ],
)
def test_impossible_moments_are_refused(recorded_at: str, detail: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        capture_metadata({"recorded_at": recorded_at}, now=NOW)

    assert refused.value.errors is not None
    assert [error.field for error in refused.value.errors] == ["recorded_at"]
    assert detail in refused.value.errors[0].detail


def test_a_clock_that_runs_ahead_a_little_is_forgiven() -> None:
    soon = NOW + timedelta(minutes=4)

    assert capture_metadata({"recorded_at": soon.isoformat()}, now=NOW).recorded_at == soon


@pytest.mark.parametrize("ago", [timedelta(days=3653), timedelta(days=20 * 365)])
def test_recordings_of_years_ago_may_be_imported(ago: timedelta) -> None:
    assert capture_metadata({"recorded_at": (NOW - ago).isoformat()}, now=NOW).recorded_at == NOW - ago


def test_how_it_was_recorded_is_kept() -> None:
    fields = {"device": "Pixel 9 \N{GRINNING FACE}", "microphone": "built_in", "app_version": "v" * 32}

    metadata = capture_metadata(fields, now=NOW)

    assert (metadata.device, metadata.app_version) == (fields["device"], "v" * 32)
    assert metadata.microphone is Microphone.BUILT_IN


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("device", "", "1 to 64 characters"),
        ("device", "x" * 65, "1 to 64 characters"),
        ("device", "a\nb", "control characters"),
        ("device", "a\x00", "control characters"),
        ("device", "a\x85b", "control characters"),
        ("device", "a\u2028b", "control characters"),
        ("app_version", "", "1 to 32 characters"),
        ("app_version", "1" * 33, "1 to 32 characters"),
        ("app_version", "1.0\x7f", "control characters"),
        ("microphone", "", "built_in, headset, bluetooth, external, unknown"),
        ("microphone", "BUILT_IN", "built_in, headset, bluetooth, external, unknown"),
    ],
)
def test_what_is_too_long_or_unknown_is_refused(name: str, value: str, detail: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        capture_metadata({name: value}, now=NOW)

    assert refused.value.errors is not None
    assert [error.field for error in refused.value.errors] == [name]
    assert detail in refused.value.errors[0].detail


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        capture_metadata({"recorded_at": "x", "time_zone": "Mars/Olympus"}, now=NOW)

    assert refused.value.errors is not None
    assert {error.field for error in refused.value.errors} == {"recorded_at", "time_zone"}


def test_a_prompt_may_end_while_the_recording_runs() -> None:
    fields = {"recorded_at": "2026-02-28T10:00:00Z", "prompt_ended_at": "2026-02-28T11:00:02.5+01:00"}

    ended = capture_metadata(fields, now=NOW).prompt_ended_at

    assert ended == datetime(2026, 2, 28, 10, 0, 2, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("recorded_at", "prompt_ended_at", "detail"),
    [
        (None, "2026-02-28T10:00:00Z", "needs `recorded_at`"),
        ("2026-02-28T10:00:00Z", "2026-02-28T09:59:59Z", "before `recorded_at`"),
        ("2026-02-28T10:00:00Z", "2026-02-28T10:00:01", "offset"),
        ("2026-02-28T10:00:00Z", "2999-02-28T10:00:01Z", "future"),
    ],
)
def test_impossible_ends_of_a_prompt_are_refused(
    recorded_at: str | None, prompt_ended_at: str, detail: str
) -> None:
    fields = {"prompt_ended_at": prompt_ended_at} | ({"recorded_at": recorded_at} if recorded_at else {})

    with pytest.raises(InvalidRequestError) as refused:
        capture_metadata(fields, now=NOW)

    assert refused.value.errors is not None
    assert [error.field for error in refused.value.errors] == ["prompt_ended_at"]
    assert detail in refused.value.errors[0].detail
