"""The runner on real Postgres, S3 and Valkey; only the model's words are scripted."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from redis import Redis
from sqlalchemy import Connection, Engine, event, select, update
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, selectinload
from structlog.testing import capture_logs

from factories import (
    AUDIO,
    CALM,
    PARTIAL,
    QUALITY,
    TENSE,
    VOICE,
    ScriptedAnalyzer,
    add_job,
    add_user,
    analysis,
    load_job,
    object_key,
)
from mindtrack_inference.errors import DecoderKilledError, RecordingRejectedError
from mindtrack_inference.preparation import LaneExceededError, Prepared
from mindtrack_inference.retry import JITTER
from mindtrack_inference.runner import Runner
from mindtrack_inference.settings import InferenceSettings
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_scheduler.rescue import Rescued, rescue
from mindtrack_shared.db.models import AnalysisRecord, DayRollupRecord, Job
from mindtrack_shared.domain.analysis import Analysis, IndeterminateReason
from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.calibration import CalibratedScores
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority, RejectionCode
from mindtrack_shared.ids import new_id
from mindtrack_shared.observability import events
from mindtrack_shared.queue.wakeups import Wakeups, finished_channel
from mindtrack_shared.sealing import DataKeys, SealedRecordings
from mindtrack_shared.settings import JobSettings, QueueSettings, StorageSettings
from mindtrack_shared.storage import RecordingStore, open_store
from patience import PATIENCE, eventually

QUICK = JobSettings(lease=timedelta(seconds=0.6), heartbeat=timedelta(seconds=0.1))


class Workshop:
    """Makes runners and jobs that share one database, store and broker."""

    def __init__(
        self, engine: Engine, store: RecordingStore, wakeups: Wakeups, keys: DataKeys | None
    ) -> None:
        self.engine = engine
        self.keys = keys
        self.wakeups = wakeups
        self._store = store

    def runner(
        self,
        analyzer: ScriptedAnalyzer,
        *,
        job_settings: JobSettings | None = None,
        lanes: Sequence[Priority] = tuple(Priority),
        on_hang: Callable[[], None] = lambda: None,
        **settings: Any,  # noqa: ANN401 - of the worker
    ) -> Runner:
        return Runner(
            engine=self.engine,
            recordings=SealedRecordings(self._store, self.keys),
            lanes=dict.fromkeys(lanes, analyzer),
            analyzer=analyzer,
            wakeups=self.wakeups,
            job_settings=job_settings or JobSettings(),
            settings=InferenceSettings(**settings),
            on_hang=on_hang,
        )

    def job(
        self,
        *,
        stored: bytes | None = AUDIO,
        subject: str = "ada",
        **fields: Any,  # noqa: ANN401 - of the rows
    ) -> UUID:
        job_id = add_job(self.engine, add_user(self.engine, subject), **fields)
        if stored is not None:
            asyncio.run(self._store.write(object_key(self.engine, job_id), once(stored)))
        return job_id

    def analyses(self) -> list[AnalysisRecord]:
        with Session(self.engine) as session:
            return list(session.scalars(select(AnalysisRecord).options(selectinload(AnalysisRecord.windows))))

    def days(self) -> list[DayRollupRecord]:
        with Session(self.engine) as session:
            return list(session.scalars(select(DayRollupRecord)))

    def make_due(self, job_id: UUID) -> None:
        with self.engine.begin() as connection:
            past = datetime(2026, 1, 1, tzinfo=UTC)
            connection.execute(update(Job).where(Job.id == job_id).values(not_before=past))


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest.fixture
def workshop(engine: Engine, store: RecordingStore, wakeups: Wakeups, keys: DataKeys) -> Workshop:
    return Workshop(engine, store, wakeups, keys)


def test_success_writes_analysis_windows_and_day_together(workshop: Workshop) -> None:
    job_id = workshop.job()

    assert workshop.runner(ScriptedAnalyzer(analysis(TENSE))).drain(job_id) == 1

    job = load_job(workshop.engine, job_id)
    (row,) = workshop.analyses()
    assert (job.status, job.attempt, job.lease_expires_at) == (JobStatus.SUCCEEDED, 1, None)
    assert (row.job_id, row.attempt, row.emotion.value) == (job_id, 1, "Stressed")
    assert row.stress_score == pytest.approx(0.8)
    assert [window.start_seconds for window in row.windows] == [0.0, 2.0]
    (day,) = workshop.days()
    assert (day.day, day.count) == (date(2026, 3, 1), 1)
    assert day.stress_sum == pytest.approx(0.8)


def test_success_keeps_what_was_measured_and_by_which_model(workshop: Workshop) -> None:
    job_id = workshop.job()

    workshop.runner(ScriptedAnalyzer(analysis(TENSE))).drain(job_id)

    (row,) = workshop.analyses()
    assert load_job(workshop.engine, job_id).quality == dataclasses.asdict(QUALITY)
    assert row.biomarkers == VOICE.as_dict()
    assert row.deviations == {}
    assert (row.temperature, row.abstention_threshold, row.calibration_set) == (1.4, 0.9, "four voices")
    assert (row.unmapped_mass, row.uncertainty, row.indeterminate_reason) == (0.1, 0.6, None)
    assert [(window.unmapped_mass, window.uncertainty) for window in row.windows] == [(0.1, 0.6)] * 2
    assert (row.anxiety_index, row.depressive_index) == (TENSE.anxious, TENSE.sad)


def test_an_indeterminate_analysis_keeps_its_numbers_and_enters_no_day(workshop: Workshop) -> None:
    job_id = workshop.job()

    workshop.runner(ScriptedAnalyzer(analysis(TENSE, reason=IndeterminateReason.UNCERTAIN))).drain(job_id)

    (row,) = workshop.analyses()
    assert load_job(workshop.engine, job_id).status is JobStatus.SUCCEEDED
    assert row.indeterminate_reason == "uncertain"
    assert row.stress_score == pytest.approx(0.8)
    assert [window.indeterminate_reason for window in row.windows] == ["uncertain"] * 2
    assert workshop.days() == []


def test_what_the_model_cannot_express_is_unknown_and_enters_no_day(workshop: Workshop) -> None:
    workshop.runner(ScriptedAnalyzer(analysis(PARTIAL))).drain(workshop.job())

    (row,) = workshop.analyses()
    assert (row.p_happy, row.p_anxious, row.p_sad) == (None, None, 0.3)
    assert (row.stress_score, row.anxiety_index, row.baseline_index) == (None, None, None)
    assert row.depressive_index == 0.3
    assert row.windows[0].p_anxious is None
    assert workshop.days() == []


def test_a_day_forgets_an_index_that_one_of_its_recordings_does_not_have(workshop: Workshop) -> None:
    without_sad = Probabilities(neutral=0.3, happy=0.3, sad=None, anxious=0.2, stressed=0.2)
    for probabilities in (CALM, without_sad, CALM):
        workshop.runner(ScriptedAnalyzer(analysis(probabilities))).drain(workshop.job())

    (day,) = workshop.days()
    assert (day.count, day.depressive_sum) == (3, None)
    assert day.anxiety_sum == pytest.approx(0.05 + 0.2 + 0.05)
    assert day.baseline_sum == pytest.approx(0.8 + 0.6 + 0.8)


def test_the_analyzer_learns_when_the_prompt_had_ended(workshop: Workshop) -> None:
    analyzer = ScriptedAnalyzer(analysis())
    began = datetime(2026, 3, 1, 18, tzinfo=UTC)
    ended = began + timedelta(seconds=1.25)

    workshop.runner(analyzer).drain(workshop.job(recorded_at=began, prompt_ended_at=ended))
    workshop.runner(analyzer).drain(workshop.job())

    assert analyzer.prompts == [1.25, None]


TODAY = datetime(2026, 3, 31, 18, tzinfo=UTC)
#: Robust standard deviations of 1.4826 * 5 Hz around 120 Hz.
USUAL_F0 = (110.0, 115.0, 120.0, 125.0, 130.0) * 2


def remember(workshop: Workshop, spoken: Analysis, *, days_ago: int, **fields: Any) -> None:  # noqa: ANN401
    """Have a recording of some days ago analysed."""
    moment = TODAY - timedelta(days=days_ago)
    job_id = workshop.job(recorded_at=moment, recorded_on=moment.date(), **fields)
    workshop.runner(ScriptedAnalyzer(spoken)).drain(job_id)


def speak_today(workshop: Workshop, f0: float) -> AnalysisRecord:
    job_id = workshop.job(recorded_at=TODAY, recorded_on=TODAY.date())
    spoken = analysis(TENSE, biomarkers=Biomarkers(f0_median_hz=f0))
    workshop.runner(ScriptedAnalyzer(spoken)).drain(job_id)
    (row,) = (row for row in workshop.analyses() if row.job_id == job_id)
    return row


def test_an_unusual_voice_moves_the_indices_once_there_is_a_baseline(workshop: Workshop) -> None:
    for number, f0 in enumerate(USUAL_F0):
        remember(workshop, analysis(biomarkers=Biomarkers(f0_median_hz=f0)), days_ago=20 - number)

    row = speak_today(workshop, f0=120 + 2 * 1.4826 * 5)

    assert row.deviations == {"f0_median_hz": {"z": pytest.approx(2.0), "n": 10}}
    assert TENSE.anxious is not None
    assert row.anxiety_index is not None
    assert row.anxiety_index > TENSE.anxious
    assert row.depressive_index == TENSE.sad


def test_the_baseline_is_made_of_what_counts_and_compares(workshop: Workshop) -> None:
    """High voices all around: none of them may enter."""
    for number, f0 in enumerate(USUAL_F0):
        remember(workshop, analysis(biomarkers=Biomarkers(f0_median_hz=f0)), days_ago=20 - number)
    high = analysis(biomarkers=Biomarkers(f0_median_hz=300.0))
    unsure = dataclasses.replace(high, indeterminate_reason=IndeterminateReason.UNMAPPED)
    for number in range(12):
        remember(workshop, unsure, days_ago=8 + number)
        remember(workshop, high, days_ago=8 + number, subject="grace")
        remember(workshop, high, days_ago=8 + number, content_type="audio/amr")
        remember(workshop, high, days_ago=8 + number, microphone="headset")
        remember(workshop, high, days_ago=61 + number)
        remember(workshop, high, days_ago=-1 - number)

    row = speak_today(workshop, f0=120.0)

    assert row.deviations == {"f0_median_hz": {"z": 0.0, "n": 10}}


def test_one_drain_works_through_all_that_waits(workshop: Workshop) -> None:
    waiting = [workshop.job() for _ in range(5)]

    assert workshop.runner(ScriptedAnalyzer(analysis())).drain(waiting[3]) == 5
    assert {row.job_id for row in workshop.analyses()} == set(waiting)


def test_a_message_delivered_twice_changes_nothing(workshop: Workshop) -> None:
    job_id = workshop.job()
    runner = workshop.runner(ScriptedAnalyzer(analysis()))

    assert [runner.drain(job_id) for _ in range(3)] == [1, 0, 0]
    assert len(workshop.analyses()) == 1
    assert load_job(workshop.engine, job_id).attempt == 1


def test_the_model_hears_exactly_what_was_uploaded(workshop: Workshop) -> None:
    analyzer = ScriptedAnalyzer(analysis())

    workshop.runner(analyzer).drain(workshop.job())

    assert analyzer.heard == [AUDIO]


def test_a_rejected_recording_is_not_tried_again(workshop: Workshop) -> None:
    job_id = workshop.job()
    rejection = RecordingRejectedError(RejectionCode.TOO_NOISY, "4 dB", 4.0, 10.0, QUALITY)

    workshop.runner(ScriptedAnalyzer(rejection)).drain(job_id)

    job = load_job(workshop.engine, job_id)
    assert (job.status, job.code, job.attempt) == (JobStatus.REJECTED, RejectionCode.TOO_NOISY, 1)
    assert (job.measured, job.needed) == (4.0, 10.0)
    assert job.quality == dataclasses.asdict(QUALITY)
    assert workshop.analyses() == []


def test_an_unexpected_error_is_retried_until_attempts_run_out(workshop: Workshop) -> None:
    job_id = workshop.job(max_attempts=2)
    runner = workshop.runner(ScriptedAnalyzer(RuntimeError("a bug")))

    runner.drain(job_id)
    waiting = load_job(workshop.engine, job_id)
    assert (waiting.status, waiting.code) == (JobStatus.QUEUED, None)

    workshop.make_due(job_id)
    runner.drain(job_id)
    ended = load_job(workshop.engine, job_id)
    assert (ended.status, ended.code, ended.attempt) == (JobStatus.FAILED, FailureCode.INTERNAL, 2)


def test_one_bad_recording_does_not_stop_the_drain(workshop: Workshop) -> None:
    bad, good = workshop.job(), workshop.job()

    assert workshop.runner(ScriptedAnalyzer(RuntimeError("a bug"), analysis())).drain(bad) == 2
    assert load_job(workshop.engine, good).status is JobStatus.SUCCEEDED


def flipped(bit: int) -> bytes:
    damaged = bytearray(AUDIO)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize(
    "stored",
    [None, flipped(0), flipped(len(AUDIO) * 4), flipped(len(AUDIO) * 8 - 1), AUDIO[:-1], AUDIO + b"?"],
    ids=["gone", "first bit", "a bit within", "last bit", "a byte less", "a byte more"],
)
def test_a_recording_that_is_not_what_was_uploaded_is_never_scored(
    workshop: Workshop,
    stored: bytes | None,
) -> None:
    job_id = workshop.job(stored=stored, max_attempts=1)
    analyzer = ScriptedAnalyzer(analysis())

    workshop.runner(analyzer).drain(job_id)

    job = load_job(workshop.engine, job_id)
    assert (job.status, job.code) == (JobStatus.FAILED, FailureCode.RECORDING_LOST)
    assert analyzer.heard == []
    assert workshop.analyses() == []
    assert workshop.days() == []


def test_long_work_keeps_its_lease(workshop: Workshop) -> None:
    job_id = workshop.job()
    rescues: list[Rescued] = []

    def slow() -> None:
        for _ in range(10):  # twice the lease
            time.sleep(0.12)
            rescues.append(rescue(workshop.engine, workshop.wakeups, QUICK))

    def analyze_slowly() -> Analysis:
        slow()
        return analysis()

    workshop.runner(ScriptedAnalyzer(analyze_slowly), job_settings=QUICK).drain(job_id)

    assert load_job(workshop.engine, job_id).status is JobStatus.SUCCEEDED
    assert rescues == [Rescued(requeued=0, failed=0, rung_again=0)] * 10


def test_a_worker_that_lost_its_lease_stops_and_writes_nothing(workshop: Workshop) -> None:
    job_id = workshop.job()

    def stolen_meanwhile() -> Analysis:
        steal(workshop, job_id)
        time.sleep(0.3)  # a heartbeat finds out
        return analysis(TENSE)

    runner = workshop.runner(ScriptedAnalyzer(stolen_meanwhile), job_settings=QUICK)
    with capture_logs() as logs:
        runner.drain(job_id)

    assert events.JOB_LEASE_LOST in [line["event"] for line in logs], (
        "the heartbeat, not the fence, found out"
    )
    (row,) = workshop.analyses()
    assert (row.attempt, row.emotion.value) == (2, "Neutral")


def test_a_zombie_that_finishes_late_writes_nothing(workshop: Workshop) -> None:
    """Its heartbeat never noticed: only the fence stands between it and the history."""
    job_id = workshop.job()

    def stolen_meanwhile() -> Analysis:
        steal(workshop, job_id)
        return analysis(TENSE)

    workshop.runner(ScriptedAnalyzer(stolen_meanwhile)).drain(job_id)

    (row,) = workshop.analyses()
    assert (row.attempt, row.emotion.value) == (2, "Neutral")
    (day,) = workshop.days()
    assert day.count == 1


def steal(workshop: Workshop, job_id: UUID) -> None:
    """Let the lease lapse and another worker finish the job."""
    with workshop.engine.begin() as connection:
        past = datetime(2026, 1, 1, tzinfo=UTC)
        connection.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=past))
    assert rescue(workshop.engine, workshop.wakeups, QUICK).requeued == 1
    assert workshop.runner(ScriptedAnalyzer(analysis(CALM))).drain(job_id) == 1


def test_two_workers_share_a_queue_without_doubling(workshop: Workshop) -> None:
    waiting = {workshop.job() for _ in range(20)}
    first = next(iter(waiting))
    threads = [
        threading.Thread(target=workshop.runner(ScriptedAnalyzer(analysis())).drain, args=(first,))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    workshop.runner(ScriptedAnalyzer(analysis())).drain(first)  # whatever was skipped while locked
    rows = workshop.analyses()
    assert len(rows) == 20
    assert {row.job_id for row in rows} == waiting
    (day,) = workshop.days()
    assert day.count == 20


@pytest.mark.parametrize(
    ("word", "wakes"),
    [
        (analysis(), True),
        (RecordingRejectedError(RejectionCode.TOO_QUIET, "-80 dBFS"), True),
        (RuntimeError("a bug"), False),
    ],
    ids=["succeeded", "rejected", "to be retried"],
)
def test_those_who_wait_are_woken_when_the_job_has_ended(
    workshop: Workshop,
    queue: QueueSettings,
    word: Analysis | Exception,
    wakes: bool,  # noqa: FBT001 - a table's column
) -> None:
    listener = Redis.from_url(queue.url.get_secret_value())
    with listener.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.subscribe(finished_channel(queue))
        subscription.get_message(timeout=1)
        job_id = workshop.job()
        workshop.runner(ScriptedAnalyzer(word)).drain(job_id)

        message = subscription.get_message(timeout=0.5)

    listener.close()
    assert (message is not None) is wakes
    if message is not None:
        assert message["data"] == str(job_id).encode()


def test_a_broker_that_is_away_costs_no_analysis(workshop: Workshop, queue: QueueSettings) -> None:
    deaf = Wakeups(queue.model_copy(update={"url": type(queue.url)("redis://127.0.0.1:1/0")}))
    workshop.wakeups = deaf
    job_id = workshop.job()

    workshop.runner(ScriptedAnalyzer(analysis())).drain(job_id)

    assert load_job(workshop.engine, job_id).status is JobStatus.SUCCEEDED
    deaf.close()


def test_an_analysis_that_cannot_be_written_is_a_failed_attempt(workshop: Workshop) -> None:
    impossible = dataclasses.replace(analysis(), audio_seconds=-1.0)
    job_id, next_job = workshop.job(max_attempts=1), workshop.job()

    assert workshop.runner(ScriptedAnalyzer(impossible, analysis())).drain(job_id) == 2

    job = load_job(workshop.engine, job_id)
    assert (job.status, job.code) == (JobStatus.FAILED, FailureCode.INTERNAL)
    assert load_job(workshop.engine, next_job).status is JobStatus.SUCCEEDED


def test_a_database_that_is_away_for_a_moment_costs_no_analysis(workshop: Workshop) -> None:
    job_id = workshop.job()
    lost: list[str] = []

    def lose_the_connection_once(_: Connection) -> None:
        if not lost and threading.current_thread().name.startswith("settler"):
            lost.append("commit")
            raise OperationalError("COMMIT", None, Exception("connection lost"))

    def arm() -> Analysis:
        event.listen(workshop.engine, "commit", lose_the_connection_once)
        return analysis()

    try:
        workshop.runner(ScriptedAnalyzer(arm)).drain(job_id)
    finally:
        event.remove(workshop.engine, "commit", lose_the_connection_once)

    job = load_job(workshop.engine, job_id)
    assert lost == ["commit"]
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1)
    assert len(workshop.analyses()) == 1


@pytest.mark.parametrize("said", [analysis(), RuntimeError("a bug")], ids=["an end", "a retry"])
def test_a_commit_whose_answer_is_lost_counts(
    workshop: Workshop, said: Analysis | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The second try finds no running job, and what the first one left."""
    job_id = workshop.job()
    lost: list[str] = []
    commit: Any = PGDialect_psycopg.do_commit

    def lose_the_answer_once(dialect: PGDialect_psycopg, connection: Any) -> None:  # noqa: ANN401 - the driver's
        commit(dialect, connection)
        if not lost and threading.current_thread().name.startswith("settler"):
            lost.append("commit")
            raise psycopg.OperationalError("connection lost")

    with pytest.MonkeyPatch.context() as patched, capture_logs() as logs:
        patched.setattr(PGDialect_psycopg, "do_commit", lose_the_answer_once)
        workshop.runner(ScriptedAnalyzer(said)).drain(job_id)

    told = {line["event"] for line in logs}
    assert lost == ["commit"]
    assert events.JOB_STALE_WRITE_REFUSED not in told
    assert (events.JOB_SUCCEEDED if isinstance(said, Analysis) else events.JOB_RETRIED) in told
    assert len(workshop.analyses()) == isinstance(said, Analysis)


