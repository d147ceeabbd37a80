"""Two workers, their rescuer and the owner do whatever they can, in any order, on real Postgres.

Hypothesis chooses the order; a model of a few lines says what must come of each step. A worker that has lost
its job does not know, and goes on: whatever it writes must change nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text
from sqlalchemy.ext.asyncio import AsyncSession

from factories import QUALITY, TENSE, add_job, add_user, analysis
from integration_support import EMPTY
from mindtrack_inference.lease import ClaimedJob, end_leases
from mindtrack_inference.retry import GiveUp, Postpone, Retry
from mindtrack_inference.settlement import Demote, Outcome, Reject, Release, Settlement
from mindtrack_scheduler.rescue import rescue
from mindtrack_shared.db import deletion, jobs
from mindtrack_shared.db.deleting import delete_jobs
from mindtrack_shared.db.engine import async_engine
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority, RejectionCode
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.settings import DatabaseSettings, JobSettings

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3
WORKERS = 2
#: What a worker may say of a job, and where that leads.
OUTCOMES: dict[str, tuple[Outcome, JobStatus]] = {
    "success": (analysis(TENSE), JobStatus.SUCCEEDED),
    "rejection": (Reject(RejectionCode.TOO_NOISY, 3.0, 6.0, QUALITY), JobStatus.REJECTED),
    "failure": (GiveUp(FailureCode.INTERNAL), JobStatus.FAILED),
    "retry": (Retry(timedelta(0)), JobStatus.QUEUED),
    "release": (Release(), JobStatus.QUEUED),
    "demotion": (Demote(), JobStatus.QUEUED),
    "postponement": (Postpone(timedelta(0)), JobStatus.QUEUED),
}
workers = st.integers(0, WORKERS - 1)
#: Which of those there are.
choices = st.integers(0, 99)


@dataclass
class Expected:
    """What must be true of a job."""

    status: JobStatus = JobStatus.QUEUED
    attempt: int = 0
    fence: int = 0
    worker_lost: bool = False
    lapsed: bool = False
    erased: bool = False

    @property
    def claimable(self) -> bool:
        return self.status is JobStatus.QUEUED and not self.erased and self.attempt < MOST_ATTEMPTS

    def ends_with_its_worker(self) -> None:
        again = self.attempt < MOST_ATTEMPTS
        self.worker_lost = again
        self.becomes(JobStatus.QUEUED if again else JobStatus.FAILED)

    def becomes(self, status: JobStatus) -> None:
        self.status, self.lapsed = status, False


@dataclass
class Worker:
    """What it believes to hold; it may be wrong about all of it."""

    id: UUID = field(default_factory=new_id)
    held: list[ClaimedJob] = field(default_factory=list)


class JobMachine(RuleBasedStateMachine):
    def __init__(self, engine: Engine, database: DatabaseSettings, wakeups: Wakeups) -> None:
        super().__init__()
        self.engine, self.wakeups = engine, wakeups
        self.settlement = Settlement(engine, wakeups)
        self.user_id = add_user(engine, f"person-{new_id()}")
        self.expected: dict[UUID, Expected] = {}
        self.workers = [Worker() for _ in range(WORKERS)]
        self.looks = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.runner = asyncio.Runner()
        self.sessions = async_engine(database, application_name="machine")

    @rule(priority=st.sampled_from(Priority))
    def submit(self, priority: Priority) -> None:
        audio = new_id().bytes
        job_id = add_job(
            self.engine, self.user_id, audio=audio, priority=priority, max_attempts=MOST_ATTEMPTS
        )
        self.expected[job_id] = Expected()

    @rule(worker=workers, besides_others=st.booleans())
    def claim(self, worker: int, besides_others: bool) -> None:  # noqa: FBT001 - drawn by name
        """Take whatever waits; beside others, nothing over which a worker was lost."""
        waiting = {job_id: job for job_id, job in self.expected.items() if job.claimable}
        claimable = {job_id for job_id, job in waiting.items() if not (besides_others and job.worker_lost)}
        claimed = self._claim(self.workers[worker], None, besides_others=besides_others)
        assert (claimed in claimable) if claimable else claimed is None

    @precondition(lambda self: self.expected)
    @rule(worker=workers, choice=choices)
    def redeliver(self, worker: int, choice: int) -> None:
        """A message about a job arrives, for the first time or once more, whatever became of the job."""
        job_id = self._any_job(choice)
        may = self.expected[job_id].claimable
        assert self._claim(self.workers[worker], job_id) == (job_id if may else None)

    def _claim(self, worker: Worker, job_id: UUID | None, *, besides_others: bool = False) -> UUID | None:
        statement = jobs.claim(worker_id=worker.id, lease=LEASE, job_id=job_id, besides_others=besides_others)
        with self.engine.begin() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            return None
        claimed = ClaimedJob(*row)
        job = self.expected[claimed.id]
        assert claimed.fence == job.fence + 1
        assert claimed.worker_lost == job.worker_lost
        job.becomes(JobStatus.RUNNING)
        job.fence, job.attempt = claimed.fence, job.attempt + 1
        worker.held.append(claimed)
        return claimed.id

    @precondition(lambda self: any(worker.held for worker in self.workers))
    @rule(choice=choices)
    def heartbeat(self, choice: int) -> None:
        _, claimed = self._any_held(choice)
        with self.engine.begin() as connection:
            renewed = connection.execute(jobs.heartbeat(claimed.id, claimed.fence, lease=LEASE)).first()
        assert (renewed is not None) == self._is_valid(claimed)
        if renewed is not None:
            self.expected[claimed.id].lapsed = False

    @precondition(lambda self: any(worker.held for worker in self.workers))
    @rule(choice=choices, outcome=st.sampled_from(sorted(OUTCOMES)))
    def finish(self, choice: int, outcome: str) -> None:
        """Settle a job, in time or long after somebody else has it."""
        worker, claimed = self._any_held(choice)
        worker.held.remove(claimed)
        self._finish(claimed, outcome)

    @precondition(lambda self: any(worker.held for worker in self.workers))
    @rule(choice=choices)
    def finish_twice(self, choice: int) -> None:
        """The answer to the first commit got lost."""
        worker, claimed = self._any_held(choice)
        worker.held.remove(claimed)
        self._finish(claimed, "success")
        self._finish(claimed, "success")

    def _finish(self, claimed: ClaimedJob, outcome: str) -> None:
        valid, job = self._is_valid(claimed), self.expected[claimed.id]
        result, status = OUTCOMES[outcome]
        self.settlement.settle(claimed, Priority.INTERACTIVE, result)
        if valid:
            job.becomes(status)
            job.attempt -= outcome in {"release", "demotion", "postponement"}
            job.worker_lost = False

    @precondition(lambda self: any(job.status is JobStatus.RUNNING for job in self.expected.values()))
    @rule(choice=choices)
    def expire(self, choice: int) -> None:
        """Time passes for whoever holds a job, without a heartbeat."""
        running = [job_id for job_id, job in self.expected.items() if job.status is JobStatus.RUNNING]
        job_id = running[choice % len(running)]
        if not self.expected[job_id].erased:
            self._run("update jobs set lease_expires_at = now() - interval '1 s' where id = :id", id=job_id)
            self.expected[job_id].lapsed = True

    @rule()
    def rescue(self) -> None:
        rescue(self.engine, self.wakeups, JobSettings(lease=LEASE))
        for job in self.expected.values():
            if job.lapsed and not job.erased:
                job.ends_with_its_worker()

    @precondition(lambda self: any(worker.held for worker in self.workers))
    @rule(worker=workers)
    def kill(self, worker: int) -> None:
        """A worker is killed; who is started in its place ends its leases."""
        lost, self.workers[worker] = self.workers[worker], Worker()
        mine = {claimed.id for claimed in lost.held if self._is_valid(claimed)}
        assert end_leases(self.engine, [lost.id])
        rescue(self.engine, self.wakeups, JobSettings(lease=LEASE))
        for job_id, job in self.expected.items():
            if (job_id in mine or job.lapsed) and not job.erased:
                job.ends_with_its_worker()

    @precondition(lambda self: self.expected)
    @rule(choice=choices)
    def cancel(self, choice: int) -> None:
        job_id = self._any_job(choice)
        job = self.expected[job_id]
        with self.engine.begin() as connection:
            canceled = connection.execute(jobs.cancel(job_id, self.user_id)).first()
        assert (canceled is not None) == (job.status is JobStatus.QUEUED and not job.erased)
        if canceled is not None:
            job.becomes(JobStatus.CANCELED)

    @precondition(lambda self: self.expected)
    @rule(choice=choices)
    def erase(self, choice: int) -> None:
        """Delete a job with all that followed from it, whoever is at it."""
        job_id = self._any_job(choice)
        self.runner.run(self._erase(job_id))
        self.expected[job_id].erased = True

    async def _erase(self, job_id: UUID) -> None:
        async with AsyncSession(self.sessions) as session, session.begin():
            found = (await session.execute(deletion.to_delete(self.user_id, job_id=job_id))).all()
            assert bool(found) != self.expected[job_id].erased
            await session.run_sync(delete_jobs, self.user_id, found)

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        """One connection for all looks: there are thousands of them."""
        self._every_job_is_where_it_must_be()
        self._days_hold_what_succeeded()
        self._nothing_is_left_of_what_was_erased()

    def _every_job_is_where_it_must_be(self) -> None:
        rows = self._rows(
            "select j.id, j.status::text, j.attempt, j.fence, (select array_agg(a.attempt) from analyses a"
            " where a.job_id = j.id) from jobs j"
        )
        assert {row[0]: tuple(row[1:]) for row in rows} == {
            job_id: (
                job.status.value,
                job.attempt,
                job.fence,
                [job.attempt] if job.status is JobStatus.SUCCEEDED else None,
            )
            for job_id, job in self.expected.items()
            if not job.erased
        }

    def _days_hold_what_succeeded(self) -> None:
        counted = self._rows("select coalesce(sum(count), 0)::int from day_rollups")
        left = [job for job in self.expected.values() if not job.erased]
        assert counted == [(sum(job.status is JobStatus.SUCCEEDED for job in left),)]

    def _nothing_is_left_of_what_was_erased(self) -> None:
        buried = {row[0] for row in self._rows("select job_id from tombstones")}
        assert buried == {job_id for job_id, job in self.expected.items() if job.erased}
        assert len(self._rows("select 1 from recordings")) == len(self.expected) - len(buried)

    def teardown(self) -> None:
        self.runner.run(self.sessions.dispose())
        self.runner.close()
        self.looks.close()
        self._run(EMPTY)

    def _is_valid(self, claimed: ClaimedJob) -> bool:
        job = self.expected[claimed.id]
        return job.status is JobStatus.RUNNING and job.fence == claimed.fence and not job.erased

    def _any_job(self, choice: int) -> UUID:
        return list(self.expected)[choice % len(self.expected)]

    def _any_held(self, choice: int) -> tuple[Worker, ClaimedJob]:
        held = [(worker, claimed) for worker in self.workers for claimed in worker.held]
        return held[choice % len(held)]

    def _run(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def _rows(self, statement: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.looks.execute(text(statement))]


def test_jobs_go_where_the_model_says(engine: Engine, database: DatabaseSettings, wakeups: Wakeups) -> None:
    class Machine(JobMachine):
        def __init__(self) -> None:
            super().__init__(engine, database, wakeups)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
