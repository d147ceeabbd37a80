"""What the server says, typed and immutable. Fields a newer server adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class JobStatus(StrEnum):
    """Where a job stands."""

    #: Accepted; no worker has taken it yet.
    QUEUED = "queued"
    #: A worker is on it.
    RUNNING = "running"
    #: Finished: `analysis` holds the result.
    SUCCEEDED = "succeeded"
    #: Finished: the recording cannot be analysed; `problem` says what to do differently.
    REJECTED = "rejected"
    #: Finished: the service could not do its part; `problem` says so. The recording is not at fault.
    FAILED = "failed"
    #: Finished: withdrawn by its owner before a worker took it.
    CANCELED = "canceled"

    @property
    def is_finished(self) -> bool:
        return self not in {JobStatus.QUEUED, JobStatus.RUNNING}


class Emotion(StrEnum):
    NEUTRAL = "Neutral"
    HAPPY = "Happy"
    SAD = "Sad"
    ANXIOUS = "Anxious"
    STRESSED = "Stressed"


class Recording(Model):
    id: UUID
    recorded_at: datetime
    #: IANA name, if the server knows it.
    time_zone: str | None = None
    content_type: str
    size_bytes: int


class Indices(Model):
    """Three sums of probabilities, each in [0, 1]."""

    anxiety: float
    depressive: float
    baseline: float


class ModelVersion(Model):
    """Which model said so, and how it ran."""

    bundle_id: str
    bundle_revision: str
    engine: str
    precision: str


class Window(Model):
    """The model's answer for one slice of the recording, in seconds from its start."""

    start_seconds: float
    end_seconds: float
    probabilities: Mapping[Emotion, float]


class Analysis(Model):
    """The result of one job. Wellness decision support, not a diagnosis."""

    #: The most probable emotion, and its probability.
    emotion: Emotion
    confidence: float
    probabilities: Mapping[Emotion, float]
    #: P(Anxious) + P(Stressed), in [0, 1].
    stress_score: float
    indices: Indices
    audio_seconds: float
    processing_seconds: float
    model: ModelVersion
    #: None in listings; `MindTrack.job` has them.
    windows: tuple[Window, ...] | None = None


class JobProblem(Model):
    """Why a job ended without an analysis. `code` is stable; the words may change."""

    type: str = "about:blank"
    title: str
    detail: str | None = None
    code: str


class Job(Model):
    """One recording's way through the service."""

    id: UUID
    user_id: UUID
    status: JobStatus
    #: How many times a worker has started on it.
    attempt: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    recording: Recording
    analysis: Analysis | None = None
    #: Set when the status is `rejected` or `failed`.
    problem: JobProblem | None = None

    @property
    def is_finished(self) -> bool:
        return self.status.is_finished


class JobPage(Model):
    items: tuple[Job, ...]
    next_cursor: str | None = None


class LatestScore(Model):
    recorded_at: datetime
    stress_score: float


class TrendDay(Model):
    """One person's day. A spread needs two recordings."""

    day: date
    count: int
    stress_mean: float
    stress_sd: float | None = None
    stress_min: float
    stress_max: float
    anxiety_mean: float
    depressive_mean: float
    baseline_mean: float


class Trend(Model):
    """A person's stress history, oldest day first. A day without recordings is absent, never zero."""

    user_id: UUID
    first_day: date
    last_day: date
    count: int
    #: Mean of the daily means.
    stress_mean: float | None = None
    latest: LatestScore | None = None
    days: tuple[TrendDay, ...]
    #: What these numbers are and are not, to be shown beside them.
    notice: str


class InvalidPart(Model):
    """One part of a request that the server could not accept."""

    pointer: str | None = None
    field: str | None = None
    detail: str

    def __str__(self) -> str:
        where = self.field or self.pointer
        return f"{where}: {self.detail}" if where else self.detail


class Problem(Model):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: tuple[InvalidPart, ...] = ()

    def __str__(self) -> str:
        headline = f"{self.title} ({self.status})"
        return f"{headline}: {self.detail}" if self.detail else headline
