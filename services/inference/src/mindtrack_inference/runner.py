"""From a ring to settled jobs: lanes claim and prepare, one model scores, one thread settles.

All of it overlaps: while the model scores one recording, the next is fetched and decoded, and the one before
is committed. Claiming and settling are short transactions; none is held open across the model.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from mindtrack_inference import metrics
from mindtrack_inference.buffer import Buffer, Chunk, Work
from mindtrack_inference.errors import RecordingCorruptedError
from mindtrack_inference.lease import ClaimedJob, Lease, Leases
from mindtrack_inference.preparation import LaneExceededError, Prepared, Terms
from mindtrack_inference.settings import InferenceSettings
from mindtrack_inference.settlement import Demote, Outcome, Release, Settlement
from mindtrack_inference.shift import Shift
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.db import jobs
from mindtrack_shared.domain.analysis import Analysis, Provenance
from mindtrack_shared.domain.calibration import CalibratedScores
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.ids import new_id
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import UNTRACED, JobTraces
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.settings import JobSettings
from mindtrack_shared.storage import StorageUnavailableError

#: A lane claims nothing for so long after storage was away: the next job would fare no better, and a backlog
#: is not to be run through for nothing.
REST_SECONDS = 1.0


class Prepares(Protocol):
    """What a lane needs of `cage.Cage`."""

    def prepare(self, recording: Iterable[bytes], *, prompt_ended_seconds: float | None) -> Prepared: ...


class Scores(Protocol):
    """What the runner needs of `pipeline.Analyzer`."""

    @property
    def batch(self) -> int: ...

    @property
    def terms(self) -> Terms: ...

    @property
    def provenance(self) -> Provenance: ...

    def score(self, windows: NDArray[np.float32], /) -> CalibratedScores: ...

    def conclude(
        self, prepared: Prepared, scores: Sequence[CalibratedScores], /, *, processing_seconds: float
    ) -> Analysis: ...


class Runner:
    """Works through claimed jobs with one model. Runs one drain at a time.

    Lanes are served in their order; each has something of its own that prepares. `on_hang` is called when the
    model takes too long for a batch.
    """

    def __init__(  # noqa: PLR0913 - the collaborators of the one place where everything meets
        self,
        *,
        engine: Engine,
        recordings: SealedRecordings,
        lanes: Mapping[Priority, Prepares],
        analyzer: Scores,
        wakeups: Wakeups,
        job_settings: JobSettings,
        settings: InferenceSettings,
        on_hang: Callable[[], None],
        traces: JobTraces = UNTRACED,
    ) -> None:
        self._engine = engine
        self._recordings = recordings
        self._lanes = lanes
        self._analyzer = analyzer
        self._settlement = Settlement(engine, wakeups, traces)
        self._traces = traces
        self._job_settings = job_settings
        self._settings = settings
        self._on_hang = on_hang
        self._stop = threading.Event()
        #: Whether each claim of this drain was heard of, and of which it was.
        self._is_sure, self._seen = True, set[UUID]()
        #: Fresh for every process: a restarted worker is never mistaken for the one before it.
        self.worker_id = new_id()

    @property
    def provenance(self) -> Provenance:
        """What it scores with."""
        return self._analyzer.provenance

    def stop(self) -> None:
        """Claim nothing more, give bulk work back, finish what people wait for. Safe in signal handlers."""
        self._stop.set()

    def close(self) -> None:
        """Send the traces that are still here. The last call."""
        self._traces.close()

    def drain(self, rung_by: UUID) -> int:
        """Work through the job that rang and those waiting behind it, until none waits or time is up.

        If a worker was lost over the first job, work on that one alone: should one be lost again, nobody
        else's work goes with it.

        Returns how many jobs were claimed; none is usual when another drain was faster.
        """
        if self._stop.is_set():
            return 0
        try:
            self._release_unseen()
            first = self._claim_first(rung_by)
        except OperationalError as error:
            get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
            return 0
        if first is None:
            return 0
        settings, lanes = self._settings, list(self._lanes)
        shift = Shift(lanes, seconds=settings.drain_budget.total_seconds(), stop=self._stop)
        shift.begin(first.lane)
        ahead = int(settings.ahead_seconds * SAMPLE_RATE / self._analyzer.terms.window_samples)
        limit_seconds = settings.batch_limit.total_seconds()
        with (
            # The last to end: what is still to be settled is still ours.
            Leases(self._engine, self._job_settings, limit_seconds, self._on_hang) as leases,
            ThreadPoolExecutor(1, "settler") as settler,
            ThreadPoolExecutor(len(lanes), "lane") as feeders,
        ):
            drain = _Drain(
                claim=self._claim_next,
                fetch=self._fetch,
                lanes=self._lanes,
                analyzer=self._analyzer,
                settlement=self._settlement,
                traces=self._traces,
                settler=settler,
                leases=leases,
                buffer=Buffer(lanes, capacity=max(ahead, 2 * self._analyzer.batch)),
                shift=shift,
                stop=self._stop,
                first=first,
            )
            fed = [feeders.submit(drain.feed, lane) for lane in lanes]
            drain.score()
        with suppress(OperationalError):  # the next drain tries again
            self._release_unseen()
        return sum(feeder.result() for feeder in fed)

    def _claim_first(self, rung_by: UUID) -> First | None:
        """Claim the job that rang or, if another drain was faster, the foremost of the first lane."""
        for job_id in (rung_by, None):
            for lane in self._lanes:
                job = self._claim(lane, job_id)
                if job is not None:
                    return First(lane, job)
        return None

    def _claim_next(self, lane: Priority) -> ClaimedJob | None:
        return self._claim(lane, besides_others=True)

    def _claim(
        self, lane: Priority, job_id: UUID | None = None, *, besides_others: bool = False
    ) -> ClaimedJob | None:
        statement = jobs.claim(
            worker_id=self.worker_id,
            lease=self._job_settings.lease,
            priorities=[lane],
            job_id=job_id,
            besides_others=besides_others,
        )
        try:
            with self._engine.begin() as connection:
                row = connection.execute(statement).one_or_none()
        except OperationalError:
            self._is_sure = False
            raise
        if row is None:
            return None
        job = ClaimedJob(*row)
        self._seen.add(job.id)
        return job

    def _release_unseen(self) -> None:
        """Give back what was claimed in a transaction whose end we do not know. Nothing else is in hand."""
        if not self._is_sure:
            with self._engine.begin() as connection:
                unseen = connection.scalars(jobs.release_unseen(self.worker_id, self._seen)).all()
            if unseen:
                get_logger().warning(events.CLAIMS_UNSEEN, count=len(unseen))
        self._is_sure = True
        self._seen.clear()

    def _fetch(self, job: ClaimedJob) -> Iterator[bytes]:
        """Yield a recording in chunks, unsealed; raise at the end if they are not what was uploaded."""
        digest = hashlib.sha256()
        for chunk in self._recordings.read(job.object_key, job.user_id):
            digest.update(chunk)
            yield chunk
        if digest.digest() != job.sha256:
            raise RecordingCorruptedError(job.object_key)


class First(NamedTuple):
    """The job that a drain begins with, and the lane it waited in."""

    lane: Priority
    job: ClaimedJob


@dataclass(frozen=True, kw_only=True)
class _Drain:
    """One drain: `feed` runs in a thread per lane, `score` in the caller's, settlements in the settler's."""

    claim: Callable[[Priority], ClaimedJob | None]
    fetch: Callable[[ClaimedJob], Iterator[bytes]]
    lanes: Mapping[Priority, Prepares]
    analyzer: Scores
    settlement: Settlement
    traces: JobTraces
    settler: Executor
    leases: Leases
    buffer: Buffer
    shift: Shift
    stop: threading.Event
    first: First
    #: Jobs that will be settled, or are: nothing more is to be done for them.
    ended: set[Lease] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def feed(self, lane: Priority) -> int:
        """Claim and prepare a lane's jobs, one after the other; return how many."""
        count = 0
        try:
            for job in self._claimed(lane):
                count += 1
                with _named(job):
                    get_logger().info(events.JOB_CLAIMED)
                    if job.fence == 1:
                        metrics.JOB_WAIT_SECONDS.labels(lane).observe(job.age_seconds)
                        self.traces.step(job.id, "wait", since=time.perf_counter() - job.age_seconds)
                    self._prepare(self.leases.hold(job, lane))
        except OperationalError as error:  # nothing can be claimed; what is in hand may still be settled
            get_logger().warning(events.DATABASE_UNAVAILABLE, error=type(error).__name__)
        finally:
            self.shift.leave(lane)
            self.buffer.close(lane)
        return count

    def _claimed(self, lane: Priority) -> Iterator[ClaimedJob]:
        if self.first.lane is lane:
            yield self.first.job
        if self.first.job.worker_lost:
            return
        while self.shift.may_look(lane):
            job = self.claim(lane)
            if job is not None:
                self.shift.begin(lane)
                yield job
            else:
                self.shift.rest(lane)

    def _prepare(self, lease: Lease) -> None:
        job, started = lease.job, time.perf_counter()
        try:
            with self.traces.timed(job.id, "prepare", fence=job.fence):
                prepared = self.lanes[lease.lane].prepare(
                    self.fetch(job), prompt_ended_seconds=job.prompt_ended_seconds
                )
            work = Work(lease, prepared, time.perf_counter() - started)
            for chunk in _chunks(work, self.analyzer.batch):
                if lease.is_lost or (self.stop.is_set() and lease.lane is Priority.BULK):
                    self._end(lease, Release())
                if lease in self.ended:
                    break
                self.buffer.put(lease.lane, chunk)
        except LaneExceededError:
            self._end(lease, Demote())
        except StorageUnavailableError as error:
            self._end(lease, error)
            self.stop.wait(REST_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must be settled
            self._end(lease, error)

    def score(self) -> None:
        """Score chunks until nothing more comes."""
        try:
            while chunks := self.buffer.take(self.analyzer.batch):
                self._score([chunk for chunk in chunks if self._is_wanted(chunk)])
        finally:
            self.buffer.abandon()

    def _is_wanted(self, chunk: Chunk) -> bool:
        lease = chunk.work.lease
        if lease.is_lost:
            self._end(lease, Release())
        return lease not in self.ended

    def _score(self, chunks: Sequence[Chunk]) -> None:
        """Score chunks together; if that fails, each for itself, so that a bad one fails alone."""
        if not chunks:
            return
        started = time.perf_counter()
        try:
            with self.leases.watch():
                scores = self.analyzer.score(np.concatenate([chunk.windows for chunk in chunks]))
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must be settled
            if len(chunks) == 1:
                self._end(chunks[0].work.lease, error)
            else:
                for chunk in chunks:
                    self._score([chunk])
            return
        seconds = (time.perf_counter() - started) / len(scores.uncertainty)
        metrics.MODEL_SECONDS.inc(seconds * len(scores.uncertainty))
        metrics.BATCH_FILL_RATIO.observe(len(scores.uncertainty) / self.analyzer.batch)
        first = 0
        for chunk in chunks:
            work, end = chunk.work, first + len(chunk.windows)
            work.scores.append(scores[first:end])
            work.seconds += seconds * (end - first)
            first = end
            if chunk.is_last:
                self._conclude(work)

    def _conclude(self, work: Work) -> None:
        outcome: Outcome | Exception
        try:
            outcome = self.analyzer.conclude(work.prepared, work.scores, processing_seconds=work.seconds)
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must be settled
            outcome = error
        else:
            metrics.AUDIO_SECONDS.labels(work.lease.lane).inc(work.prepared.audio_seconds)
            self.traces.step(
                work.lease.job.id,
                "score",
                since=work.ready_at,
                fence=work.lease.job.fence,
                attributes={"mindtrack.windows": len(work.prepared.starts)},
            )
        self._end(work.lease, outcome)

    def _end(self, lease: Lease, outcome: Outcome | Exception) -> None:
        """Have a job settled; whoever comes second, with what is left of it, comes too late."""
        with self.lock:
            if lease in self.ended:
                return
            self.ended.add(lease)
        self.settler.submit(self._settle, lease, outcome)

    def _settle(self, lease: Lease, outcome: Outcome | Exception) -> None:
        with _named(lease.job):
            try:
                if lease.is_lost:
                    get_logger().warning(events.JOB_LEASE_LOST)
                    metrics.LEASES_LOST.inc()
                else:
                    self.settlement.settle(lease.job, lease.lane, outcome)
            finally:
                self.leases.drop(lease)
                self.shift.end(lease.lane)


def _chunks(work: Work, most: int) -> Iterator[Chunk]:
    """Cut what comes prepared into chunks of up to `most` windows."""
    left = len(work.prepared.starts)
    for windows in work.prepared.chunks():
        for first in range(0, len(windows), most):
            part = windows[first : first + most]
            left -= len(part)
            yield Chunk(work, part, is_last=left == 0)


def _named(job: ClaimedJob) -> AbstractContextManager[None]:
    """Put the job's id into every line that this thread logs."""
    return structlog.contextvars.bound_contextvars(job_id=str(job.id), attempt=job.attempt)
