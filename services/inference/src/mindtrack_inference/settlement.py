"""What becomes of a claimed job, written in one commit that its fence guards."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from mindtrack_inference import metrics
from mindtrack_inference.errors import DecoderKilledError, RecordingCorruptedError, RecordingRejectedError
from mindtrack_inference.lease import ClaimedJob
from mindtrack_inference.retry import GiveUp, Postpone, Retry, decide
from mindtrack_shared.db import analyses, day_values, jobs, tables, webhooks
from mindtrack_shared.db.models import Base, Standing, WebhookDelivery
from mindtrack_shared.domain.analysis import Analysis
from mindtrack_shared.domain.indices import deviations, indices
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority, RejectionCode
from mindtrack_shared.domain.quality import Quality
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import UNTRACED, JobTraces
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import KeyMissingError, SealBrokenError, UnwrapRefusedError
from mindtrack_shared.storage import ObjectMissingError, StorageUnavailableError

#: What an error means for the job; anything else is an internal error.
FAILURES: tuple[tuple[type[Exception], FailureCode], ...] = (
    (ObjectMissingError, FailureCode.RECORDING_LOST),
    (RecordingCorruptedError, FailureCode.RECORDING_LOST),
    (SealBrokenError, FailureCode.RECORDING_LOST),
    (KeyMissingError, FailureCode.RECORDING_LOST),
    (UnwrapRefusedError, FailureCode.RECORDING_LOST),
    (StorageUnavailableError, FailureCode.DEPENDENCY),
)

#: Waits between tries to write an outcome, seconds; together well below a lease.
SETTLE_PAUSES = (0.5, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Reject:
    code: RejectionCode
    measured: float | None
    needed: float | None
    quality: Quality | None


@dataclass(frozen=True, slots=True)
class Release:
    """Back to the queue as if never claimed: the worker stops."""


@dataclass(frozen=True, slots=True)
class Demote:
    """Back to the queue as bulk: too long to be waited for."""


Code = RejectionCode | FailureCode
Outcome = Analysis | Reject | Retry | Postpone | GiveUp | Release | Demote

#: The guarded update an outcome calls for, the event that reports it, and the event's fields.
Conclusion = tuple[ReturningUpdate[UUID], str, dict[str, str | float]]


class StaleAttemptError(Exception):
    """Somebody else has claimed the job since; nothing was written."""


class Settlement:
    """Settles jobs. Serves any number of threads."""

    def __init__(self, engine: Engine, wakeups: Wakeups, traces: JobTraces = UNTRACED) -> None:
        self._engine = engine
        self._wakeups = wakeups
        self._traces = traces
        #: Tables that the database has been seen to have.
        self._seen: set[type[Base]] = set()
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing

    def settle(self, job: ClaimedJob, lane: Priority, outcome: Outcome | Exception) -> None:
        """Write what became of a job, and wake who waits for its end. Never raises: the lease would lapse.

        An exception is a failed attempt; so is an outcome that cannot be written.
        """
        if isinstance(outcome, Exception):
            outcome = self._after(outcome, job)
        since = time.perf_counter()
        try:
            try:
                self._write(job, outcome)
            except (StaleAttemptError, OperationalError):
                raise  # nobody's fault, or nothing can be written at all: the lease will lapse
            except Exception as error:  # noqa: BLE001 - whatever it was, the job must be settled
                outcome = self._after(error, job)
                self._write(job, outcome)
        except StaleAttemptError:
            get_logger().warning(events.JOB_STALE_WRITE_REFUSED)
            metrics.LEASES_LOST.inc()
        except Exception as error:  # noqa: BLE001 - rescue will find the job
            get_logger().error(events.ATTEMPT_FAILED, exc_info=error)
        else:
            self._report(job, lane, outcome, since=since)
            return
        self._trace_attempt(job, "nothing_written")

    def _report(self, job: ClaimedJob, lane: Priority, outcome: Outcome, *, since: float) -> None:
        """Count and trace what was written, and wake who waits for the job's end."""
        self._traces.step(job.id, "settle", since=since, fence=job.fence)
        ending = _ending(outcome)
        if ending is None:
            if isinstance(outcome, Retry | Postpone):
                metrics.JOB_RETRIES.inc()
            self._trace_attempt(job, type(outcome).__name__.lower())
            return
        status, code = ending
        _count(job, lane, status, code)
        self._trace_attempt(job, status)
        self._traces.job(job.id, seconds=job.seconds, status=status, code=code)
        if not self._wakeups.job_finished(job.id):
            get_logger().warning(events.WAKEUP_LOST)

    def _trace_attempt(self, job: ClaimedJob, outcome: str) -> None:
        self._traces.attempt(job.id, job.fence, seconds=job.held_seconds, number=job.attempt, outcome=outcome)

    def _after(self, error: Exception, job: ClaimedJob) -> Reject | Retry | Postpone | GiveUp:
        last = job.attempt >= job.max_attempts
        if isinstance(error, RecordingRejectedError) and (last or not isinstance(error, DecoderKilledError)):
            return Reject(error.code, error.measured, error.needed, error.quality)
        code = next((code for kind, code in FAILURES if isinstance(error, kind)), FailureCode.INTERNAL)
        get_logger().error(events.ATTEMPT_FAILED, code=code, exc_info=error)
        return decide(
            code,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            uncounted=job.fence - job.attempt,
            jitter=self._jitter,
        )

    def _write(self, job: ClaimedJob, outcome: Outcome) -> None:
        """Write the outcome in one commit, with patience for a database that is away for a moment.

        Repeating is safe: should the first commit have happened after all, the second finds no running job,
        and what it left.

        Raises:
            StaleAttemptError: the job has been claimed again, or is settled; nothing was written.

        """
        statement, event, fields = _conclusion(job, outcome)
        for pause in (*SETTLE_PAUSES, None):
            try:
                with Session(self._engine) as session, session.begin():
                    if session.execute(statement).first() is None:
                        if pause != SETTLE_PAUSES[0] and self._is_written(session, job, outcome):
                            break  # only the answer to the commit was lost
                        raise StaleAttemptError
                    if isinstance(outcome, Analysis):
                        self._add_analysis(session, job, outcome)
                    if _ending(outcome):
                        self._tell(session, job.id)
            except OperationalError as error:
                if pause is None:
                    raise
                get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
                time.sleep(pause)
            else:
                break
        get_logger().info(event, **fields)

    def _is_written(self, session: Session, job: ClaimedJob, outcome: Outcome) -> bool:
        ending = _ending(outcome)
        wanted = JobStatus.QUEUED if ending is None else ending[0]
        return session.scalar(jobs.left(job.id, job.fence)) is wanted

    def _tell(self, session: Session, job_id: UUID) -> None:
        """Queue webhooks about a job's end, where the database has them already."""
        if self._has(session, WebhookDelivery) and session.scalars(webhooks.tell_ends([job_id])).all():
            session.execute(webhooks.announce())

    def _add_analysis(self, session: Session, job: ClaimedJob, analysis: Analysis) -> None:
        """Write the analysis, with what was not the person's usual voice in its indices, and its day.

        That makes the standing of the person's trend stale; maintenance looks at it.
        """
        earlier = session.execute(
            analyses.history(
                job.user_id,
                content_type=job.content_type,
                before=job.recorded_at,
                like=job.id if self._has(session, Standing) else None,  # databases with it know microphones
            )
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
        session.flush()
        stress = analysis.countable_stress
        if stress is not None:
            session.execute(analyses.add_to_day(job.user_id, job.recorded_on, stress, found))
            if self._has(session, Standing):  # and so the days that it is made of
                for statement in day_values.renewal(job.user_id, [job.recorded_on]):
                    session.execute(statement)

    def _has(self, session: Session, table: type[Base]) -> bool:
        """Whether the database has a table. Once it has, it is not asked again."""
        if table not in self._seen and session.scalar(tables.exists(table)):
            self._seen.add(table)
        return table in self._seen


def _ending(outcome: Outcome) -> tuple[JobStatus, Code | None] | None:
    """Return the state in which an outcome ends the job, and why, if it ends it."""
    match outcome:
        case Analysis():
            return JobStatus.SUCCEEDED, None
        case Reject(rejection):
            return JobStatus.REJECTED, rejection
        case GiveUp(failure):
            return JobStatus.FAILED, failure
        case Retry() | Postpone() | Release() | Demote():
            return None


def _count(job: ClaimedJob, lane: Priority, status: JobStatus, code: Code | None) -> None:
    if code == RejectionCode.UNREADABLE:
        metrics.DECODE_ERRORS.labels(job.content_type).inc()
    metrics.JOBS_ENDED.labels(status, code or "none").inc()
    metrics.JOB_SECONDS.labels(lane, status).observe(job.seconds)


def _conclusion(job: ClaimedJob, outcome: Outcome) -> Conclusion:
    match outcome:
        case Analysis():
            seconds = round(outcome.processing_seconds, 3)
            done = jobs.succeed(job.id, job.fence, quality=outcome.quality)
            return done, events.JOB_SUCCEEDED, {"processing_seconds": seconds}
        case Reject(code, measured, needed, quality):
            refused = jobs.reject(job.id, job.fence, code, measured=measured, needed=needed, quality=quality)
            return refused, events.JOB_REJECTED, {"code": code}
        case Retry(delay) | Postpone(delay):
            counts = isinstance(outcome, Retry)
            later = (jobs.retry if counts else jobs.postpone)(job.id, job.fence, delay=delay)
            event = events.JOB_RETRIED if counts else events.JOB_POSTPONED
            return later, event, {"delay_seconds": round(delay.total_seconds(), 1)}
        case GiveUp(code):
            return jobs.fail(job.id, job.fence, code), events.JOB_FAILED, {"code": code}
        case Release():
            return jobs.release(job.id, job.fence), events.JOB_RELEASED, {}
        case Demote():
            return jobs.demote(job.id, job.fence), events.JOB_DEMOTED, {}
