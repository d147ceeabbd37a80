"""Rows and analyses for tests: valid by default, one keyword away from the case at hand."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.preparation import LaneExceededError, Prepared, Terms
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.db import alerts, analyses, day_values, models, users
from mindtrack_shared.db.models import Grant, Invitation, Job, Recording, User
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.domain.analysis import Analysis, IndeterminateReason, Provenance, WindowScore
from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.calibration import CalibratedScores
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.grants import Scope, UseContext
from mindtrack_shared.domain.indices import indices
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.domain.quality import Quality
from mindtrack_shared.domain.service_keys import KeyScope, ServiceKey
from mindtrack_shared.domain.trends import End, Measure, Reason
from mindtrack_shared.ids import new_id

CALM = Probabilities(neutral=0.7, happy=0.1, sad=0.1, anxious=0.05, stressed=0.05)
TENSE = Probabilities(neutral=0.1, happy=0.05, sad=0.05, anxious=0.3, stressed=0.5)
#: Of a model that knows neither Anxious nor Happy.
PARTIAL = Probabilities(neutral=0.5, happy=None, sad=0.3, anxious=None, stressed=0.2)
QUALITY = Quality(
    speech_seconds=4.8,
    speech_ratio=0.8,
    snr_db=25.0,
    clipping_ratio=0.0,
    level_dbfs=-20.0,
    bandwidth_hz=7000.0,
    dc_offset=0.001,
)
VOICE = Biomarkers(
    f0_median_hz=120.0, pause_count=2, pause_ratio=0.2, speech_rate_per_second=4.0, jitter=0.01
)
AUDIO = b"RIFF0000WAVE, or so it claims"


def add_user(engine: Engine, subject: str = "ada") -> UUID:
    with Session(engine) as session, session.begin():
        session.execute(users.ensure(subject))
        return session.scalars(users.by_subject(subject)).one()


def subject_of(engine: Engine, user_id: UUID) -> str:
    with Session(engine) as session:
        return session.scalars(select(User.subject).where(User.id == user_id)).one()


def add_grant(
    engine: Engine,
    person: UUID,
    clinician: UUID,
    *scopes: Scope,
    lasting: timedelta = timedelta(days=90),
    since: timedelta = timedelta(0),
) -> UUID:
    """Add a grant that was given a while ago, with the invitation it came by."""
    fields = {
        "user_id": person,
        "scopes": sorted(scopes or Scope),
        "purpose": "Weekly sessions",
        "use_context": UseContext.HEALTHCARE,
    }
    moment = datetime.now(UTC) - since
    invitation = Invitation(
        code_sha256=hashlib.sha256(new_id().bytes).digest(),
        grant_days=90,
        created_at=moment - timedelta(hours=1),
        expires_at=moment + timedelta(days=6),
        redeemed_at=moment,
        redeemed_by=clinician,
        **fields,
    )
    with Session(engine) as session, session.begin():
        session.add(invitation)
        session.flush()
        grant = Grant(
            clinician_id=clinician,
            invitation_id=invitation.id,
            granted_at=moment,
            expires_at=moment + lasting,
            **fields,
        )
        session.add(grant)
        session.flush()
        return grant.id


def add_service_key(
    engine: Engine,
    service: str,
    *scopes: KeyScope,
    lasting: timedelta = timedelta(days=90),
    since: timedelta = timedelta(0),
    revoked: bool = False,
) -> str:
    """Add a key of a system's that was made a while ago, and return it whole."""
    key = ServiceKey.generate()
    moment = datetime.now(UTC) - since
    row = models.ServiceKey(
        id=key.id,
        service=service,
        secret_sha256=key.secret_sha256,
        scopes=sorted(scopes or KeyScope),
        created_at=moment,
        expires_at=moment + lasting,
        revoked_at=moment if revoked else None,
    )
    with Session(engine) as session, session.begin():
        session.add(row)
    return key.text


