from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mindtrack_gateway.analyses import cursor as by_recording
from mindtrack_gateway.jobs.cursor import decode, encode
from mindtrack_gateway.problems import InvalidRequestError
from mindtrack_shared.ids import new_id

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123_456, tzinfo=UTC)


def test_a_cursor_survives_the_round_trip() -> None:
    last = new_id()

    assert decode(encode(last)) == last


@pytest.mark.parametrize("cursor", ["", "a", "not base64!", "AAAA", "é"])
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode(cursor)


@pytest.mark.parametrize("years", [-2020, 0, 7000])
def test_a_place_among_recordings_survives_the_round_trip(years: int) -> None:
    place = (MOMENT + timedelta(days=365 * years), new_id())

    assert by_recording.decode(by_recording.encode(*place)) == place


@pytest.mark.parametrize("cursor", ["", "a", "AAAA", "é", encode(UUID(int=7 << 76)), "f" + "_" * 31])
def test_no_other_place_among_recordings_is_known(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        by_recording.decode(cursor)
