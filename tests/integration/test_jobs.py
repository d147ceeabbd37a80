"""The statements that move jobs, on real Postgres: claims, fences, leases, rings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import QUALITY, add_job, add_user, analysis, load_job
from integration_support import plan_of
from mindtrack_inference.lease import end_leases
from mindtrack_shared.db import analyses, jobs
from mindtrack_shared.domain.indices import indices
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority, RejectionCode
from mindtrack_shared.ids import new_id

LEASE = timedelta(seconds=60)
LAPSED = timedelta(seconds=-1)


def run(engine: Engine, statement: Any) -> list[Any]:  # noqa: ANN401 - any statement
    with engine.begin() as connection:
        result = connection.execute(statement)
        return list(result.all()) if result.returns_rows else []


def claim(
    engine: Engine,
    job_id: UUID | None = None,
    *,
    lease: timedelta = LEASE,
    priorities: Sequence[Priority] = tuple(Priority),
    besides_others: bool = False,
) -> Any:  # noqa: ANN401 - a row
    statement = jobs.claim(
        worker_id=new_id(),
        lease=lease,
        priorities=priorities,
        job_id=job_id,
        besides_others=besides_others,
    )
    rows = run(engine, statement)
    return rows[0] if rows else None


@pytest.fixture
def user_id(engine: Engine) -> UUID:
    return add_user(engine)


def test_a_claim_takes_the_job_and_says_all_a_worker_needs(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id)

    claimed = claim(engine)

    job = load_job(engine, job_id)
    assert (claimed.id, claimed.user_id, claimed.attempt, claimed.fence) == (job_id, user_id, 1, 1)
    assert len(claimed.sha256) == 32
    assert job.status is JobStatus.RUNNING
    assert job.started_at is not None


def test_the_job_that_has_waited_longest_comes_first(engine: Engine, user_id: UUID) -> None:
    waiting = [add_job(engine, user_id) for _ in range(3)]

    assert [claim(engine).id for _ in waiting] == waiting
    assert claim(engine) is None


def test_interactive_jobs_come_before_older_bulk_ones(engine: Engine, user_id: UUID) -> None:
    bulk = [add_job(engine, user_id, priority=Priority.BULK) for _ in range(2)]
    interactive = [add_job(engine, user_id) for _ in range(2)]

    assert [claim(engine).id for _ in range(4)] == interactive + bulk


@pytest.mark.parametrize("lane", Priority)
def test_a_claim_keeps_to_its_lanes(engine: Engine, user_id: UUID, lane: Priority) -> None:
    ids = {priority: add_job(engine, user_id, priority=priority) for priority in Priority}
    (other,) = set(Priority) - {lane}

    assert claim(engine, ids[other], priorities=[lane]) is None, "not even if it rang"
    assert claim(engine, priorities=[lane]).id == ids[lane]
    assert claim(engine, priorities=[lane]) is None
    assert claim(engine, priorities=[other]).id == ids[other]


def test_a_ring_claims_its_own_job_first(engine: Engine, user_id: UUID) -> None:
    _, rung = add_job(engine, user_id), add_job(engine, user_id)

    assert claim(engine, rung).id == rung
    assert claim(engine, rung) is None


def test_a_claimed_job_cannot_be_claimed_again(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id)
    claim(engine)

    assert claim(engine, job_id) is None


def test_workers_that_claim_at_once_get_different_jobs(engine: Engine, user_id: UUID) -> None:
    waiting = {add_job(engine, user_id) for _ in range(24)}

    with ThreadPoolExecutor(8) as workers:
        claimed = list(workers.map(lambda _: claim(engine), range(32)))

    ids = [row.id for row in claimed if row]
    assert len(ids) == len(set(ids))
    # A row that another claim holds is skipped, so that nobody waits; it must not be lost, though.
    left = [row.id for row in iter(lambda: claim(engine), None)]
    assert set(ids) | set(left) == waiting


def test_only_the_newest_holder_can_finish(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id)
    stale = claim(engine, lease=LAPSED)
    assert run(engine, jobs.requeue_lapsed())
    current = claim(engine, job_id)
    assert current.fence == stale.fence + 1

    writes = [
        jobs.heartbeat(job_id, stale.fence, lease=LEASE),
        jobs.succeed(job_id, stale.fence, quality=QUALITY),
        jobs.reject(job_id, stale.fence, RejectionCode.TOO_SHORT),
        jobs.fail(job_id, stale.fence, FailureCode.INTERNAL),
        jobs.retry(job_id, stale.fence, delay=timedelta(0)),
        jobs.release(job_id, stale.fence),
        jobs.demote(job_id, stale.fence),
    ]
    assert [run(engine, write) for write in writes] == [[]] * 7
    job = load_job(engine, job_id)
    assert (job.status, job.priority, job.attempt) == (JobStatus.RUNNING, Priority.INTERACTIVE, 2)

    assert run(engine, jobs.succeed(job_id, current.fence, quality=QUALITY))
    assert run(engine, jobs.succeed(job_id, current.fence, quality=QUALITY)) == []
    assert load_job(engine, job_id).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("again_later", [jobs.retry, jobs.postpone])
def test_what_comes_again_later_waits_and_asks_for_a_ring(
    engine: Engine, user_id: UUID, again_later: Callable[..., Any]
) -> None:
    job_id = add_job(engine, user_id)
    run(engine, jobs.rung([job_id]))
    held = claim(engine)

    run(engine, again_later(job_id, held.fence, delay=timedelta(minutes=1)))

    job = load_job(engine, job_id)
    assert job.status is JobStatus.QUEUED
    assert job.dispatched_at is None
    assert job.lease_expires_at is None
    assert claim(engine, job_id) is None, "its time has not come"
    assert run(engine, jobs.to_ring(limit=10)) == []


@pytest.mark.parametrize(
    ("give_back", "priority"),
    [
        (jobs.release, Priority.INTERACTIVE),
        (partial(jobs.postpone, delay=timedelta(0)), Priority.INTERACTIVE),
        (jobs.demote, Priority.BULK),
    ],
)
def test_a_job_given_back_untouched_has_used_no_attempt(
    engine: Engine, user_id: UUID, give_back: Callable[[UUID, int], Any], priority: Priority
) -> None:
    job_id = add_job(engine, user_id, max_attempts=1)
    run(engine, jobs.rung([job_id]))
    held = claim(engine)

    assert run(engine, give_back(job_id, held.fence)) == [(job_id,)]

    job = load_job(engine, job_id)
    assert (job.status, job.attempt, job.started_at) == (JobStatus.QUEUED, 0, None)
    assert (job.worker_id, job.lease_expires_at) == (None, None)
    assert run(engine, jobs.to_ring(limit=10)) == [(job_id, priority)]
    again = claim(engine, priorities=[priority])
    assert (again.id, again.attempt, again.fence) == (job_id, 1, held.fence + 1)
    assert run(engine, give_back(job_id, held.fence)) == [], "the fence of the first claim"


def test_a_heartbeat_keeps_rescue_away(engine: Engine, user_id: UUID) -> None:
    add_job(engine, user_id)
    held = claim(engine, lease=LAPSED)
    run(engine, jobs.heartbeat(held.id, held.fence, lease=LEASE))

    assert run(engine, jobs.requeue_lapsed()) == []
    assert run(engine, jobs.fail_exhausted()) == []


def test_a_job_whose_worker_fell_silent_is_queued_again(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id)
    claim(engine, lease=LAPSED)

    assert run(engine, jobs.fail_exhausted()) == []
    assert run(engine, jobs.requeue_lapsed()) == [(job_id,)]
    again = claim(engine, job_id)
    assert (again.attempt, again.worker_lost) == (2, True)


def test_a_job_over_which_a_worker_was_lost_is_for_who_holds_nothing_else(
    engine: Engine, user_id: UUID
) -> None:
    add_job(engine, user_id)
    lost = claim(engine, lease=LAPSED)
    run(engine, jobs.requeue_lapsed())
    later = add_job(engine, user_id)

    assert claim(engine, besides_others=True).id == later
    assert claim(engine, besides_others=True) is None
    assert run(engine, jobs.to_ring(limit=10)) == [(lost.id, Priority.INTERACTIVE)]
    again = claim(engine)
    assert (again.id, again.worker_lost) == (lost.id, True)


def test_what_a_worker_never_heard_of_is_given_back(engine: Engine, user_id: UUID) -> None:
    ids = [add_job(engine, user_id) for _ in range(3)]
    worker_id = new_id()
    seen, unseen = (run(engine, jobs.claim(worker_id=worker_id, lease=LEASE))[0] for _ in range(2))
    anothers = claim(engine)

    assert run(engine, jobs.release_unseen(worker_id, {seen.id})) == [(unseen.id,)]

    row = load_job(engine, unseen.id)
    assert (row.status, row.attempt, row.started_at) == (JobStatus.QUEUED, 0, None)
    assert {load_job(engine, job.id).status for job in (seen, anothers)} == {JobStatus.RUNNING}
    assert {seen.id, unseen.id, anothers.id} == set(ids)
    assert run(engine, jobs.release_unseen(worker_id, set())) == [(seen.id,)]


def test_a_retry_is_for_anybody(engine: Engine, user_id: UUID) -> None:
    add_job(engine, user_id)
    failed = claim(engine)
    run(engine, jobs.retry(failed.id, failed.fence, delay=timedelta(0)))

    again = claim(engine)
    assert (again.id, again.attempt, again.worker_lost) == (failed.id, 2, False)


def test_what_lost_workers_held_is_silent_at_once(engine: Engine, user_id: UUID) -> None:
    for attempts in (3, 1, 3):
        add_job(engine, user_id, max_attempts=attempts)
    goes_on, ends, anothers = (claim(engine) for _ in range(3))
    lost = list(filter(None, (load_job(engine, job.id).worker_id for job in (goes_on, ends))))

    assert end_leases(engine, lost)

    assert [row.id for row in run(engine, jobs.fail_exhausted())] == [ends.id]
    assert run(engine, jobs.requeue_lapsed()) == [(goes_on.id,)]
    assert load_job(engine, anothers.id).status is JobStatus.RUNNING
    assert run(engine, jobs.heartbeat(goes_on.id, goes_on.fence, lease=LEASE)) == []


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_silent_worker_that_holds_its_row_holds_up_no_rescue(
    engine: Engine, user_id: UUID, attempts: int
) -> None:
    for _ in range(2):
        add_job(engine, user_id, max_attempts=attempts)
    held, other = claim(engine, lease=LAPSED), claim(engine, lease=LAPSED)
    with engine.begin() as frozen:
        frozen.execute(jobs.heartbeat(held.id, held.fence, lease=LEASE))
        rescued = [*run(engine, jobs.requeue_lapsed()), *run(engine, jobs.fail_exhausted())]
        assert [row.id for row in rescued] == [other.id]


def test_the_last_silent_attempt_ends_the_job(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id, max_attempts=1)
    claim(engine, lease=LAPSED)

    assert run(engine, jobs.requeue_lapsed()) == []
    ((ended, seconds),) = run(engine, jobs.fail_exhausted())
    assert ended == job_id
    assert 0 < seconds < 60
    job = load_job(engine, job_id)
    assert (job.status, job.code) == (JobStatus.FAILED, FailureCode.WORKER_LOST)


def test_a_job_is_rung_once_and_again_only_when_it_stays_silent(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id)
    assert run(engine, jobs.to_ring(limit=10)) == [(job_id, Priority.INTERACTIVE)]
    run(engine, jobs.rung([job_id]))

    assert run(engine, jobs.to_ring(limit=10)) == []
    assert ring_again(engine, after=timedelta(minutes=1)) == []
    assert ring_again(engine) == [job_id]
    assert run(engine, jobs.to_ring(limit=10)) == [(job_id, Priority.INTERACTIVE)]


def ring_again(
    engine: Engine,
    priority: Priority = Priority.INTERACTIVE,
    *,
    after: timedelta = timedelta(0),
    limit: int = 200,
) -> list[UUID]:
    return [row[0] for row in run(engine, jobs.ring_again(priority, after=after, limit=limit))]


def test_a_long_backlog_is_rung_again_a_few_jobs_at_a_time(engine: Engine, user_id: UUID) -> None:
    waiting = [add_job(engine, user_id) for _ in range(5)]
    run(engine, jobs.rung(waiting))

    assert len(ring_again(engine, limit=2)) == 2
    assert len(run(engine, jobs.to_ring(limit=10))) == 2


def test_so_few_are_chosen_whatever_the_plan(engine: Engine, user_id: UUID) -> None:
    """A nested loop would run a subquery for each row, and it would choose others each time."""
    run(engine, jobs.rung([add_job(engine, user_id) for _ in range(5)]))
    statement = jobs.ring_again(Priority.INTERACTIVE, after=timedelta(0), limit=2)
    with engine.begin() as connection:
        for joins in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
            connection.execute(text(f"set local enable_{joins} = off"))
        assert len(connection.execute(statement).all()) == 2


def test_each_lane_is_rung_again_on_its_own(engine: Engine, user_id: UUID) -> None:
    bulk = [add_job(engine, user_id, priority=Priority.BULK) for _ in range(3)]
    interactive = add_job(engine, user_id)
    run(engine, jobs.rung([*bulk, interactive]))

    assert ring_again(engine, Priority.INTERACTIVE, limit=1) == [interactive]
    assert set(ring_again(engine, Priority.BULK)) == set(bulk)


def test_interactive_jobs_are_rung_before_older_bulk_ones(engine: Engine, user_id: UUID) -> None:
    bulk, interactive = add_job(engine, user_id, priority=Priority.BULK), add_job(engine, user_id)

    assert run(engine, jobs.to_ring(limit=2)) == [
        (interactive, Priority.INTERACTIVE),
        (bulk, Priority.BULK),
    ]


def test_a_claimed_job_needs_no_further_ring(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id)
    run(engine, jobs.rung([job_id]))
    claim(engine)

    assert ring_again(engine) == []


def test_two_relays_share_the_work(engine: Engine, user_id: UUID) -> None:
    waiting = {add_job(engine, user_id) for _ in range(4)}

    with engine.begin() as one, engine.begin() as other:
        first = set(one.scalars(jobs.to_ring(limit=2)))
        second = set(other.scalars(jobs.to_ring(limit=10)))

    assert len(first) == 2
    assert first | second == waiting
    assert not first & second


@pytest.mark.parametrize(
    "change",
    [
        "update jobs set fence = fence + 1 where id = :id",
        "update jobs set priority = 'bulk' where id = :id",
        "update jobs set not_before = now() + interval '1 minute' where id = :id",
        "update jobs set status = 'canceled', finished_at = now() where id = :id",
        "delete from jobs where id = :id",
    ],
    ids=["claimed", "demoted", "put off", "ended", "gone"],
)
def test_who_knows_jobs_learns_which_have_moved_on(engine: Engine, user_id: UUID, change: str) -> None:
    moved, *others = [add_job(engine, user_id) for _ in range(3)]
    known = [(row.id, (*row[2:],)) for row in run(engine, jobs.glances([moved, *others]))]
    assert run(engine, jobs.moved_on(known)) == []

    with engine.begin() as connection:
        connection.execute(text(change), {"id": moved})

    assert run(engine, jobs.moved_on(known)) == [(moved,)]


def test_the_backlog_counts_what_has_not_ended(engine: Engine, user_id: UUID) -> None:
    for _ in range(3):
        add_job(engine, user_id)
    add_job(engine, user_id, priority=Priority.BULK)
    claim(engine)
    run(engine, jobs.succeed((ended := claim(engine)).id, ended.fence, quality=QUALITY))

    backlog = run(engine, jobs.backlog())

    assert {(status, priority): count for status, priority, count, _ in backlog} == {
        (JobStatus.QUEUED, Priority.INTERACTIVE): 1,
        (JobStatus.QUEUED, Priority.BULK): 1,
        (JobStatus.RUNNING, Priority.INTERACTIVE): 1,
    }
    assert all(0 <= age < 60 for *_, age in backlog)


def load(engine: Engine) -> dict[str, float]:
    return {lane: waiting for lane, waiting, _ in run(engine, jobs.drain_load())}


def arriving(engine: Engine) -> dict[str, float]:
    return {lane: rate for lane, _, rate in run(engine, jobs.drain_load())}


def test_the_load_is_no_audio_in_any_lane_when_nothing_waits(engine: Engine) -> None:
    assert load(engine) == arriving(engine) == {"interactive": 0.0, "bulk": 0.0}


def test_the_load_counts_what_has_not_ended_at_32_kbit_per_second(engine: Engine, user_id: UUID) -> None:
    for priority in (Priority.INTERACTIVE, Priority.INTERACTIVE, Priority.BULK):
        add_job(engine, user_id, audio=b"x" * 8_000, priority=priority)
    claim(engine)

    assert load(engine) == {"interactive": 4.0, "bulk": 2.0}

    add_analysis(engine, user_id, audio=b"x" * 8_000, content_type="audio/flac")
    assert load(engine) == {"interactive": 4.0, "bulk": 2.0}


def test_the_load_learns_seconds_per_byte_from_the_latest_analyses(engine: Engine, user_id: UUID) -> None:
    for size in (1_000, 2_000):
        add_analysis(engine, user_id, audio=b"x" * size)  # 6 s each
    add_job(engine, user_id, audio=b"x" * 500)
    add_job(engine, user_id, audio=b"x" * 4_000, content_type="audio/ogg")

    assert load(engine)["interactive"] == pytest.approx(500 * 12 / 3_000 + 1)


def test_what_arrives_is_the_mean_of_a_minute_whatever_became_of_it(engine: Engine, user_id: UUID) -> None:
    for _ in range(4):
        add_job(engine, user_id, audio=b"x" * 24_000)  # 6 s each
    add_job(engine, user_id, audio=b"x" * 240_000, priority=Priority.BULK)
    claim(engine)
    run(engine, jobs.succeed((ended := claim(engine)).id, ended.fence, quality=QUALITY))
    run(engine, jobs.reject((ended := claim(engine)).id, ended.fence, RejectionCode.TOO_SHORT))

    assert arriving(engine) == pytest.approx({"interactive": 4 * 6 / 60, "bulk": 1.0})
    assert load(engine) == {"interactive": 12.0, "bulk": 60.0}


def test_what_came_before_the_last_minute_no_longer_arrives(engine: Engine, user_id: UUID) -> None:
    """By the database's clock: ids are made by gateways, whose clocks may be a little off."""
    earlier, later = datetime.now(UTC) - timedelta(seconds=75), datetime.now(UTC) - timedelta(seconds=45)
    for created_at in (earlier, later):
        for clock in (timedelta(seconds=-20), timedelta(seconds=20)):
            made = uuid7((created_at + clock).timestamp())
            add_job(engine, user_id, audio=b"x" * 120_000, id=made, created_at=created_at)

    assert arriving(engine)["interactive"] == pytest.approx(2 * 30 / 60)
    assert load(engine)["interactive"] == 120.0


