"""A job as its owner sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from mindtrack_gateway.problems import AnalysisFailedError, Problem, ProblemError, RecordingRejectedError
from mindtrack_shared.db.analyses import to_probabilities
from mindtrack_shared.db.models import AnalysisRecord, AnalysisWindow, Job, Recording
from mindtrack_shared.domain.biomarkers import DEFINITIONS
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority, RejectionCode

#: An idle worker ends a half-minute recording in about this time.
RETRY_AFTER_SECONDS = 1

#: Shown in the API's docs: one line for each biomarker.
BIOMARKERS_DESCRIPTION = "By name:\n" + "\n".join(
    f"- `{name}` ({definition.unit}): {definition.description}" for name, definition in DEFINITIONS.items()
)


class RecordingView(BaseModel):
    id: UUID
    recorded_at: datetime
    prompt_ended_at: datetime | None
    time_zone: str
    device: str | None
    #: Not the enumeration: newer releases may know other kinds.
    microphone: str | None
    app_version: str | None
    content_type: str
    size_bytes: int

    @classmethod
    def of(cls, row: Recording) -> Self:
        return cls.model_validate(row, from_attributes=True)


class QualityView(BaseModel):
    """How good the recording is, measured before the model is asked."""

    speech_seconds: Annotated[float, Field(description="Seconds in which speech was heard.")]
    speech_ratio: Annotated[float, Field(description="`speech_seconds` over the recording's length.")]
    snr_db: Annotated[
        float | None,
        Field(description="Speech over the quietest twentieth of the recording, dB; null without speech."),
    ]
    clipping_ratio: Annotated[float, Field(description="Share of samples that were cut off.")]
    level_dbfs: Annotated[float, Field(description="Level of the loudest frames, dB relative to full scale.")]
    bandwidth_hz: Annotated[
        float | None, Field(description="Frequency below which the speech lies, Hz; null without speech.")
    ]
    dc_offset: Annotated[float, Field(description="Mean of the samples; full scale is 1.")]


class ScoreView(BaseModel):
    """What the model said, of a whole recording or of one window."""

    probabilities: Annotated[
        dict[Emotion, float | None],
        Field(description="Null where the model cannot express the emotion; the others sum to 1."),
    ]
    unmapped_mass: Annotated[
        float | None,
        Field(description="What the model gave to labels that stand for none of the five emotions."),
    ]
    uncertainty: Annotated[
        float | None,
        Field(description="Entropy of the probabilities over its largest possible value, in [0, 1]."),
    ]
    indeterminate: Annotated[
        bool, Field(description="Whether the model cannot tell: the numbers stand, but they never count.")
    ]
    #: Not the enumeration: newer workers may know other reasons.
    indeterminate_reason: Annotated[
        str | None,
        Field(
            description="`uncertain`: the model is too unsure. `unmapped`: what it says is mostly none of "
            "the five emotions."
        ),
    ]


class WindowView(ScoreView):
    """The scores of one slice of the recording, in seconds from its start."""

    start_seconds: float
    end_seconds: float

    @classmethod
    def of(cls, row: AnalysisWindow) -> Self:
        return cls(start_seconds=row.start_seconds, end_seconds=row.end_seconds, **_scores(row))


class BiomarkerView(BaseModel):
    """One measurement of the voice, and how it compares with the person's own baseline."""

    value: Annotated[float | None, Field(description="Null where the recording does not hold what it takes.")]
    unit: Annotated[str, Field(description='"1" for a share or a count.')]
    z: Annotated[
        float | None,
        Field(
            description="Robust standard deviations from the person's baseline. Only for markers that move "
            "an index, and only once there is a baseline."
        ),
    ]
    n: Annotated[int | None, Field(description="Recordings behind that baseline.")]


class Indices(BaseModel):
    """Each in [0, 1]: the model's probability, moved a little by how unlike themselves the person sounded.

    Null where the model cannot express what the index starts from.
    """

    anxiety: float | None
    depressive: float | None
    baseline: float | None


class ModelView(BaseModel):
    """Which model said so, how it ran, and what it was calibrated on."""

    bundle_id: str
    bundle_revision: str
    engine: str
    precision: str
    temperature: Annotated[float | None, Field(description="What the logits were divided by.")]
    abstention_threshold: Annotated[
        float | None, Field(description="`uncertainty` above this is indeterminate.")
    ]
    calibration_set: str | None


