from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.trends import DayValue, Measure, Recorded, day_value, local_day
from trend_days import MONDAY, PHONE

recordings = st.lists(
    st.builds(Recorded, value=st.floats(0, 1), speech_seconds=st.floats(0.1, 3600)), min_size=1, max_size=20
)


def made(*pairs: tuple[float, float], measure: Measure = Measure.F0_MEDIAN_HZ) -> DayValue:
    return day_value(MONDAY, PHONE, (Recorded(*pair) for pair in pairs), measure=measure)


def test_a_day_is_the_mean_of_its_recordings_by_seconds_of_speech() -> None:
    found = made((100.0, 30.0), (160.0, 10.0))

    assert found == DayValue(MONDAY, PHONE, recordings=2, speech_seconds=40.0, value=115.0)


def test_scores_are_averaged_as_log_odds() -> None:
    """The mean of 0.1 and 0.9 would be 0.5 either way; that of 0.5 and 0.9 would be 0.7."""
    found = made((0.5, 10.0), (0.9, 10.0), measure=Measure.STRESS_SCORE)

    assert found.value == pytest.approx(0.5 * 2.1972246)  # log 9


def test_one_certain_recording_does_not_own_its_day() -> None:
    found = made((1.0, 10.0), (0.5, 10.0), (0.5, 10.0), measure=Measure.STRESS_SCORE)

    assert found.value == pytest.approx(4.5951199 / 3)  # log 99


@given(recordings)
def test_the_order_of_recordings_does_not_matter(given_: list[Recorded]) -> None:
    shuffled = sorted(given_, key=lambda each: (each.value, each.speech_seconds))

    first = day_value(MONDAY, PHONE, given_, measure=Measure.STRESS_SCORE)
    second = day_value(MONDAY, PHONE, shuffled, measure=Measure.STRESS_SCORE)

    assert first.value == pytest.approx(second.value, abs=1e-9)
    assert first.recordings == second.recordings == len(given_)


@given(recordings)
def test_a_day_lies_between_its_recordings(given_: list[Recorded]) -> None:
    found = day_value(MONDAY, PHONE, given_, measure=Measure.F0_MEDIAN_HZ)

    values = [each.value for each in given_]
    assert min(values) - 1e-9 <= found.value <= max(values) + 1e-9


@pytest.mark.parametrize("pairs", [[], [(0.5, 0.0)], [(0.5, 10.0), (0.5, -1.0)]])
def test_a_day_needs_recordings_with_speech(pairs: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="speech"):
        made(*pairs)


@pytest.mark.parametrize(
    ("moment", "time_zone", "expected"),
    [
        ("2026-02-28T23:30:00Z", "UTC", date(2026, 2, 28)),
        ("2026-02-28T23:30:00Z", "Europe/Berlin", date(2026, 3, 1)),
        ("2026-02-28T11:30:00+13:00", "Pacific/Auckland", date(2026, 2, 28)),
        # Clocks go forward at 02:00: the day has 23 hours, from 23:00 to 22:00 UTC.
        ("2026-03-28T22:59:59Z", "Europe/Berlin", date(2026, 3, 28)),
        ("2026-03-28T23:00:00Z", "Europe/Berlin", date(2026, 3, 29)),
        ("2026-03-29T21:59:59Z", "Europe/Berlin", date(2026, 3, 29)),
        ("2026-03-29T22:00:00Z", "Europe/Berlin", date(2026, 3, 30)),
        # Clocks go back at 03:00: 25 hours, from 22:00 to 23:00 UTC, both hours from 02:00 to 03:00 in it.
        ("2026-10-24T22:00:00Z", "Europe/Berlin", date(2026, 10, 25)),
        ("2026-10-25T00:30:00Z", "Europe/Berlin", date(2026, 10, 25)),
        ("2026-10-25T01:30:00Z", "Europe/Berlin", date(2026, 10, 25)),
        ("2026-10-25T22:59:59Z", "Europe/Berlin", date(2026, 10, 25)),
        ("2026-10-25T23:00:00Z", "Europe/Berlin", date(2026, 10, 26)),
        # Samoa had no 30 December 2011.
        ("2011-12-30T09:59:59Z", "Pacific/Apia", date(2011, 12, 29)),
        ("2011-12-30T10:00:00Z", "Pacific/Apia", date(2011, 12, 31)),
    ],
)
def test_the_day_is_that_of_the_clock_on_the_wall(moment: str, time_zone: str, expected: date) -> None:
    assert local_day(datetime.fromisoformat(moment), time_zone) == expected


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_days_never_go_back(moment: datetime, time_zone: str) -> None:
    later = moment + timedelta(hours=1)

    assert local_day(moment, time_zone) <= local_day(later, time_zone)
    assert local_day(moment.astimezone(ZoneInfo("Asia/Tokyo")), time_zone) == local_day(moment, time_zone)


def test_a_moment_without_an_offset_has_no_day() -> None:
    with pytest.raises(ValueError, match="offset"):
        local_day(datetime(2026, 3, 1, 12), "UTC")  # noqa: DTZ001 - that is the point
