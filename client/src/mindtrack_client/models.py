"""What the server says, typed and immutable. Fields a newer server adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")


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


class Priority(StrEnum):
    """Which jobs go first."""

    #: Somebody waits for the result.
    INTERACTIVE = "interactive"
    #: Goes behind all that is interactive: imports, and recordings that the server found to be long.
    BULK = "bulk"


class Emotion(StrEnum):
    NEUTRAL = "Neutral"
    HAPPY = "Happy"
    SAD = "Sad"
    ANXIOUS = "Anxious"
    STRESSED = "Stressed"


class Recording(Model):
    id: UUID
    recorded_at: datetime
    #: When the question that it answers ended, if the upload said so.
    prompt_ended_at: datetime | None = None
    #: IANA name, if the server knows it.
    time_zone: str | None = None
    content_type: str
    size_bytes: int


class Quality(Model):
    """How good a recording is, measured before the model is asked."""

    #: Seconds in which speech was heard, and their share of the recording.
    speech_seconds: float
    speech_ratio: float
    #: Speech over the quietest twentieth of the recording; None without speech.
    snr_db: float | None = None
    #: Share of samples that were cut off.
    clipping_ratio: float
    level_dbfs: float
    #: Frequency below which the speech lies; None without speech.
    bandwidth_hz: float | None = None
    #: Full scale is 1.
    dc_offset: float


class Indices(Model):
    """Each in [0, 1]; None where the model cannot express what the index starts from."""

    anxiety: float | None = None
    depressive: float | None = None
    baseline: float | None = None


class Biomarker(Model):
    """One measurement of the voice. The API's docs say what each name means."""

    #: None where the recording does not hold what it takes.
    value: float | None = None
    unit: str
    #: Robust standard deviations from the person's own baseline, and the recordings behind it.
    z: float | None = None
    n: int | None = None


class ModelVersion(Model):
    """Which model said so, how it ran, and what it was calibrated on."""

    bundle_id: str
    bundle_revision: str
    engine: str
    precision: str
    temperature: float | None = None
    #: `uncertainty` above this is indeterminate.
    abstention_threshold: float | None = None
    calibration_set: str | None = None


class Scores(Model):
    """What the model said, of a whole recording or of one window."""

    #: None where the model cannot express the emotion; the others sum to one.
    probabilities: Mapping[Emotion, float | None]
    #: What the model gave to labels that stand for none of the five emotions.
    unmapped_mass: float | None = None
    #: In [0, 1].
    uncertainty: float | None = None
    #: The model cannot tell: its numbers stand, but they never count.
    indeterminate: bool = False
    #: `uncertain`, `unmapped`, or what a newer server knows.
    indeterminate_reason: str | None = None


class Window(Scores):
    """The model's answer for one slice of the recording, in seconds from its start."""

    start_seconds: float
    end_seconds: float


class Analysis(Scores):
    """The result of one job. Wellness decision support, not a diagnosis."""

    #: The most probable emotion, and its probability.
    emotion: Emotion
    confidence: float
    #: P(Anxious) + P(Stressed), in [0, 1]; None unless the model can express both.
    stress_score: float | None = None
    indices: Indices
    #: By name; None from servers that measure none.
    biomarkers: Mapping[str, Biomarker] | None = None
    audio_seconds: float
    processing_seconds: float
    model: ModelVersion
    #: Those that hold speech. None in listings; `MindTrack.job` has them.
    windows: tuple[Window, ...] | None = None


class JobProblem(Model):
    """Why a job ended without an analysis. `code` is stable; the words may change."""

    type: str = "about:blank"
    title: str
    detail: str | None = None
    code: str
    #: What the recording measured and what it should have measured, in `unit`, where a measurement decided.
    measured: float | None = None
    needed: float | None = None
    unit: str | None = None


class Place(Model):
    """Where a queued job stands."""

    #: 1 is next.
    position: int
    #: When it may have ended, seconds from now; None while nobody can tell.
    eta_seconds: float | None = None


class Job(Model):
    """One recording's way through the service."""

    id: UUID
    user_id: UUID
    status: JobStatus
    #: None from servers that know none.
    priority: Priority | None = None
    #: How many times a worker has started on it.
    attempt: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    recording: Recording
    #: Known once the recording was decoded, also if it was rejected.
    quality: Quality | None = None
    analysis: Analysis | None = None
    #: Set when the status is `rejected` or `failed`.
    problem: JobProblem | None = None
    #: While it is queued, from servers that say so.
    queue: Place | None = None

    @property
    def is_finished(self) -> bool:
        return self.status.is_finished