def test_a_decoder_that_somebody_killed_is_not_the_recordings_fault_until_the_last_attempt(
    workshop: Workshop,
) -> None:
    job_id = workshop.job(max_attempts=2)
    killed = DecoderKilledError(RejectionCode.UNREADABLE, "its decoder was killed")
    runner = workshop.runner(ScriptedAnalyzer(killed))

    runner.drain(job_id)
    assert load_job(workshop.engine, job_id).status is JobStatus.QUEUED
    workshop.make_due(job_id)
    runner.drain(job_id)

    ended = load_job(workshop.engine, job_id)
    assert (ended.status, ended.code, ended.attempt) == (JobStatus.REJECTED, RejectionCode.UNREADABLE, 2)


def test_what_a_person_scored_stays_out_of_error_messages(workshop: Workshop) -> None:
    impossible = dataclasses.replace(analysis(TENSE), audio_seconds=-1.0)
    job_id = workshop.job(max_attempts=1)

    with capture_logs() as logs:
        workshop.runner(ScriptedAnalyzer(impossible)).drain(job_id)

    (failure,) = [line for line in logs if line["event"] == events.ATTEMPT_FAILED]
    message = str(failure["exc_info"])
    assert "audio_seconds_positive" in message
    assert "Failing row" not in message
    assert "0.5" not in message


