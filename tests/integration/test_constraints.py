"""Illegal rows are refused by Postgres itself, whoever writes them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from factories import CALM, PARTIAL, add_job, add_user, analysis
from mindtrack_shared.db import analyses
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.indices import indices
from mindtrack_shared.domain.jobs import TRANSITIONS, JobStatus

LEASED = "lease_expires_at = now(), worker_id = gen_random_uuid()"
UNLEASED = "lease_expires_at = null, worker_id = null"
NOTHING_KNOWN = (
    "p_neutral = null, p_happy = null, p_sad = null, p_anxious = null, p_stressed = null,"
    "stress_score = null, anxiety_index = null, depressive_index = null, baseline_index = null"
)
#: Columns that each state needs to be legal in itself.
LEGAL = {
    JobStatus.QUEUED: f"{UNLEASED}, finished_at = null, code = null",
    JobStatus.RUNNING: f"{LEASED}, finished_at = null, code = null",
    JobStatus.SUCCEEDED: f"{UNLEASED}, finished_at = now(), code = null",
    JobStatus.REJECTED: f"{UNLEASED}, finished_at = now(), code = 'too_short'",
    JobStatus.FAILED: f"{UNLEASED}, finished_at = now(), code = 'internal_error'",
    JobStatus.CANCELED: f"{UNLEASED}, finished_at = now(), code = null",
}


def force(engine: Engine, job_id: UUID, status: JobStatus, columns: str) -> None:
    with engine.begin() as connection:
        statement = f"update jobs set attempt = 1, fence = 1, status = '{status}', {columns} where id = :id"  # noqa: S608
        connection.execute(text(statement), {"id": job_id})


@pytest.mark.parametrize(("current", "target"), list(itertools.permutations(JobStatus, 2)))
def test_states_change_along_the_table_only(engine: Engine, current: JobStatus, target: JobStatus) -> None:
    job_id = add_job(engine, add_user(engine))
    for step in path_to(current):
        force(engine, job_id, step, LEGAL[step])

    if target in TRANSITIONS[current]:
        force(engine, job_id, target, LEGAL[target])
    else:
        with pytest.raises(IntegrityError, match=f"cannot go from {current} to {target}"):
            force(engine, job_id, target, LEGAL[target])


def path_to(status: JobStatus) -> list[JobStatus]:
    """Return the steps from `queued` to a state."""
    if status is JobStatus.QUEUED:
        return []
    return [status] if status in TRANSITIONS[JobStatus.QUEUED] else [JobStatus.RUNNING, status]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'running', attempt = 1, fence = 1", "leased_while_running"),
        ("lease_expires_at = now()", "leased_while_running"),
        ("finished_at = now()", "finished_when_terminal"),
        ("code = 'too_short'", "code_explains_end"),
        ("attempt = -1", "attempt_bounded"),
        ("attempt = 4, fence = 4", "attempt_bounded"),
        ("attempt = 1, fence = 0", "fence_counts_claims"),
        ("max_attempts = 0", "max_attempts_positive"),
        ("measured = 1.5", "measured_when_rejected"),
        ("needed = 4", "measured_when_rejected"),
        ("quality = '{}'", "quality_when_decoded"),
    ],
)
def test_a_job_that_contradicts_itself_is_refused(engine: Engine, change: str, constraint: str) -> None:
    job_id = add_job(engine, add_user(engine))

    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(text(f"update jobs set {change} where id = :id"), {"id": job_id})  # noqa: S608


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("p_stressed = 1.2, p_neutral = -0.45", "is_probability"),
        ("p_stressed = 'NaN'", "is_probability"),
        ("p_stressed = p_stressed + 0.05", "probabilities_sum_to_one"),
        ("p_happy = null, baseline_index = null", "probabilities_sum_to_one"),
        (NOTHING_KNOWN, "probabilities_sum_to_one"),
        ("stress_score = 1.01", "stress_score_in_unit_interval"),
        ("stress_score = null", "scores_known_by_probabilities"),
        ("depressive_index = null", "scores_known_by_probabilities"),
        ("unmapped_mass = -0.1", "unmapped_mass_in_unit_interval"),
        ("uncertainty = 1.1", "uncertainty_in_unit_interval"),
        ("indeterminate_reason = 'bored'", "indeterminate_reason_known"),
        ("temperature = 0", "temperature_positive"),
        ("biomarkers = '[]'", "biomarkers_is_object"),
        ("attempt = 0", "attempt_positive"),
        ("audio_seconds = 0", "audio_seconds_positive"),
    ],
)
def test_an_analysis_outside_its_ranges_is_refused(engine: Engine, change: str, constraint: str) -> None:
    add_analysis(engine, user_id := add_user(engine), add_job(engine, user_id))

    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(text(f"update analyses set {change}"))  # noqa: S608


@pytest.mark.parametrize("change", ["p_happy = 0.1", "stress_score = 0.2", "anxiety_index = 0"])
def test_what_a_model_cannot_express_stays_unknown(engine: Engine, change: str) -> None:
    user_id = add_user(engine)
    add_analysis(engine, user_id, add_job(engine, user_id), probabilities=PARTIAL)

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(f"update analyses set {change}"))  # noqa: S608


def test_a_job_has_one_analysis(engine: Engine) -> None:
    user_id = add_user(engine)
    job_id = add_job(engine, user_id)
    add_analysis(engine, user_id, job_id)

    with pytest.raises(IntegrityError, match="uq_analyses_job_id"):
        add_analysis(engine, user_id, job_id)


def test_an_analysis_belongs_to_the_person_whose_job_it_is(engine: Engine) -> None:
    job_id = add_job(engine, add_user(engine, "ada"))

    with pytest.raises(IntegrityError, match="fk_analyses_job_id_user_id"):
        add_analysis(engine, add_user(engine, "grace"), job_id)


def add_analysis(engine: Engine, user_id: UUID, job_id: UUID, *, probabilities: Probabilities = CALM) -> None:
    with Session(engine) as session, session.begin():
        moment = datetime(2026, 3, 1, tzinfo=UTC)
        found = analysis(probabilities)
        derived = indices(found.probabilities, {})
        session.add(
            analyses.record(found, derived, job_id=job_id, user_id=user_id, attempt=1, recorded_at=moment)
        )