def add_job(engine: Engine, user_id: UUID, *, audio: bytes = AUDIO, **fields: Any) -> UUID:  # noqa: ANN401
    """Add a queued job with its recording; `fields` go to the recording or the job, by name."""
    columns = ("recorded_at", "recorded_on", "content_type", "prompt_ended_at", "microphone")
    recording_fields = {name: fields.pop(name) for name in columns if name in fields}
    recording = Recording(
        user_id=user_id,
        object_key=f"recordings/{new_id()}",
        sha256=hashlib.sha256(audio).digest(),
        size_bytes=len(audio),
        time_zone="UTC",
        **(
            {
                "recorded_at": datetime(2026, 3, 1, 18, tzinfo=UTC),
                "recorded_on": date(2026, 3, 1),
                "content_type": "audio/wav",
            }
            | recording_fields
        ),
    )
    job = Job(user_id=user_id, recording=recording, **({"max_attempts": 3} | fields))
    with Session(engine) as session, session.begin():
        session.add(job)
        session.flush()
        return job.id


def add_history(
    engine: Engine,
    user_id: UUID,
    scores: Mapping[date, float],
    *,
    time_zone: str = "UTC",
    revision: str = "one",
) -> dict[date, UUID]:
    """Add a recording a day, each with a stress score, as a worker leaves them; return the jobs' ids."""
    added = {}
    with Session(engine) as session, session.begin():
        for day, score in scores.items():
            moment = datetime.combine(day, time(12), ZoneInfo(time_zone)).astimezone(UTC)
            rest = (1 - score) / 3
            found = analysis(Probabilities(rest, rest, rest, score / 2, score / 2))
            found = replace(found, provenance=replace(found.provenance, bundle_revision=revision))
            recording = Recording(
                user_id=user_id,
                object_key=f"recordings/{new_id()}",
                sha256=hashlib.sha256(new_id().bytes).digest(),
                size_bytes=1,
                content_type="audio/wav",
                recorded_at=moment,
                recorded_on=day,
                time_zone=time_zone,
            )
            job = Job(
                user_id=user_id,
                recording=recording,
                max_attempts=3,
                status=JobStatus.SUCCEEDED,
                attempt=1,
                fence=1,
                started_at=moment,
                finished_at=moment,
            )
            session.add(job)
            session.flush()
            derived = indices(found.probabilities, {})
            session.add(
                analyses.record(found, derived, job_id=job.id, user_id=user_id, attempt=1, recorded_at=moment)
            )
            session.flush()
            session.execute(analyses.add_to_day(user_id, day, score, derived))
            added[day] = job.id
        for statement in day_values.renewal(user_id, list(scores)):
            session.execute(statement)
    return added


def rise(last_day: date, *, before: int = 40, days: int = 14, high: float = 0.6) -> dict[date, float]:
    """Scores of a steady time, and of days after it that are higher."""
    first = last_day - timedelta(days=before + days - 1)
    steady = (0.15, 0.22, 0.18, 0.25, 0.2, 0.17, 0.23)
    scores = [steady[number % len(steady)] for number in range(before)] + [high] * days
    return {first + timedelta(days=number): score for number, score in enumerate(scores)}


REASON = Reason(
    rule="sustained-rise",
    rule_version="1",
    method="own-baseline-ewma",
    method_version="1",
    measure=Measure.STRESS_SCORE,
    bundle_revision="one",
    values={"ewma": 1.4, "recent_z": 1.7},
    thresholds={"ewma": 0.9, "recent_z": 0.8},
    recordings=6,
    recording_days=5,
    first_day=date(2026, 3, 9),
    last_day=date(2026, 3, 15),
    since=date(2026, 3, 2),
    baseline_days=28,
    baseline_first_day=date(2026, 1, 10),
    baseline_last_day=date(2026, 2, 20),
)


def add_alert(engine: Engine, user_id: UUID, *, ended: End | None = None, reason: Reason = REASON) -> UUID:
    """Add an alert that opened, and ended unless it is to be open, as maintenance leaves it."""
    with Session(engine) as session, session.begin():
        alert_id = session.scalars(alerts.open_alert(user_id, reason.last_day, reason)).one()
        session.execute(alerts.note(alert_id, AlertEventKind.OPENED))
        if ended is not None:
            session.execute(alerts.end(alert_id, reason.last_day, ended))
            session.execute(alerts.note(alert_id, AlertEventKind.ENDED))
        return alert_id