# Lanes, batches, and how a drain ends.


class Batching(ScriptedAnalyzer):
    """A model that takes three windows at once, and cannot stand some."""

    batch = 3

    def __init__(
        self, *script: Analysis | Exception | Callable[[], Analysis], spoilt: int | None = None
    ) -> None:
        super().__init__(*script)
        self.calls: list[int] = []
        self._spoilt = spoilt
        self._prepared = 0

    def prepare(self, recording: Iterable[bytes], *, prompt_ended_seconds: float | None) -> Prepared:
        self._prepared += 1
        windows = np.full((1, 4), self._prepared, np.float32)
        heard = super().prepare(recording, prompt_ended_seconds=prompt_ended_seconds)
        return dataclasses.replace(heard, _chunks=iter([windows]))

    def score(self, windows: NDArray[np.float32]) -> CalibratedScores:
        self.calls.append(len(windows))
        if self._spoilt in windows:
            raise RuntimeError("a bug")
        if len(self.calls) == 1:
            time.sleep(0.5)  # meanwhile, the others get ready
        scores = [super(Batching, self).score(windows[:1]) for _ in windows]
        return CalibratedScores(*(np.concatenate(part) for part in zip(*map(_columns, scores), strict=True)))


def _columns(scores: CalibratedScores) -> tuple[NDArray[np.float64], ...]:
    return scores.probabilities, scores.unmapped, scores.uncertainty


