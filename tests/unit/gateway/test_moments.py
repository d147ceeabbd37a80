from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from mindtrack_gateway.moments import Moment

read = TypeAdapter(Moment).validate_python


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T17:00:00Z",
        "2026-03-01t17:00:00z",
        "2026-03-01T18:00:00+01:00",
        "2026-03-01 12:00:00-05:00",
        "2026-03-01T17:00:00.000000Z",
    ],
)
def test_a_moment_is_the_same_in_every_zone(text: str) -> None:
    found = read(text)

    assert (found, found.tzinfo) == (datetime(2026, 3, 1, 17, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-03-01T17:00:00", "offset"),
        ("2026-03-01T17:00:00 01:00", "%2B"),
        ("2026-03-01T17:00:00.5 01:00", "%2B"),
        ("2026-03-01", "RFC 3339"),
        ("2026-W09-7T17:00:00Z", "RFC 3339"),
        ("20260301T170000Z", "RFC 3339"),
        ("2026-03-01T17:00Z", "RFC 3339"),
        ("2026-03-01T17:00:00Z ", "RFC 3339"),
        ("1772384400", "RFC 3339"),
        (1772384400, "RFC 3339"),
        ("", "RFC 3339"),
        ("2026-02-29T17:00:00Z", "no moment"),
        ("2026-03-01T24:30:00Z", "no moment"),
        ("2026-03-01T17:00:00+99:00", "no moment"),
        ("0001-01-01T00:00:00+00:01", "no moment"),
        ("9999-12-31T23:59:59-00:01", "no moment"),
    ],
)
def test_what_is_no_moment_says_why(text: object, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        read(text)
