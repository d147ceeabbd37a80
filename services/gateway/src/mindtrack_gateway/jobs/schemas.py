"""A job as its owner sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel

from mindtrack_gateway.problems import AnalysisFailedError, Problem, ProblemError, RecordingRejectedError
from mindtrack_shared.db.analyses import to_probabilities
from mindtrack_shared.db.models import AnalysisRecord, AnalysisWindow, Job, Recording
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, RejectionCode

#: An idle worker ends a half-minute recording in about this time.
RETRY_AFTER_SECONDS = 1


class RecordingView(BaseModel):
    id: UUID
    recorded_at: datetime
    time_zone: str
    content_type: str
    size_bytes: int

    @classmethod
    def of(cls, row: Recording) -> Self:
        return cls.model_validate(row, from_attributes=True)


class WindowView(BaseModel):
    """The scores of one slice of the recording, in seconds from its start."""

    start_seconds: float
    end_seconds: float
    probabilities: dict[Emotion, float]

    @classmethod
    def of(cls, row: AnalysisWindow) -> Self:
        return cls(
            start_seconds=row.start_seconds,
            end_seconds=row.end_seconds,
            probabilities=to_probabilities(row).as_dict(),
        )


class Indices(BaseModel):
    """Each in [0, 1], derived from the probabilities."""

    anxiety: float
    depressive: float
    baseline: float


class ModelView(BaseModel):
    """Which model said so, and how it ran."""

    bundle_id: str
    bundle_revision: str
    engine: str
    precision: str


class AnalysisView(BaseModel):
    emotion: Emotion
    #: Probability of `emotion`.
    confidence: float
    probabilities: dict[Emotion, float]
    #: P(Anxious) + P(Stressed).
    stress_score: float
    indices: Indices
    audio_seconds: float
    processing_seconds: float
    model: ModelView
    #: The timeline; left out of lists.
    windows: list[WindowView] | None

    @classmethod
    def of(cls, row: AnalysisRecord, *, windows: bool) -> Self:
        return cls(
            emotion=row.emotion,
            confidence=row.confidence,
            probabilities=to_probabilities(row).as_dict(),
            stress_score=row.stress_score,
            indices=Indices(
                anxiety=row.anxiety_index,
                depressive=row.depressive_index,
                baseline=row.baseline_index,
            ),
            audio_seconds=row.audio_seconds,
            processing_seconds=row.processing_seconds,
            model=ModelView.model_validate(row, from_attributes=True),
            windows=[WindowView.of(window) for window in row.windows] if windows else None,
        )


class JobView(BaseModel):
    id: UUID
    user_id: UUID
    status: JobStatus
    #: Attempts begun so far.
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    recording: RecordingView
    analysis: AnalysisView | None
    #: Why the job ended without an analysis, and what to do about it.
    problem: Problem | None

    @classmethod
    def of(cls, job: Job, *, windows: bool = False) -> Self:
        problem = ending(job)
        return cls(
            id=job.id,
            user_id=job.user_id,
            status=job.status,
            attempt=job.attempt,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            recording=RecordingView.of(job.recording),
            analysis=AnalysisView.of(job.analysis, windows=windows) if job.analysis else None,
            problem=problem.document(f"/v1/jobs/{job.id}") if problem else None,
        )

    def put_retry_after(self, response: Response) -> None:
        """Tell a client that polls when to come back."""
        if not self.status.is_terminal:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)


class JobPage(BaseModel):
    items: list[JobView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None


def ending(job: Job) -> ProblemError | None:
    """Return the problem that a job without an analysis ended with, if it did."""
    match job.status:
        case JobStatus.REJECTED:
            return RecordingRejectedError(_advice(RejectionCode, job.code), code=job.code)
        case JobStatus.FAILED:
            return AnalysisFailedError(_advice(FailureCode, job.code), code=job.code)
        case _:
            return None


def _advice(codes: type[RejectionCode | FailureCode], code: str | None) -> str:
    """Return the advice for a code, also for one that only newer workers know."""
    return codes(code).advice if code in set(codes) else "Please record again, or try later."
