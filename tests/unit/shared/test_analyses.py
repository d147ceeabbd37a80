from __future__ import annotations

from datetime import date

import pytest

from mindtrack_shared.db.analyses import to_past
from mindtrack_shared.db.models import Measurements
from mindtrack_shared.domain.biomarkers import Biomarkers

DAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, Biomarkers()),
        ({}, Biomarkers()),
        ({"f0_median_hz": 120.0, "jitter": None}, Biomarkers(f0_median_hz=120.0)),
        ({"f0_median_hz": 120.0, "vowel_space_hz2": 4e5}, Biomarkers(f0_median_hz=120.0)),
    ],
    ids=["measured nothing", "stored nothing", "measured less", "measured more"],
)
def test_other_releases_measurements_are_read(stored: Measurements | None, expected: Biomarkers) -> None:
    past = to_past(DAY, stored)

    assert (past.day, past.biomarkers) == (DAY, expected)