def test_windows_of_several_jobs_share_a_batch(workshop: Workshop) -> None:
    waiting = [workshop.job() for _ in range(7)]
    analyzer = Batching(analysis())

    assert workshop.runner(analyzer).drain(waiting[0]) == 7

    assert max(analyzer.calls) == 3
    assert sum(analyzer.calls) == 7
    assert {row.job_id for row in workshop.analyses()} == set(waiting)


def test_a_batch_that_fails_costs_the_one_at_fault_an_attempt(workshop: Workshop) -> None:
    waiting = [workshop.job() for _ in range(4)]
    analyzer = Batching(analysis(), spoilt=3)

    workshop.runner(analyzer).drain(waiting[0])

    states = [load_job(workshop.engine, job_id).status for job_id in waiting]
    assert sorted(states) == [JobStatus.QUEUED, *[JobStatus.SUCCEEDED] * 3]
    assert 3 in analyzer.calls


def test_what_is_too_long_for_those_who_wait_becomes_bulk_work(workshop: Workshop) -> None:
    job_id = workshop.job()

    workshop.runner(ScriptedAnalyzer(LaneExceededError(120)), lanes=[Priority.INTERACTIVE]).drain(job_id)

    job = load_job(workshop.engine, job_id)
    assert (job.status, job.priority, job.attempt) == (JobStatus.QUEUED, Priority.BULK, 0)
    workshop.runner(ScriptedAnalyzer(analysis()), lanes=[Priority.INTERACTIVE]).drain(job_id)
    assert load_job(workshop.engine, job_id).status is JobStatus.QUEUED
    workshop.runner(ScriptedAnalyzer(analysis())).drain(job_id)
    assert load_job(workshop.engine, job_id).status is JobStatus.SUCCEEDED