class Page(Model, Generic[Item]):
    """A part of a list, newest first."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


class Upload(Model):
    """Where storage takes one recording: whoever has the URL may put it there."""

    id: UUID
    url: str
    method: Literal["PUT"] = "PUT"
    headers: Mapping[str, str] = {}
    expires_at: datetime
    max_bytes: int


class StandingItem(Model):
    id: UUID
    status: JobStatus


class Standing(Model):
    """How several jobs stand."""

    items: tuple[StandingItem, ...]


class Receipt(Model):
    """That a job, its recording, its analysis and its part of the trend are gone."""

    job_id: UUID
    receipt_id: UUID
    deleted_at: datetime
    #: None while storage is away: nobody reaches the audio any more, and it is deleted soon.
    audio_deleted_at: datetime | None = None


class Erasure(Model):
    """That all that there was about a person is gone."""

    receipt_id: UUID
    begun_at: datetime
    erased_at: datetime
    #: How many `recordings`, `notes`, `grants` and so on.
    removed: Mapping[str, int]
    #: Recordings that storage may still hold: nobody reaches them any more, and they are deleted soon.
    audio_left: int


class LatestScore(Model):
    recorded_at: datetime
    stress_score: float


class TrendDay(Model):
    """One person's day, over the recordings that count. A spread needs two of them."""

    day: date
    count: int
    stress_mean: float
    stress_sd: float | None = None
    stress_min: float
    stress_max: float
    anxiety_mean: float
    #: None once a recording of the day could not tell.
    depressive_mean: float | None = None
    baseline_mean: float | None = None


class Progress(Model):
    have: int
    need: int


class Calibration(Model):
    """How far the server has come in learning what is usual for the person."""

    complete: bool
    span_days: Progress
    recording_days: Progress
    recordings: Progress


class Baseline(Model):
    """What is usual for the person, in the measure's unit: two of three days lie between `low` and `high`."""

    centre: float
    low: float
    high: float
    recordings: int
    recording_days: int
    first_day: date
    last_day: date


class TrendPoint(Model):
    """A day with recordings. All but the value are None on a day that could not be compared."""

    day: date
    recordings: int
    value: float
    centre: float | None = None
    #: One own standard deviation to both sides of it.
    usual_low: float | None = None
    usual_high: float | None = None
    #: The moving average, and where it leaves what is usual.
    ewma: float | None = None
    lower_limit: float | None = None
    upper_limit: float | None = None
    #: The day in the person's own standard deviations.
    z: float | None = None


class TrendSlope(Model):
    """Change per week in the measure's unit, with a 95 % interval where there are days enough for one."""

    change: float
    change_low: float | None = None
    change_high: float | None = None
    recording_days: int


class Caveat(Model):
    code: str
    #: In plain words.
    sentence: str


class MeasureTrend(Model):
    """What a person's days say of one measure, compared with what is usual for that person."""

    measure: str
    unit: str
    #: `no_status`, `calibrating`, `below`, `within_range`, `above` or `well_above`.
    status: str
    #: `rising`, `falling`, `steady` or `unclear`.
    direction: str
    recordings: int
    recording_days: int
    days: int
    #: Share of the period's days with a recording.
    coverage: float
    calibration: Calibration
    baseline: Baseline | None = None
    seven_day_z: float | None = None
    slope: TrendSlope | None = None
    points: tuple[TrendPoint, ...]
    caveats: tuple[Caveat, ...] = ()


class Trend(Model):
    """A person's stress history, oldest day first. A day on which none counts is absent, never zero."""

    user_id: UUID
    first_day: date
    last_day: date
    count: int
    #: Mean of the daily means.
    stress_mean: float | None = None
    latest: LatestScore | None = None
    days: tuple[TrendDay, ...]
    #: What was asked for; empty from servers of before.
    measures: tuple[MeasureTrend, ...] = ()
    #: What these numbers are and are not, to be shown beside them.
    notice: str


class RecordedAnalysis(Model):
    """One analysis of a person's, and when its recording was made."""

    job_id: UUID
    recorded_at: datetime
    #: IANA name of the zone the person was in.
    time_zone: str
    quality: Quality | None = None
    analysis: Analysis