def uuid7(at: float) -> UUID:
    return UUID(int=(round(at * 1000) << 80) | (new_id().int & ((1 << 80) - 1)))


def test_what_is_demoted_arrives_in_its_new_lane(engine: Engine, user_id: UUID) -> None:
    job_id = add_job(engine, user_id, audio=b"x" * 240_000)
    held = claim(engine)
    assert arriving(engine) == {"interactive": 1.0, "bulk": 0.0}

    run(engine, jobs.demote(job_id, held.fence))

    assert arriving(engine) == {"interactive": 0.0, "bulk": 1.0}
    assert load(engine) == {"interactive": 0.0, "bulk": 60.0}


def test_the_load_looks_at_no_job_that_ended_long_ago(engine: Engine, user_id: UUID) -> None:
    with engine.begin() as connection:
        for part in BUSY.split(";"):
            connection.execute(text(part), {"user_id": user_id} if ":user_id" in part else {})
        connection.execute(text(AN_HOUR_AGO))
        connection.execute(text("analyze jobs, recordings"))
        plan = "\n".join(connection.scalars(text("explain select * from drain_load")))

    for found in (r"ix_jobs_(waiting|silent)", r"ix_jobs_leases", r"Index Cond: \(\(?id >= "):
        assert re.search(found, plan), plan