def test_who_waits_passes_the_bulk_work(workshop: Workshop) -> None:
    bulk = [workshop.job(priority=Priority.BULK) for _ in range(12)]
    urgent: list[UUID] = []

    def slow() -> Analysis:
        if not urgent:
            urgent.append(workshop.job())
        time.sleep(0.2)
        return analysis()

    runner = workshop.runner(ScriptedAnalyzer(slow), drain_budget=timedelta(seconds=1))
    runner.drain(bulk[0])

    ended = [load_job(workshop.engine, job_id).finished_at for job_id in bulk]
    arrived = load_job(workshop.engine, urgent[0]).finished_at
    assert arrived is not None
    assert sum(moment is not None and moment < arrived for moment in ended) <= 4


def test_a_worker_told_to_stop_claims_nothing_more_and_returns_bulk_work(workshop: Workshop) -> None:
    bulk = [workshop.job(priority=Priority.BULK) for _ in range(3)]
    runners: list[Runner] = []

    def stop() -> Analysis:
        runners[0].stop()
        return analysis()

    runners.append(workshop.runner(ScriptedAnalyzer(stop), ahead_seconds=0.001))
    runners[0].drain(bulk[0])

    jobs = [load_job(workshop.engine, job_id) for job_id in bulk]
    assert {job.status for job in jobs} <= {JobStatus.SUCCEEDED, JobStatus.QUEUED}
    assert {job.attempt for job in jobs if job.status is JobStatus.QUEUED} == {0}
    assert JobStatus.QUEUED in {job.status for job in jobs}


