"""Statements on jobs. Each function builds a query; whoever calls it runs and commits it.

Every time is the database's, so clocks of workers cannot matter. Every write by a worker carries the fence
it was given at its claim: after somebody else's claim, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Double,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    Update,
    and_,
    any_,
    exists,
    func,
    literal,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased, joinedload, selectinload
from sqlalchemy.sql import TextClause
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.expression import cast

from mindtrack_shared.db import clock
from mindtrack_shared.db.clock import now
from mindtrack_shared.db.models import AnalysisRecord, Job, Recording
from mindtrack_shared.db.models.jobs import job_status
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority, RejectionCode
from mindtrack_shared.domain.quality import Quality
from mindtrack_shared.ids import first_id

_Done = aliased(Job)
_Former = aliased(Job)
#: What can change about a job that has not ended.
_CHANGES = (Job.status, Job.fence, Job.priority, Job.not_before)
_Change = tuple[JobStatus, int, Priority, datetime]
_Glance = tuple[UUID, UUID, JobStatus, int, Priority, datetime]

#: Channel on which a committed job announces itself to the relay.
QUEUED_CHANNEL = "mindtrack_job_queued"
#: The most that the time in a job's id, a gateway's, is taken to lie from when the database saw the job.
CLOCKS_APART = timedelta(days=1)


def _age() -> ColumnElement[float]:
    """Seconds since a job was accepted."""
    return cast(func.extract("epoch", now() - Job.created_at), Double)


def _is(status: JobStatus) -> ColumnElement[bool]:
    """Compare with a literal, not a parameter: only then can a cached plan use the partial indexes."""
    return Job.status == literal(status, job_status, literal_execute=True)


def _move(current: JobStatus, target: JobStatus) -> Update:
    """Start an update along one arrow of the table; an arrow that does not exist raises here."""
    values: dict[str, Any] = {"status": current.to(target)}
    if current is JobStatus.RUNNING:
        values |= {"lease_expires_at": None, "worker_id": None}
    if target.is_terminal:
        values["finished_at"] = now()
    return update(Job).where(_is(current)).values(values)


# --- accepting and asking -------------------------------------------------------------------------------


def announce() -> TextClause:
    """Wake the relay when the surrounding transaction commits."""
    return text(f"NOTIFY {QUEUED_CHANNEL}")


def listen() -> TextClause:
    """Subscribe this connection to announcements."""
    return text(f"LISTEN {QUEUED_CHANNEL}")


def owned(job_id: UUID, user_id: UUID) -> Select[Job]:
    """One job with all that its owner may see. A foreign job looks like an unknown one."""
    return whole([job_id]).where(Job.user_id == user_id)


def page(  # noqa: PLR0913 - what a list can be narrowed by
    user_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    statuses: Collection[JobStatus] = (),
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> Select[Job]:
    """A person's jobs, newest first, older than the job `before`. Ids sort by time (UUIDv7).

    Created at `created_after` or later, and earlier than `created_before`, by the database's clock. Ids are
    made by gateways' clocks: they narrow the range that is read, with room for clocks that are off.
    The index has the order, so a page is read, and no more; where few jobs are in `statuses`, it may be all
    of the person's, and the few are sorted. An index for that would cost every job three more writes.
    """
    query = select(Job).where(Job.user_id == user_id).order_by(Job.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Job.id < before)
    if statuses:
        query = query.where(Job.status.in_(statuses))
    if created_after is not None:
        query = query.where(Job.id >= first_id(created_after, -CLOCKS_APART), Job.created_at >= created_after)
    if created_before is not None:
        query = query.where(Job.id < first_id(created_before, CLOCKS_APART), Job.created_at < created_before)
    return query.options(joinedload(Job.recording), selectinload(Job.analysis))


def glances(job_ids: Sequence[UUID]) -> Select[*_Glance]:
    """What changes about jobs: id, owner, status, fence, priority, not before. For those who ask often."""
    return _glance().where(_among(job_ids))


def moved_on(known: Sequence[tuple[UUID, _Change]]) -> Select[UUID]:
    """Which of these jobs are not what is known of them any more, gone ones among them.

    Whoever waits for many jobs asks this each second, so it is compared where the rows are.
    """
    columns = (Job.id, *_CHANGES)
    values = zip(*((job_id, *change) for job_id, change in known), strict=True)
    arrays = (literal(list(each), ARRAY(column.type)) for each, column in zip(values, columns, strict=True))
    then = (
        func.unnest(*arrays)
        .table_valued(*(Column(each.key, each.type) for each in columns), name="then")
        .render_derived()
    )
    stands = and_(Job.id == then.c.id, *(each == then.c[each.key] for each in _CHANGES))
    return select(then.c.id).where(~exists().where(stands))


def lately(user_ids: Sequence[UUID], *, since: datetime, most: int) -> Select[*_Glance]:
    """What changes about the newest jobs of each person that were made since then: columns of `glances`."""
    asked = func.unnest(literal(list(user_ids), ARRAY(Job.user_id.type)))
    people = asked.table_valued("id", name="people").render_derived()
    newest = (
        _glance()
        .where(Job.user_id == people.c.id, Job.id >= first_id(since))
        .order_by(Job.id.desc())
        .limit(most)
        .lateral("newest")
    )
    return select(*newest.c).select_from(people).join(newest, true())


def _among(job_ids: Sequence[UUID]) -> ColumnElement[bool]:
    """One parameter, however many jobs: a query that is written once."""
    return Job.id == any_(literal(list(job_ids), ARRAY(Job.id.type)))


def _glance() -> Select[*_Glance]:
    return select(Job.id, Job.user_id, *_CHANGES)


def whole(job_ids: Sequence[UUID]) -> Select[Job]:
    """Jobs with all that their owners may see."""
    return (
        select(Job)
        .where(_among(job_ids))
        .options(
            joinedload(Job.recording),
            joinedload(Job.analysis).selectinload(AnalysisRecord.windows),
        )
    )


def queue_marks(*, marks: int) -> Select[Priority, datetime, UUID, int]:
    """Where every so-manieth queued job stands: priority, not before, id, how many are before it in its lane.

    About `marks` rows per lane, every job if there are no more than that; in the order in which they will be
    claimed.
    """
    lane = (Job.priority, Job.not_before, Job.id)
    ranked = (
        select(
            *lane,
            (func.row_number().over(partition_by=Job.priority, order_by=lane[1:]) - 1).label("before"),
            func.count().over(partition_by=Job.priority).label("queued"),
        )
        .where(_is(JobStatus.QUEUED))
        .subquery()
    )
    columns = ranked.c
    step = func.greatest(1, columns.queued / marks)
    return (
        select(columns.priority, columns.not_before, columns.id, cast(columns.before, Integer))
        .where(columns.before % step == 0)
        .order_by(columns.priority, columns.not_before, columns.id)
    )


def pace(*, of_last: int) -> Select[Priority, int, float]:
    """For each priority: how many jobs run, and how many seconds one takes from claim to end.

    By the last analyses; no row for a lane without any. A drain claims ahead, so jobs wait while they run:
    running jobs over those seconds is what a lane gets done per second (Little's law).
    """
    latest = select(AnalysisRecord.job_id).order_by(AnalysisRecord.id.desc()).limit(of_last).subquery()
    running = (
        select(func.count()).where(_is(JobStatus.RUNNING), Job.priority == _Done.priority).correlate(_Done)
    ).scalar_subquery()
    took = func.avg(func.extract("epoch", _Done.finished_at - _Done.started_at))
    return (
        select(_Done.priority, running, cast(took, Double))
        .join(latest, latest.c.job_id == _Done.id)
        .group_by(_Done.priority)
    )


def backlog() -> CompoundSelect[JobStatus, Priority, int, float]:
    """For each state that is not terminal, and each priority, that has jobs: how many, and the oldest's age.

    Ages are in seconds.
    """
    age = cast(func.extract("epoch", now() - func.min(Job.created_at)), Double)
    # One part per state: only then does each find its partial index.
    parts = (
        select(Job.status, Job.priority, func.count(), age)
        .where(_is(status))
        .group_by(Job.status, Job.priority)
        for status in (JobStatus.QUEUED, JobStatus.RUNNING)
    )
    return union_all(*parts)


#: A view, see its migration. Autoscalers read it, too, so its name and columns are an interface.
_DRAIN_LOAD = Table(
    "drain_load",
    MetaData(),
    Column("priority", Text),
    Column("audio_seconds", Double),
    Column("arriving_audio_seconds_per_second", Double),
)


def drain_load() -> Select[str, float, float]:
    """Audio of each priority: seconds that wait or are worked on, and those that arrive per second.

    Estimated, as most is not decoded yet; what arrives is the mean of the last minute.
    """
    return select(*_DRAIN_LOAD.c)


def cancel(job_id: UUID, user_id: UUID) -> ReturningUpdate[UUID]:
    """Withdraw a job that no worker has claimed yet. No row back: there is none, or it is not queued."""
    canceled = _move(JobStatus.QUEUED, JobStatus.CANCELED)
    return canceled.where(Job.id == job_id, Job.user_id == user_id).returning(Job.id)


# --- ringing --------------------------------------------------------------------------------------------


def to_ring(*, limit: int) -> Select[UUID, Priority]:
    """Queued jobs that nobody has rung for, interactive ones first, locked so that relays share the work."""
    return (
        select(Job.id, Job.priority)
        .where(_is(JobStatus.QUEUED), Job.dispatched_at.is_(None), Job.not_before <= now())
        .order_by(Job.priority, Job.not_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def unrung() -> Select[int, float]:
    """How many jobs are due to be rung for, and for how many seconds the first has been; one row."""
    overdue = func.coalesce(func.extract("epoch", now() - func.min(Job.not_before)), 0)
    return select(func.count(), cast(overdue, Double)).where(
        _is(JobStatus.QUEUED), Job.dispatched_at.is_(None), Job.not_before <= now()
    )


def rung(job_ids: list[UUID]) -> Update:
    return update(Job).where(Job.id.in_(job_ids)).values(dispatched_at=now())


def ring_again(priority: Priority, *, after: timedelta, limit: int) -> ReturningUpdate[UUID]:
    """Ask for another ring where a message brought no claim: the broker may have lost it.

    A few rings are enough, as one drain takes whatever waits in its lanes; a ring for each would flood the
    broker whenever the backlog is long. One lane at a time: a long backlog in one must not silence another.

    They are chosen once, by a common table expression: a subquery may be run for each row that it is compared
    with, and passes over those that it locked before.
    """
    silent = (
        select(Job.id)
        .where(_is(JobStatus.QUEUED), Job.priority == priority, Job.dispatched_at < clock.after(-after))
        .order_by(Job.dispatched_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("silent")
    )
    return update(Job).where(Job.id == silent.c.id).values(dispatched_at=None).returning(Job.id)


# --- working --------------------------------------------------------------------------------------------


def claim(
    *,
    worker_id: UUID,
    lease: timedelta,
    priorities: Sequence[Priority] = tuple(Priority),
    job_id: UUID | None = None,
    besides_others: bool = False,
) -> ReturningUpdate[*tuple[Any, ...]]:
    """Claim `job_id`, or of the foremost of `priorities` the job that has waited longest.

    Who has it `besides_others` gets none over which a worker was lost: it may have been what ended it, and is
    for who holds nothing else.

    Returns no row if there is nothing to claim; the last column is the job's age in seconds. A job of another
    priority is never claimed, even if it rang.
    The job that rang is waited for, since the relay may still be stamping it; among all others, those that
    somebody holds are passed over.
    """
    candidate = (
        select(Job.id)
        .where(
            _is(JobStatus.QUEUED),
            Job.priority.in_(priorities),
            Job.not_before <= now(),
            Job.attempt < Job.max_attempts,
        )
        .order_by(Job.priority, Job.not_before, Job.id)
        .limit(1)
        .with_for_update(skip_locked=job_id is None)
        .correlate(None)  # the same table as the update's, on its own
    )
    if job_id is not None:
        candidate = candidate.where(Job.id == job_id)
    if besides_others:
        candidate = candidate.where(Job.started_at.is_(None))
    return (
        _move(JobStatus.QUEUED, JobStatus.RUNNING)
        .where(Job.id == candidate.scalar_subquery())
        .where(Recording.id == Job.recording_id)
        .values(
            attempt=Job.attempt + 1,
            fence=Job.fence + 1,
            worker_id=worker_id,
            lease_expires_at=clock.after(lease),
            started_at=now(),
        )
        .returning(
            Job.id,
            Job.user_id,
            Job.attempt,
            Job.max_attempts,
            Job.fence,
            _worker_lost().label("worker_lost"),
            Recording.object_key,
            Recording.sha256,
            Recording.recorded_at,
            Recording.recorded_on,
            Recording.prompt_ended_at,
            Recording.content_type,
            _age(),
        )
    )


def _worker_lost() -> ColumnElement[bool]:
    """Whether a queued job that is claimed keeps that it was begun: queries see rows as they were before."""
    return select(_Former.started_at.is_not(None)).where(_Former.id == Job.id).scalar_subquery()


def _held(statement: Update, job_id: UUID, fence: int) -> ReturningUpdate[UUID]:
    return statement.where(Job.id == job_id, Job.fence == fence).returning(Job.id)


def left(job_id: UUID, fence: int) -> Select[JobStatus]:
    """How a job stands that nobody has claimed since."""
    return select(Job.status).where(Job.id == job_id, Job.fence == fence)


def heartbeat(job_id: UUID, fence: int, *, lease: timedelta) -> ReturningUpdate[UUID]:
    """Renew the lease. No row back means the job is no longer ours."""
    renewal = update(Job).where(_is(JobStatus.RUNNING)).values(lease_expires_at=clock.after(lease))
    return _held(renewal, job_id, fence)


def succeed(job_id: UUID, fence: int, *, quality: Quality) -> ReturningUpdate[UUID]:
    done = _move(JobStatus.RUNNING, JobStatus.SUCCEEDED).values(quality=asdict(quality))
    return _held(done, job_id, fence)


def reject(  # noqa: PLR0913 - what is known about a recording that was refused
    job_id: UUID,
    fence: int,
    code: RejectionCode,
    *,
    measured: float | None = None,
    needed: float | None = None,
    quality: Quality | None = None,
) -> ReturningUpdate[UUID]:
    refused = _move(JobStatus.RUNNING, JobStatus.REJECTED).values(
        code=code,
        measured=measured,
        needed=needed,
        quality=asdict(quality) if quality else None,
    )
    return _held(refused, job_id, fence)


def fail(job_id: UUID, fence: int, code: FailureCode) -> ReturningUpdate[UUID]:
    return _held(_move(JobStatus.RUNNING, JobStatus.FAILED).values(code=code), job_id, fence)


def retry(job_id: UUID, fence: int, *, delay: timedelta) -> ReturningUpdate[UUID]:
    """Give the job back for another attempt, not before `delay` has passed."""
    back = _move(JobStatus.RUNNING, JobStatus.QUEUED).values(
        started_at=None, not_before=clock.after(delay), dispatched_at=None
    )
    return _held(back, job_id, fence)


def release(job_id: UUID, fence: int) -> ReturningUpdate[UUID]:
    """Give the job back at once, untouched: the claim counts as no attempt.

    For workers that stop before they began. Whatever may have been the job's fault goes through `retry`, or
    it could be claimed for ever.
    """
    return _held(_untouched(), job_id, fence)


def postpone(job_id: UUID, fence: int, *, delay: timedelta) -> ReturningUpdate[UUID]:
    """Give the job back like `release`, not before `delay` has passed: what it needs is away."""
    return _held(_untouched().values(not_before=clock.after(delay)), job_id, fence)


def demote(job_id: UUID, fence: int) -> ReturningUpdate[UUID]:
    """Give the job back like `release`, to wait among bulk jobs from now on."""
    return _held(_untouched().values(priority=Priority.BULK), job_id, fence)


def release_unseen(worker_id: UUID, seen: Collection[UUID]) -> ReturningUpdate[UUID]:
    """Give back, like `release`, what a worker claimed and never heard of: the answer got lost."""
    return _untouched().where(Job.worker_id == worker_id, Job.id.not_in(seen)).returning(Job.id)


def _untouched() -> Update:
    return _move(JobStatus.RUNNING, JobStatus.QUEUED).values(
        attempt=Job.attempt - 1, started_at=None, not_before=now(), dispatched_at=None
    )


# --- repairing ------------------------------------------------------------------------------------------


def lapse(worker_ids: Collection[UUID]) -> ReturningUpdate[UUID]:
    """End the leases of workers that are known to have ended, so that nobody waits for it."""
    held = update(Job).where(_is(JobStatus.RUNNING), Job.worker_id.in_(worker_ids))
    return held.values(lease_expires_at=now()).returning(Job.id)


def requeue_lapsed() -> ReturningUpdate[UUID]:
    """Take back jobs whose worker fell silent, while attempts remain. That they were begun stays known."""
    return (
        _move(JobStatus.RUNNING, JobStatus.QUEUED)
        .where(Job.id.in_(_lapsed(Job.attempt < Job.max_attempts)))
        .values(not_before=now(), dispatched_at=None)
        .returning(Job.id)
    )


def fail_exhausted() -> ReturningUpdate[UUID, float]:
    """End jobs whose last allowed attempt fell silent; return their ids and ages in seconds."""
    return (
        _move(JobStatus.RUNNING, JobStatus.FAILED)
        .where(Job.id.in_(_lapsed(Job.attempt >= Job.max_attempts)))
        .values(code=FailureCode.WORKER_LOST)
        .returning(Job.id, _age())
    )


def _lapsed(attempts: ColumnElement[bool]) -> Select[UUID]:
    """Running jobs of silent workers, without those whose rows are locked: a worker that stands still within
    a transaction holds its row until the server ends that, and must not hold up the rescue of all others.
    """
    return (
        select(Job.id)
        .where(_is(JobStatus.RUNNING), Job.lease_expires_at < now(), attempts)
        .with_for_update(skip_locked=True)
        .correlate(None)
    )
