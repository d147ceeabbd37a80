from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from mindtrack_shared.ids import first_id, new_id


def test_no_id_made_now_comes_before_the_first_of_now() -> None:
    before = datetime.now(UTC)
    made = new_id()

    assert first_id(before) <= made < first_id(before, timedelta(seconds=5))
    assert made < first_id(datetime.now(UTC) + timedelta(milliseconds=2))


def test_the_ends_of_time_are_ids_too() -> None:
    assert first_id(datetime.min.replace(tzinfo=UTC), timedelta(days=-1)) == UUID(int=0)
    assert first_id(datetime.max.replace(tzinfo=UTC), timedelta(days=1)) > new_id()