def test_a_model_that_hangs_lets_its_lease_lapse_and_is_reported(workshop: Workshop) -> None:
    job_id = workshop.job()
    reports: list[str] = []
    over = threading.Event()

    def hang() -> Analysis:
        over.wait(PATIENCE)
        return analysis()

    runner = workshop.runner(
        ScriptedAnalyzer(hang),
        job_settings=QUICK,
        batch_limit=timedelta(seconds=1),
        on_hang=lambda: reports.append("hangs"),
    )
    thread = threading.Thread(target=runner.drain, args=(job_id,))
    thread.start()
    eventually(lambda: bool(reports))
    eventually(lambda: rescue(workshop.engine, workshop.wakeups, QUICK).requeued == 1)
    over.set()
    thread.join()
    assert reports == ["hangs"]
    assert load_job(workshop.engine, job_id).status is JobStatus.QUEUED
    assert workshop.runner(ScriptedAnalyzer(analysis())).drain(job_id) == 1
    assert load_job(workshop.engine, job_id).attempt == 2
    assert len(workshop.analyses()) == 1


@pytest.mark.parametrize("rung_by", ["suspect", "other", "ended"])
def test_what_cost_a_worker_is_worked_on_alone(workshop: Workshop, rung_by: str) -> None:
    """Beside nothing else is it claimed, nor anything else beside it; it is its turn when others' is."""
    suspect, others = workshop.job(), {workshop.job(), workshop.job(priority=Priority.BULK)}
    with workshop.engine.begin() as connection:
        connection.execute(
            update(Job).where(Job.id == suspect).values(started_at=datetime.now(UTC), attempt=1, fence=1)
        )
    rings = {"suspect": suspect, "other": min(others), "ended": new_id()}

    workshop.runner(ScriptedAnalyzer(analysis())).drain(rings[rung_by])

    done = {row.job_id for row in workshop.analyses()}
    assert done == (others if rung_by == "other" else {suspect})