def add_analysis(engine: Engine, user_id: UUID, **fields: Any) -> None:  # noqa: ANN401
    """Add a job that succeeded, and its analysis."""
    job_id = add_job(engine, user_id, **fields)
    claimed = claim(engine, job_id)
    with Session(engine) as session, session.begin():
        session.execute(jobs.succeed(job_id, claimed.fence, quality=QUALITY))
        found = analysis()
        session.add(
            analyses.record(
                found,
                indices(found.probabilities, {}),
                job_id=job_id,
                user_id=user_id,
                attempt=1,
                recorded_at=claimed.recorded_at,
            )
        )


#: A busy afternoon: a long tail of ended jobs, and a queue, half of it bulk, that has all been rung for.
BUSY = """
insert into recordings
    (id, user_id, object_key, sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone)
select uuidv7(), :user_id, 'key-' || n, sha256(n::text::bytea), 1, 'audio/wav', now(), now()::date, 'UTC'
from generate_series(1, 6000) n;
insert into jobs
    (id, recording_id, user_id, priority, status, max_attempts, attempt, fence, dispatched_at, finished_at)
select uuidv7(), id, user_id, (case when bulk then 'bulk' else 'interactive' end)::job_priority,
    (case when ended then 'succeeded' else 'queued' end)::job_status,
    3, 1, 1, now(), case when ended then now() end
from (
    select *, row_number() over () > 2000 as ended, row_number() over () % 2 = 0 as bulk from recordings
)
"""


