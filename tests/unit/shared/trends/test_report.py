from __future__ import annotations

import pytest

from mindtrack_shared.domain.trends import Measure, Status, report
from trend_days import day, run, usual


def test_a_steady_person_is_within_their_range() -> None:
    found = report(run(usual(60)), measure=Measure.STRESS_SCORE, first_day=day(30), last_day=day(59))

    assert found.status is Status.WITHIN_RANGE
    assert found.recording_days == 30
    assert found.coverage == 1.0
    assert found.baseline is not None
    assert found.baseline.centre == pytest.approx(0.5, abs=0.1)


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        report([], measure=Measure.STRESS_SCORE, first_day=day(1), last_day=day(0))