def add_jobs_like(engine: Engine, job_id: UUID, number: int, *, due_in: timedelta) -> list[UUID]:
    """Queue many jobs of one person at once, each with a recording like that of `job_id`."""
    statement = text(
        """
        with more as (
            insert into recordings (id, user_id, object_key, sha256, size_bytes, content_type,
                recorded_at, recorded_on, time_zone)
            select uuidv7(), r.user_id, 'recordings/' || uuidv7(), sha256, size_bytes, content_type,
                recorded_at, recorded_on, time_zone
            from recordings r join jobs on jobs.recording_id = r.id, generate_series(1, :number)
            where jobs.id = :job
            returning id, user_id
        )
        insert into jobs (id, recording_id, user_id, status, max_attempts, not_before)
        select uuidv7(), id, user_id, 'queued', 3, now() + :due_in from more returning id
        """
    )
    with engine.begin() as connection:
        asked = {"job": job_id, "number": number, "due_in": due_in}
        return list(connection.execute(statement, asked).scalars())


def load_job(engine: Engine, job_id: UUID) -> Job:
    with Session(engine) as session:
        return session.scalars(select(Job).where(Job.id == job_id)).one()


#: How a worker's claim, and a failure's end, leave a row.
RUNNING = (
    "status = 'running', attempt = 1, fence = 1, worker_id = id, started_at = now(), lease_expires_at = now()"
)
FAILED = (
    "status = 'failed', code = 'internal', worker_id = null, lease_expires_at = null, finished_at = now()"
)


def move_jobs(engine: Engine, *job_ids: UUID, to: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(f"update jobs set {to} where id = any(:ids)"),  # noqa: S608 - constants
            {"ids": list(job_ids)},
        )


def end_jobs(engine: Engine, *job_ids: UUID) -> None:
    move_jobs(engine, *job_ids, to=RUNNING)
    move_jobs(engine, *job_ids, to=FAILED)


def object_key(engine: Engine, job_id: UUID) -> str:
    with Session(engine) as session:
        return session.scalars(select(Recording.object_key).join(Job).where(Job.id == job_id)).one()


def analysis(
    probabilities: Probabilities = CALM,
    *,
    reason: IndeterminateReason | None = None,
    biomarkers: Biomarkers = VOICE,
) -> Analysis:
    return Analysis(
        probabilities=probabilities,
        unmapped_mass=0.1,
        uncertainty=0.6,
        indeterminate_reason=reason,
        windows=tuple(
            WindowScore(
                start_seconds=start,
                end_seconds=start + 4.0,
                probabilities=probabilities,
                unmapped_mass=0.1,
                uncertainty=0.6,
                indeterminate_reason=reason,
            )
            for start in (0.0, 2.0)
        ),
        quality=QUALITY,
        biomarkers=biomarkers,
        audio_seconds=6.0,
        processing_seconds=0.05,
        provenance=Provenance(
            bundle_id="test",
            bundle_revision="0123456789ab",
            engine="scripted",
            precision="fp32",
            temperature=1.4,
            abstention_threshold=0.9,
            calibration_set="four voices",
        ),
    )


class ScriptedAnalyzer:
    """Stands where cage and model stand: says what the test tells it to, in order; the last word stays.

    A rejection is said when a recording is prepared, anything else when its windows are scored.
    """

    batch = 1
    terms = Terms(window_samples=4, hop_samples=4, max_seconds=60, thresholds=QualitySettings())

    def __init__(self, *script: Analysis | Exception | Callable[[], Analysis]) -> None:
        self._script = list(script)
        self._said: deque[Analysis] = deque()
        self.heard: list[bytes] = []
        self.prompts: list[float | None] = []

    @property
    def provenance(self) -> Provenance:
        return analysis().provenance

    def prepare(self, recording: Iterable[bytes], *, prompt_ended_seconds: float | None) -> Prepared:
        self.heard.append(b"".join(recording))
        self.prompts.append(prompt_ended_seconds)
        if isinstance(self._script[0], RecordingRejectedError | LaneExceededError):
            raise self._next()
        return Prepared(QUALITY, VOICE, 6.0, np.arange(1), iter([np.zeros((1, 4), np.float32)]))

    def score(self, windows: NDArray[np.float32]) -> CalibratedScores:
        word = self._next()
        said = word() if callable(word) else word
        if isinstance(said, Exception):
            raise said
        self._said.append(said)
        return CalibratedScores(
            np.full((len(windows), 5), 0.2), np.zeros(len(windows)), np.ones(len(windows))
        )

    def conclude(
        self, prepared: Prepared, scores: Sequence[CalibratedScores], *, processing_seconds: float
    ) -> Analysis:
        assert len(prepared.starts) == sum(len(score.uncertainty) for score in scores)
        assert processing_seconds > 0
        return self._said.popleft()

    def _next(self) -> Any:  # noqa: ANN401 - the script's words
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]
