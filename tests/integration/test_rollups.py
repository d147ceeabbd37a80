"""The day rollups equal what the analyses add up to, whatever the order of arrival."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from factories import add_job, add_user, analysis
from integration_support import EMPTY
from mindtrack_shared.db import analyses
from mindtrack_shared.db.models import DayRollupRecord
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.indices import indices

MONDAY = date(2026, 3, 2)

recordings = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.floats(0.01, 1), min_size=5, max_size=5)),
    min_size=1,
    max_size=12,
)

RAW = """
select r.recorded_on as day, count(*) as count, sum(stress_score) as stress_sum,
    sum(stress_score ^ 2) as stress_square_sum,
    min(stress_score) as stress_min, max(stress_score) as stress_max,
    sum(anxiety_index) as anxiety_sum, sum(depressive_index) as depressive_sum,
    sum(baseline_index) as baseline_sum
from analyses a join jobs j on j.id = a.job_id join recordings r on r.id = j.recording_id
group by r.recorded_on order by r.recorded_on
"""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings)
def test_rollups_equal_the_raw_aggregation(engine: Engine, recorded: list[tuple[int, list[float]]]) -> None:
    with engine.begin() as connection:
        connection.execute(text(EMPTY))
    user_id = add_user(engine)
    for offset, weights in recorded:
        day = MONDAY + timedelta(days=offset)
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        found = analysis(Probabilities.from_sequence([weight / sum(weights) for weight in weights]))
        derived = indices(found.probabilities, {})
        job_id = add_job(engine, user_id, recorded_at=moment, recorded_on=day)
        with Session(engine) as session, session.begin():
            session.add(
                analyses.record(
                    found, derived, job_id=job_id, user_id=user_id, attempt=1, recorded_at=moment
                ),
            )
            stress = found.countable_stress
            assert stress is not None
            session.execute(analyses.add_to_day(user_id, day, stress, derived))

    with Session(engine) as session:
        raw = session.execute(text(RAW)).mappings().all()
        rolled = session.execute(select(*analyses.ROLLUP).order_by(DayRollupRecord.day)).all()

    assert len(raw) == len(rolled)
    for expected, row in zip(raw, rolled, strict=True):
        assert {name: getattr(row, name) for name in expected} == {
            name: value if isinstance(value, date | int) else pytest.approx(value, rel=1e-12)
            for name, value in expected.items()
        }