#: Ids of the same jobs as if they had been made then.
AN_HOUR_AGO = """
update jobs set id = uuidv7(interval '-1 hour'), created_at = now() - interval '1 hour'
where status = 'succeeded'
"""


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (jobs.claim(worker_id=new_id(), lease=LEASE), "ix_jobs_waiting"),
        (jobs.claim(worker_id=new_id(), lease=LEASE, priorities=[Priority.BULK]), "ix_jobs_waiting"),
        (jobs.to_ring(limit=100), "ix_jobs_undispatched"),
        (jobs.ring_again(Priority.BULK, after=timedelta(minutes=1), limit=200), "ix_jobs_silent"),
        (jobs.requeue_lapsed(), "ix_jobs_leases"),
        (jobs.fail_exhausted(), "ix_jobs_leases"),
    ],
    ids=["claim", "claim bulk", "to_ring", "ring_again", "requeue_lapsed", "fail_exhausted"],
)
def test_each_query_finds_its_index_on_a_busy_table(
    engine: Engine,
    user_id: UUID,
    statement: Any,  # noqa: ANN401 - any statement
    index: str,
) -> None:
    with engine.begin() as connection:
        for part in BUSY.split(";"):
            connection.execute(text(part), {"user_id": user_id} if ":user_id" in part else {})
        connection.execute(text("analyze jobs, recordings"))
        plan = plan_of(connection, statement)

    assert index in plan
    assert "Sort" not in plan, "the index has the order, too"


def test_of_each_person_the_newest_jobs_are_looked_at(engine: Engine, user_id: UUID) -> None:
    other = add_user(engine, "other")
    own = [add_job(engine, user_id) for _ in range(3)]
    others = add_job(engine, other)

    found = run(engine, jobs.lately([user_id, other], since=datetime.now(UTC) - timedelta(days=1), most=2))

    assert {row.id for row in found} == {*own[1:], others}
    assert run(engine, jobs.lately([user_id], since=datetime.now(UTC) + timedelta(days=1), most=2)) == []
