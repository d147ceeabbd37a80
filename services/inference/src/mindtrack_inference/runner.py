"""From a ring to settled jobs: claim, analyse, and complete or fail in one commit guarded by the fence.

Three short transactions per job, none held open across the model.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from mindtrack_inference.errors import AbandonedError, RecordingCorruptedError, RecordingRejectedError
from mindtrack_inference.lease import ClaimedJob, Lease, held
from mindtrack_inference.retry import GiveUp, Retry, decide
from mindtrack_inference.settings import InferenceSettings
from mindtrack_shared.db import analyses, jobs
from mindtrack_shared.domain.analysis import Analysis
from mindtrack_shared.domain.indices import deviations, indices
from mindtrack_shared.domain.jobs import FailureCode, RejectionCode
from mindtrack_shared.domain.quality import Quality
from mindtrack_shared.ids import new_id
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.settings import JobSettings
from mindtrack_shared.storage import ObjectMissingError, RecordingStore, StorageUnavailableError

#: What an error means for the job; anything else is an internal error.
FAILURES: tuple[tuple[type[Exception], FailureCode], ...] = (
    (ObjectMissingError, FailureCode.RECORDING_LOST),
    (RecordingCorruptedError, FailureCode.RECORDING_LOST),
    (StorageUnavailableError, FailureCode.DEPENDENCY),
    (OperationalError, FailureCode.DEPENDENCY),
)


#: Waits between tries to write an outcome, seconds; together well below a lease.
SETTLE_PAUSES = (0.5, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Reject:
    code: RejectionCode
    measured: float | None
    needed: float | None
    quality: Quality | None


class Analyzes(Protocol):
    """What the runner needs of `pipeline.Analyzer`."""

    def analyze(
        self, recording: bytes, /, *, prompt_ended_seconds: float | None, should_stop: Callable[[], bool]
    ) -> Analysis: ...


class StaleAttemptError(Exception):
    """Somebody else has claimed the job since; nothing was written."""


Outcome = Analysis | Reject | Retry | GiveUp

#: The guarded update an outcome calls for, the event that reports it, and the event's fields.
Conclusion = tuple[ReturningUpdate[UUID], str, dict[str, str | float]]


class Runner:
    """Works through claimed jobs, one at a time, with one model."""

    def __init__(  # noqa: PLR0913 - the collaborators of the one place where everything meets
        self,
        *,
        engine: Engine,
        store: RecordingStore,
        analyzer: Analyzes,
        wakeups: Wakeups,
        job_settings: JobSettings,
        settings: InferenceSettings,
    ) -> None:
        self._engine = engine
        self._store = store
        self._analyzer = analyzer
        self._wakeups = wakeups
        self._job_settings = job_settings
        self._budget = settings.drain_budget
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
        #: Fresh for every process: a restarted worker is never mistaken for the one before it.
        self.worker_id = new_id()

    def drain(self, rung_by: UUID) -> int:
        """Work through the job that rang and those waiting behind it, until none waits or time is up.

        Returns how many jobs were claimed; none is usual when another drain was faster.
        """
        deadline = time.monotonic() + self._budget.total_seconds()
        count = 0
        job = self._claim(rung_by) or self._claim()
        while job is not None:
            self._run(job)
            count += 1
            job = self._claim() if time.monotonic() < deadline else None
        return count

    def _claim(self, job_id: UUID | None = None) -> ClaimedJob | None:
        statement = jobs.claim(worker_id=self.worker_id, lease=self._job_settings.lease, job_id=job_id)
        with self._engine.begin() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else ClaimedJob(*row)

    def _run(self, job: ClaimedJob) -> None:
        with structlog.contextvars.bound_contextvars(job_id=str(job.id), attempt=job.attempt):
            get_logger().info(events.JOB_CLAIMED)
            try:
                with held(self._engine, job, self._job_settings) as lease:
                    outcome = self._conclude(job, self._attempt(job, lease))
            except AbandonedError:
                get_logger().warning(events.JOB_LEASE_LOST)
            except StaleAttemptError:
                get_logger().warning(events.JOB_STALE_WRITE_REFUSED)
            else:
                if not isinstance(outcome, Retry) and not self._wakeups.job_finished(job.id):
                    get_logger().warning(events.WAKEUP_LOST)

    def _attempt(self, job: ClaimedJob, lease: Lease) -> Outcome:
        try:
            return self._analyzer.analyze(
                self._fetch(job),
                prompt_ended_seconds=job.prompt_ended_seconds,
                should_stop=lambda: lease.is_lost,
            )
        except RecordingRejectedError as error:
            return Reject(error.code, error.measured, error.needed, error.quality)
        except AbandonedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must be settled
            return self._after(error, job)

    def _after(self, error: Exception, job: ClaimedJob) -> Retry | GiveUp:
        code = next((code for kind, code in FAILURES if isinstance(error, kind)), FailureCode.INTERNAL)
        get_logger().error(events.ATTEMPT_FAILED, code=code, exc_info=error)
        return decide(code, attempt=job.attempt, max_attempts=job.max_attempts, jitter=self._jitter)

    def _fetch(self, job: ClaimedJob) -> bytes:
        audio = self._store.read(job.object_key)
        if hashlib.sha256(audio).digest() != job.sha256:
            raise RecordingCorruptedError(job.object_key)
        return audio

    def _conclude(self, job: ClaimedJob, outcome: Outcome) -> Outcome:
        """Settle the job; an outcome that cannot be written is a failed attempt like any other."""
        try:
            self._settle(job, outcome)
        except (StaleAttemptError, OperationalError):
            raise  # nobody's fault, or nothing can be written at all: the lease will lapse
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must be settled
            outcome = self._after(error, job)
            self._settle(job, outcome)
        return outcome

    def _settle(self, job: ClaimedJob, outcome: Outcome) -> None:
        """Write the outcome in one commit, with patience for a database that is away for a moment.

        Repeating is safe: should the first commit have happened after all, the second finds no running job.

        Raises:
            StaleAttemptError: the job has been claimed again, or is settled; nothing was written.

        """
        statement, event, fields = _conclusion(job, outcome)
        for pause in (*SETTLE_PAUSES, None):
            try:
                with Session(self._engine) as session, session.begin():
                    if session.execute(statement).first() is None:
                        raise StaleAttemptError
                    if isinstance(outcome, Analysis):
                        self._add_analysis(session, job, outcome)
            except OperationalError as error:
                if pause is None:
                    raise
                get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
                time.sleep(pause)
            else:
                break
        get_logger().info(event, **fields)

    def _add_analysis(self, session: Session, job: ClaimedJob, analysis: Analysis) -> None:
        """Write the analysis; what was not the person's usual voice goes into its indices."""
        earlier = session.execute(
            analyses.history(job.user_id, content_type=job.content_type, before=job.recorded_at)
        )
        past = [analyses.to_past(day, biomarkers) for day, biomarkers in earlier]
        found = indices(analysis.probabilities, deviations(analysis.biomarkers, job.recorded_on, past))
        session.add(
            analyses.record(
                analysis,
                found,
                job_id=job.id,
                user_id=job.user_id,
                attempt=job.attempt,
                recorded_at=job.recorded_at,
            ),
        )
        stress = analysis.countable_stress
        if stress is not None:
            session.execute(analyses.add_to_day(job.user_id, job.recorded_on, stress, found))


def _conclusion(job: ClaimedJob, outcome: Outcome) -> Conclusion:
    match outcome:
        case Analysis():
            seconds = round(outcome.processing_seconds, 3)
            done = jobs.succeed(job.id, job.fence, quality=outcome.quality)
            return done, events.JOB_SUCCEEDED, {"processing_seconds": seconds}
        case Reject(code, measured, needed, quality):
            refused = jobs.reject(job.id, job.fence, code, measured=measured, needed=needed, quality=quality)
            return refused, events.JOB_REJECTED, {"code": code}
        case Retry(delay):
            seconds = round(delay.total_seconds(), 1)
            return jobs.retry(job.id, job.fence, delay=delay), events.JOB_RETRIED, {"delay_seconds": seconds}
        case GiveUp(code):
            return jobs.fail(job.id, job.fence, code), events.JOB_FAILED, {"code": code}