class AnalysisView(ScoreView):
    emotion: Annotated[Emotion, Field(description="The most probable of those the model can express.")]
    confidence: Annotated[float, Field(description="Probability of `emotion`.")]
    stress_score: Annotated[
        float | None,
        Field(description="P(Anxious) + P(Stressed); null unless the model can express both."),
    ]
    indices: Indices
    biomarkers: Annotated[dict[str, BiomarkerView] | None, Field(description=BIOMARKERS_DESCRIPTION)]
    audio_seconds: float
    processing_seconds: float
    model: ModelView
    windows: Annotated[
        list[WindowView] | None,
        Field(description="The timeline, without windows that hold no speech; left out of lists."),
    ]

    @classmethod
    def of(cls, row: AnalysisRecord, *, windows: bool) -> Self:
        return cls(
            **_scores(row),
            emotion=row.emotion,
            confidence=row.confidence,
            stress_score=row.stress_score,
            indices=Indices(
                anxiety=row.anxiety_index,
                depressive=row.depressive_index,
                baseline=row.baseline_index,
            ),
            biomarkers=_biomarkers(row),
            audio_seconds=row.audio_seconds,
            processing_seconds=row.processing_seconds,
            model=ModelView.model_validate(row, from_attributes=True),
            windows=[WindowView.of(window) for window in row.windows] if windows else None,
        )


def _scores(row: AnalysisRecord | AnalysisWindow) -> dict[str, Any]:
    return {
        "probabilities": to_probabilities(row).as_dict(),
        "unmapped_mass": row.unmapped_mass,
        "uncertainty": row.uncertainty,
        "indeterminate": row.indeterminate_reason is not None,
        "indeterminate_reason": row.indeterminate_reason,
    }


def _biomarkers(row: AnalysisRecord) -> dict[str, BiomarkerView] | None:
    """Return what was measured; None for analyses of releases that measured nothing."""
    if row.biomarkers is None:
        return None
    deviations = row.deviations or {}
    return {
        name: BiomarkerView(
            value=row.biomarkers.get(name),
            unit=definition.unit,
            z=deviations.get(name, {}).get("z"),
            n=deviations.get(name, {}).get("n"),
        )
        for name, definition in DEFINITIONS.items()
    }


class QueueView(BaseModel):
    """Where a queued job stands in its lane."""

    position: Annotated[
        int, Field(ge=1, description="1 is next. To within a five-hundredth of the queue where that is long.")
    ]
    eta_seconds: Annotated[
        float | None,
        Field(description="When it may have ended, at the pace of the last jobs; null while none runs."),
    ]


class JobView(BaseModel):
    id: UUID
    user_id: UUID
    status: JobStatus
    priority: Annotated[
        Priority,
        Field(
            description="`interactive` jobs are taken before `bulk` ones. A long recording becomes `bulk` "
            "once a worker has seen how long it is."
        ),
    ]
    #: Attempts begun so far.
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    recording: RecordingView
    quality: Annotated[
        QualityView | None,
        Field(description="Known once the recording was decoded, also if it was rejected."),
    ]
    analysis: AnalysisView | None
    problem: Annotated[
        Problem | None,
        Field(description="Why the job ended without an analysis, and what to do about it."),
    ]
    queue: Annotated[
        QueueView | None, Field(description="While it is queued, where `GET /v1/jobs/{job_id}` tells it.")
    ] = None

    @classmethod
    def of(cls, job: Job, *, windows: bool = False) -> Self:
        problem = ending(job)
        return cls(
            id=job.id,
            user_id=job.user_id,
            status=job.status,
            priority=job.priority,
            attempt=job.attempt,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            recording=RecordingView.of(job.recording),
            quality=QualityView.model_validate(job.quality) if job.quality else None,
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
            return RecordingRejectedError(
                _advice(RejectionCode, job.code),
                code=job.code,
                measured=job.measured,
                needed=job.needed,
                unit=None if job.needed is None else _unit(job.code),
            )
        case JobStatus.FAILED:
            return AnalysisFailedError(_advice(FailureCode, job.code), code=job.code)
        case _:
            return None


def _advice(codes: type[RejectionCode | FailureCode], code: str | None) -> str:
    """Return the advice for a code, also for one that only newer workers know."""
    return codes(code).advice if code in set(codes) else "Please record again, or try later."


def _unit(code: str | None) -> str | None:
    return RejectionCode(code).unit if code in set(RejectionCode) else None