class Scope(StrEnum):
    """What a grant opens."""

    TRENDS = "trends"
    ANALYSES = "analyses"
    FEEDBACK = "feedback"
    ALERTS = "alerts"
    NOTES = "notes"


class UseContext(StrEnum):
    """Where what a clinician reads is used. The law refuses work and education."""

    HEALTHCARE = "healthcare"
    SELF_SUPPORT = "self_support"
    RESEARCH = "research"
    WORKPLACE = "workplace"
    EDUCATION = "education"


class Consent(Model):
    """What a person consents to; in words, as newer servers may know more."""

    scopes: tuple[str, ...]
    purpose: str
    use_context: str


class Invitation(Consent):
    """A grant to come, for the clinician who redeems its code."""

    id: UUID
    #: `open`, `redeemed`, `withdrawn` or `expired`.
    state: str
    grant_days: int
    created_at: datetime
    #: Until then, the code can be redeemed.
    expires_at: datetime
    redeemed_at: datetime | None = None
    clinician_id: UUID | None = None
    withdrawn_at: datetime | None = None
    #: Told once, by `invite`.
    code: str | None = Field(default=None, repr=False)


class Grant(Consent):
    """A person's consent for one clinician."""

    id: UUID
    #: The person.
    user_id: UUID
    clinician_id: UUID
    you_are: Literal["person", "clinician"]
    #: `live`, `revoked` or `expired`; only a live one opens anything.
    state: str
    granted_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    #: `person`, `clinician` (who gave it back) or `replacement`.
    revoked_by: str | None = None


class Access(Model):
    """One time that a clinician read, or tried to read, what is yours."""

    id: UUID
    at: datetime
    clinician_id: UUID
    #: None where somebody read in an emergency; then there is a `reason`.
    grant_id: UUID | None = None
    reason: str | None = None
    #: The operation's name in the interface, such as `getTrends`.
    action: str
    #: `allowed`; or `refused`: the grant did not open it, or not any more.
    outcome: str


class OpenAlerts(Model):
    count: int
    oldest_since: datetime | None = None


class Patient(Model):
    """Somebody who granted a clinician something. What their grant does not open is None."""

    user_id: UUID
    #: The clinician's own word for them.
    label: str | None = None
    #: Of the stress score, as in trends; newer servers may know others.
    status: str | None = None
    direction: str | None = None
    #: Mean of the last seven days, in the person's own standard deviations.
    seven_day_z: float | None = None
    #: The person's day that this is of.
    as_of: date | None = None
    #: The last 28 days up to `as_of`, oldest first, in the same; None for a day that could not be judged.
    recent: tuple[float | None, ...] | None = None
    last_recorded_at: datetime | None = None
    alerts: OpenAlerts | None = None
    grant_id: UUID
    scopes: tuple[str, ...]
    expires_at: datetime


class OverviewAlerts(Model):
    persons: int
    open: int
    oldest_since: datetime | None = None
    #: Persons whose alerts the clinician may not see.
    not_granted: int


class Overview(Model):
    """How many of a clinician's persons stand how."""

    persons: int
    by_status: Mapping[str, int]
    by_direction: Mapping[str, int]
    not_evaluated: int
    #: In none of the counts above.
    trends_not_granted: int
    silent: int
    silent_days: int
    alerts: OverviewAlerts
    notice: str


class Note(Model):
    """What a clinician wrote down about a person."""

    id: UUID
    #: Whom it is about.
    user_id: UUID
    #: None once its clinician is no more.
    author_id: UUID | None = None
    text: str = Field(repr=False)
    revision: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class NoteRevision(Model):
    revision: int
    text: str = Field(repr=False)
    written_at: datetime


class NoteWithRevisions(Note):
    #: What it said before, latest first.
    former: tuple[NoteRevision, ...]


class Measured(Model):
    value: float
    unit: str
    recordings: int
    speech_seconds: float


class Origin(Model):
    """A day's recordings by one model and one kind of microphone. Compare values within one."""

    bundle_revision: str
    device_class: str
    #: By name, in natural units; what was not measured is absent.
    values: Mapping[str, Measured]


class HistoryDay(Model):
    day: date
    origins: tuple[Origin, ...]


class BundleLink(Model):
    relation: str
    url: str


class BundleEntry(Model):
    resource: dict[str, Any]


class Bundle(Model):
    """A page of FHIR resources."""

    link: tuple[BundleLink, ...]
    entry: tuple[BundleEntry, ...] = ()


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
