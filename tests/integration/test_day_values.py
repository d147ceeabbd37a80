"""A person's days as trends compare them: what the analyses that count come to, whatever happened to them."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import add_job, add_user, analysis
from integration_support import EMPTY, plan_of
from mindtrack_scheduler.days import mend, rebuild
from mindtrack_shared.db import analyses, day_values, trend_sources
from mindtrack_shared.domain.analysis import IndeterminateReason
from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.indices import indices
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.domain.recordings import Microphone, device_class
from mindtrack_shared.domain.trends import DayValue, Measure, Origin, Recorded, day_value

MONDAY = date(2026, 3, 2)
LAST = MONDAY + timedelta(days=30)


@dataclass(frozen=True)
class Take:
    """One recording and what was found in it."""

    day: int
    scores: tuple[float, ...]
    revision: str
    microphone: Microphone | None
    content_type: str
    speech_seconds: float
    f0_median_hz: float | None
    counts: bool

    @property
    def date(self) -> date:
        return MONDAY + timedelta(days=self.day)

    @property
    def origin(self) -> Origin:
        return Origin(self.revision, device_class(self.microphone, self.content_type))

    @property
    def probabilities(self) -> Probabilities:
        return Probabilities.from_sequence([score / sum(self.scores) for score in self.scores])

    def natural(self, measure: Measure) -> float | None:
        found = indices(self.probabilities, {})
        return {
            Measure.STRESS_SCORE: self.probabilities.stress_score,
            Measure.ANXIETY_INDEX: found.anxiety,
            Measure.DEPRESSIVE_INDEX: found.depressive,
            Measure.BASELINE_INDEX: found.baseline,
            Measure.F0_MEDIAN_HZ: self.f0_median_hz,
        }.get(measure)


takes = st.builds(
    Take,
    day=st.integers(0, 2),
    scores=st.tuples(*[st.floats(0.001, 1)] * 5),
    revision=st.sampled_from(["one", "two"]),
    microphone=st.sampled_from([None, Microphone.UNKNOWN, Microphone.BLUETOOTH]),
    content_type=st.sampled_from(["audio/wav", "audio/webm"]),
    speech_seconds=st.floats(0.5, 60),
    f0_median_hz=st.none() | st.floats(60, 400),
    counts=st.sampled_from([True, True, True, False]),
)


def add(engine: Engine, user_id: UUID, take: Take) -> UUID:
    """Add a recording with its analysis, as a worker does."""
    moment = datetime(take.date.year, take.date.month, take.date.day, 12, tzinfo=UTC)
    found = analysis(
        take.probabilities,
        reason=None if take.counts else IndeterminateReason.UNCERTAIN,
        biomarkers=Biomarkers(f0_median_hz=take.f0_median_hz),
    )
    found = replace(found, provenance=replace(found.provenance, bundle_revision=take.revision))
    derived = indices(found.probabilities, {})
    job_id = add_job(
        engine,
        user_id,
        recorded_at=moment,
        recorded_on=take.date,
        content_type=take.content_type,
        microphone=take.microphone,
        status=JobStatus.SUCCEEDED,
        attempt=1,
        fence=1,
        finished_at=moment,
        quality={"speech_seconds": take.speech_seconds},
    )
    with Session(engine) as session, session.begin():
        session.add(
            analyses.record(found, derived, job_id=job_id, user_id=user_id, attempt=1, recorded_at=moment)
        )
        session.flush()
        if take.counts:
            stress = take.probabilities.stress_score
            assert stress is not None
            session.execute(analyses.add_to_day(user_id, take.date, stress, derived))
            renew(session, user_id, take.date)
    return job_id


def renew(session: Session, user_id: UUID, *days: date) -> None:
    for statement in day_values.renewal(user_id, days or None):
        session.execute(statement)


def held(engine: Engine, user_id: UUID, measure: Measure) -> list[DayValue]:
    with Session(engine) as session:
        rows = session.execute(day_values.between(user_id, measure, first_day=MONDAY, last_day=LAST))
        return [day_values.to_day_value(row) for row in rows]


def expected(takes: list[Take], measure: Measure) -> list[DayValue]:
    recorded: defaultdict[tuple[date, Origin], list[Recorded]] = defaultdict(list)
    for take in takes:
        value = take.natural(measure)
        if take.counts and value is not None:
            recorded[take.date, take.origin].append(Recorded(value, take.speech_seconds))
    return [day_value(day, origin, found, measure=measure) for (day, origin), found in recorded.items()]


def require_equal(engine: Engine, user_id: UUID, takes: list[Take]) -> None:
    for measure in Measure:
        found = sorted(held(engine, user_id, measure), key=lambda each: (each.day, each.origin))
        wanted = sorted(expected(takes, measure), key=lambda each: (each.day, each.origin))
        assert [(each.day, each.origin, each.recordings) for each in found] == [
            (each.day, each.origin, each.recordings) for each in wanted
        ], measure
        assert [each.value for each in found] == pytest.approx([each.value for each in wanted], rel=1e-9)
        seconds = [each.speech_seconds for each in wanted]
        assert [each.speech_seconds for each in found] == pytest.approx(seconds, rel=1e-9)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(takes, min_size=1, max_size=8), st.data())
def test_days_equal_what_was_recorded(engine: Engine, recorded: list[Take], data: st.DataObject) -> None:
    """After completion, late arrival, another day (a zone that was wrong), another score, and deletion."""
    with engine.begin() as connection:
        connection.execute(text(EMPTY))
    user_id = add_user(engine)
    job_ids = [add(engine, user_id, take) for take in recorded]
    require_equal(engine, user_id, recorded)

    moved = data.draw(st.integers(0, len(recorded) - 1), label="moved")
    before = recorded[moved]
    recorded[moved] = replace(before, day=before.day + 1)
    with Session(engine) as session, session.begin():
        move = (
            "update recordings set recorded_on = :day"
            " where id = (select recording_id from jobs where jobs.id = :id)"
        )
        session.execute(text(move), {"day": recorded[moved].date, "id": job_ids[moved]})
        renew(session, user_id, before.date, recorded[moved].date)
    require_equal(engine, user_id, recorded)

    again = data.draw(st.integers(0, len(recorded) - 1), label="scored again")
    recorded[again] = replace(recorded[again], revision="three")
    with Session(engine) as session, session.begin():
        score = "update analyses set bundle_revision = 'three' where job_id = :id"
        session.execute(text(score), {"id": job_ids[again]})
        renew(session, user_id, recorded[again].date)
    require_equal(engine, user_id, recorded)

    deleted = data.draw(st.integers(0, len(recorded) - 1), label="deleted")
    gone = recorded.pop(deleted)
    with Session(engine) as session, session.begin():
        session.execute(text("delete from analyses where job_id = :id"), {"id": job_ids[deleted]})
        renew(session, user_id, gone.date)
    require_equal(engine, user_id, recorded)


def take(day: int = 0, **changes: Any) -> Take:  # noqa: ANN401 - any field
    usual = Take(day, (0.2,) * 5, "one", None, "audio/wav", 5.0, 120.0, counts=True)
    return replace(usual, **changes)


def test_days_that_another_release_wrote_or_deleted_are_mended(engine: Engine) -> None:
    ada, grace = add_user(engine), add_user(engine, "grace")
    taken = [take(day) for day in (0, 0, 1)]
    for each in taken:
        add(engine, ada, each)
    gone = add(engine, grace, take(2))
    with engine.begin() as connection:
        # Such a release keeps rollups alone.
        connection.execute(text("delete from day_values where user_id = :ada"), {"ada": ada})
        connection.execute(text("delete from analyses where job_id = :id"), {"id": gone})
        connection.execute(text("delete from day_rollups where user_id = :grace"), {"grace": grace})

    assert mend(engine, batch=2) == 3
    require_equal(engine, ada, taken)
    assert held(engine, grace, Measure.STRESS_SCORE) == []
    assert mend(engine) == 0


def test_everything_can_be_summed_up_anew(engine: Engine) -> None:
    ada, taken = add_user(engine), [take(day) for day in (0, 0, 1)]
    for each in taken:
        add(engine, ada, each)
    with engine.begin() as connection:
        connection.execute(text("update day_values set stress_score = 0, others = '{}'"))

    assert list(rebuild(engine)).count(ada) == 1
    require_equal(engine, ada, taken)


def test_a_day_that_cannot_be_mended_is_given_up(engine: Engine) -> None:
    ada = add_user(engine)
    add(engine, ada, take())
    with engine.begin() as connection:
        connection.execute(text("update day_rollups set count = count + 1"))

    assert mend(engine, batch=1) == 1


def test_many_add_to_one_day_at_once(engine: Engine) -> None:
    ada = add_user(engine)
    taken = [take(speech_seconds=float(number)) for number in range(1, 13)]
    with ThreadPoolExecutor(6) as threads:  # fewer than there are connections: who waits for one gives up
        list(threads.map(lambda each: add(engine, ada, each), taken))

    require_equal(engine, ada, taken)


def test_of_a_release_that_measured_no_speech_the_audio_counts(engine: Engine) -> None:
    ada = add_user(engine)
    add(engine, ada, take())
    with Session(engine) as session, session.begin():
        session.execute(text("update jobs set quality = null"))
        renew(session, ada)

    (day,) = held(engine, ada, Measure.STRESS_SCORE)
    assert day.speech_seconds == 6.0


@pytest.mark.parametrize("measure", [Measure.STRESS_SCORE, Measure.F0_MEDIAN_HZ])
def test_a_trend_reads_an_index(engine: Engine, measure: Measure) -> None:
    ada = add_user(engine)
    between = day_values.between(ada, measure, first_day=MONDAY, last_day=LAST)
    source = trend_sources.source((measure,)).params(trend_sources.parameters(ada, days=90, today=LAST))
    add_days(engine, measure)
    wanted = "Index Only Scan using pk_day_values" if measure is Measure.STRESS_SCORE else "Index"
    with engine.connect() as connection:
        alone, with_the_rest = plan_of(connection, between), plan_of(connection, source)
    assert wanted in alone
    assert "Seq Scan" not in alone
    assert wanted in with_the_rest
    assert "Seq Scan on day_values" not in with_the_rest, "other tables are empty here"


def add_days(engine: Engine, measure: Measure) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                """
                with people as (
                    insert into users (id, subject)
                    select uuidv7(), concat(cast(:measure as text), n) from generate_series(1, 50) n
                    returning id
                )
                insert into day_values
                select id, '2026-01-01'::date + n, 'one', 'unknown audio/wav', 1, 5, 0, '{}'
                from people, generate_series(1, 200) n
                """
            ),
            {"measure": measure},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze day_values"))
