from __future__ import annotations

import pytest

from mindtrack_client.sparkline import BLOCKS, DIGITS, sparkline


def test_the_scale_is_fixed_and_days_without_recordings_are_gaps() -> None:
    assert sparkline([0.0, None, 0.5, 1.0]) == "▁ ▅█"


@pytest.mark.parametrize(
    ("value", "level"), [(0.124, "1"), (0.125, "2"), (0.999, "8"), (-0.1, "1"), (1.1, "8")]
)
def test_levels_split_the_unit_interval_evenly(value: float, level: str) -> None:
    assert sparkline([value], DIGITS) == level


def test_both_alphabets_have_as_many_levels() -> None:
    assert len(BLOCKS) == len(DIGITS)