class Forgetful:
    """An engine that loses the answers to the commits of some transactions."""

    def __init__(self, engine: Engine, lost: Sequence[int]) -> None:
        self._engine = engine
        self._lost = lost
        self._count = 0

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection
        self._count += 1
        if self._count in self._lost:
            raise OperationalError("COMMIT", None, Exception("server closed the connection"))


@pytest.mark.parametrize("lost", [[1], [2], [1, 2]])
def test_a_claim_that_was_not_heard_of_is_given_back(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, lost: list[int]
) -> None:
    job_ids = [workshop.job(max_attempts=1) for _ in range(2)]
    runner = workshop.runner(ScriptedAnalyzer(analysis()), lanes=[Priority.INTERACTIVE])
    monkeypatch.setattr(runner, "_engine", Forgetful(workshop.engine, lost))

    for _ in range(3):  # the ring that failed, and two more
        runner.drain(job_ids[0])

    assert {load_job(workshop.engine, job_id).status for job_id in job_ids} == {JobStatus.SUCCEEDED}
    assert {row.attempt for row in workshop.analyses()} == {1}


def test_storage_that_is_away_costs_no_attempt(workshop: Workshop, infrastructure: Infrastructure) -> None:
    job_id = workshop.job(max_attempts=1)
    settings = infrastructure.settings(StorageSettings)
    away = settings.model_copy(update={"endpoint": "http://127.0.0.1:1"})
    astray = Workshop(workshop.engine, open_store(away), workshop.wakeups, workshop.keys)
    delays = []
    for _ in range(3):
        with capture_logs() as logs:
            astray.runner(ScriptedAnalyzer(analysis())).drain(job_id)
        delays += [line["delay_seconds"] for line in logs if line["event"] == events.JOB_POSTPONED]
        waiting = load_job(workshop.engine, job_id)
        assert (waiting.status, waiting.attempt, waiting.code) == (JobStatus.QUEUED, 0, None)
        workshop.make_due(job_id)

    workshop.runner(ScriptedAnalyzer(analysis())).drain(job_id)

    ended = load_job(workshop.engine, job_id)
    assert (ended.status, ended.attempt, ended.fence) == (JobStatus.SUCCEEDED, 1, 4)
    assert delays == [pytest.approx(seconds, rel=JITTER) for seconds in (2.25, 4.5, 9)]


def test_a_backlog_is_not_run_through_while_storage_is_away(
    workshop: Workshop, infrastructure: Infrastructure
) -> None:
    waiting = [workshop.job() for _ in range(10)]
    settings = infrastructure.settings(StorageSettings)
    away = open_store(settings.model_copy(update={"endpoint": "http://127.0.0.1:1"}))
    astray = Workshop(workshop.engine, away, workshop.wakeups, workshop.keys)

    claimed = astray.runner(ScriptedAnalyzer(analysis()), drain_budget=timedelta(seconds=2)).drain(waiting[0])

    assert 1 <= claimed <= 3


def test_a_database_that_is_away_ends_the_drain_quietly(workshop: Workshop) -> None:
    job_id = workshop.job()

    def refuse(_: Connection) -> None:
        raise OperationalError("BEGIN", None, Exception("connection refused"))

    event.listen(workshop.engine, "begin", refuse)
    try:
        assert workshop.runner(ScriptedAnalyzer(analysis())).drain(job_id) == 0
    finally:
        event.remove(workshop.engine, "begin", refuse)
    assert load_job(workshop.engine, job_id).status is JobStatus.QUEUED
