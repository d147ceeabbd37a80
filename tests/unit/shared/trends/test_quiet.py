from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mindtrack_shared.domain.trends import QuietHours, when_to_notify

NIGHT = QuietHours(time(21), time(8))
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Pacific/Apia"]

times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
moments = st.datetimes(datetime(2011, 1, 1), datetime(2037, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-15T12:00:00+01:00", "2026-01-15T12:00:00+01:00"),
        ("2026-01-15T20:59:59+01:00", "2026-01-15T20:59:59+01:00"),
        ("2026-01-15T21:00:00+01:00", "2026-01-16T08:00:00+01:00"),
        ("2026-01-16T00:00:00+01:00", "2026-01-16T08:00:00+01:00"),
        ("2026-01-16T07:59:59+01:00", "2026-01-16T08:00:00+01:00"),
        ("2026-01-16T08:00:00+01:00", "2026-01-16T08:00:00+01:00"),
        # An hour less of the night when clocks go forward, an hour more when they go back.
        ("2026-03-28T23:00:00+01:00", "2026-03-29T08:00:00+02:00"),
        ("2026-10-24T23:00:00+02:00", "2026-10-25T08:00:00+01:00"),
        # Somebody else's offset says nothing about the person's night.
        ("2026-01-15T12:00:00-08:00", "2026-01-16T08:00:00+01:00"),
    ],
)
def test_nights_pass_before_anybody_is_told(now: str, expected: str) -> None:
    found = when_to_notify(datetime.fromisoformat(now), "Europe/Berlin", NIGHT)

    assert found == datetime.fromisoformat(expected)
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("now", "quiet", "expected"),
    [
        # 02:30 comes twice: quiet hours that end then end with the second.
        ("2026-10-25T00:00:00Z", QuietHours(time(22), time(2, 30)), "2026-10-25T01:30:00Z"),
        ("2026-10-25T00:45:00Z", QuietHours(time(22), time(2, 30)), "2026-10-25T01:30:00Z"),
        # Those that begin then begin with the first.
        ("2026-10-25T00:30:00Z", QuietHours(time(2, 30), time(9)), "2026-10-25T08:00:00Z"),
        ("2026-10-25T01:10:00Z", QuietHours(time(2, 30), time(9)), "2026-10-25T08:00:00Z"),
        # 02:30 is skipped: the end comes at 03:30, the begin at 01:30.
        ("2026-03-29T01:10:00Z", QuietHours(time(22), time(2, 30)), "2026-03-29T01:30:00Z"),
        ("2026-03-29T00:40:00Z", QuietHours(time(2, 30), time(9)), "2026-03-29T07:00:00Z"),
        # At noon.
        ("2026-07-01T10:30:00Z", QuietHours(time(12), time(14)), "2026-07-01T12:00:00Z"),
        ("2026-07-01T09:30:00Z", QuietHours(time(12), time(14)), "2026-07-01T09:30:00Z"),
    ],
)
def test_where_clocks_change_quiet_hours_get_longer(now: str, quiet: QuietHours, expected: str) -> None:
    found = when_to_notify(datetime.fromisoformat(now), "Europe/Berlin", quiet)

    assert found == datetime.fromisoformat(expected)


@given(moments, st.sampled_from(ZONES), times, times)
@example(datetime(2026, 10, 25, 0, 45, tzinfo=UTC), "Europe/Berlin", time(2, 50), time(2, 40))
@example(datetime(2026, 3, 29, 0, 45, tzinfo=UTC), "Europe/Berlin", time(2, 50), time(2, 40))
def test_what_is_told_is_never_told_in_quiet_hours(now: datetime, zone: str, begin: time, end: time) -> None:
    quiet = QuietHours(begin, end)

    found = when_to_notify(now, zone, quiet)

    assert now <= found <= now + timedelta(days=2)
    assert when_to_notify(found, zone, quiet) == found
    clock = found.astimezone(ZoneInfo(zone)).time()
    if begin < end:
        assert not begin <= clock < end or _changed(found, zone)
    elif begin > end:
        assert end <= clock < begin or _changed(found, zone)
    else:
        assert found == now


def _changed(moment: datetime, zone: str) -> bool:
    """Whether clocks changed around that moment, by which wall-clock times stop being unique."""
    around = (moment - timedelta(hours=3), moment + timedelta(hours=3))
    return len({each.astimezone(ZoneInfo(zone)).utcoffset() for each in around}) > 1


def test_a_moment_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        when_to_notify(datetime(2026, 3, 1, 12), "UTC", NIGHT)  # noqa: DTZ001 - that is the point
