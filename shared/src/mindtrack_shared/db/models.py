"""Tables. Constraints make illegal rows impossible, whoever writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    Time,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from mindtrack_shared.domain.access_events import LONGEST_ACTION, ActorRole, MarkKind, Outcome
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.domain.analysis import IndeterminateReason
from mindtrack_shared.domain.emergencies import LASTS, LONGEST_REASON, SHORTEST_REASON
from mindtrack_shared.domain.emotions import SUM_TOLERANCE, Emotion
from mindtrack_shared.domain.feedback import (
    GAD7,
    LONGEST_NOTE,
    MOST_ITEM,
    MOST_RATING,
    PHQ9,
    ClinicalLabel,
    FeedbackKind,
    Questionnaire,
)
from mindtrack_shared.domain.grants import (
    LONGEST_PURPOSE,
    MOST_CODE_DAYS,
    MOST_GRANT_DAYS,
    PERMITTED,
    RevokedBy,
    Scope,
)
from mindtrack_shared.domain.jobs import JobStatus, Priority
from mindtrack_shared.domain.notes import LONGEST_LABEL
from mindtrack_shared.domain.notes import LONGEST_NOTE as LONGEST_CLINICAL_NOTE
from mindtrack_shared.domain.notifications import LONGEST_ADDRESS, Channel, NotificationState, Occasion
from mindtrack_shared.domain.patients import RECENT_DAYS
from mindtrack_shared.domain.recordings import MAX_APP_VERSION, MAX_DEVICE, Microphone
from mindtrack_shared.domain.sealed_text import SEALED_MARK, longest_sealed
from mindtrack_shared.domain.service_keys import ID_LENGTH, LONGEST_SERVICE, MOST_KEY_DAYS, KeyScope
from mindtrack_shared.domain.trends import Direction, End, Measure, Status
from mindtrack_shared.domain.webhooks import (
    SECRET_BYTES,
    SUBSCRIBABLE,
    AttemptError,
    DeliveryState,
    DisabledReason,
    WebhookEvent,
    WebhookStatus,
)
from mindtrack_shared.ids import new_id

SHA256_BYTES = 32


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain class attribute
        datetime: DateTime(timezone=True),
        float: Double,
        str: Text,
        date: Date,
        time: Time,
        bytes: LargeBinary,
    }


job_status = Enum(
    JobStatus, name="job_status", values_callable=lambda enum: [member.value for member in enum]
)
#: Sorts in the order of the enumeration: interactive first.
job_priority = Enum(
    Priority, name="job_priority", values_callable=lambda enum: [member.value for member in enum]
)
webhook_status = Enum(
    WebhookStatus, name="webhook_status", values_callable=lambda enum: [member.value for member in enum]
)
delivery_state = Enum(
    DeliveryState, name="delivery_state", values_callable=lambda enum: [member.value for member in enum]
)
emotion = Enum(Emotion, name="emotion", values_callable=lambda enum: [member.value for member in enum])

#: Measurements by name. Absent as a whole is NULL, not JSON's null.
Measurements = dict[str, Any]
measurements = JSONB(none_as_null=True)


def _in_unit_interval(*columns: str) -> tuple[CheckConstraint, ...]:
    return tuple(
        CheckConstraint(f"{column} between 0 and 1", name=f"{column}_in_unit_interval") for column in columns
    )


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    return CheckConstraint(f"{column} in ({_quoted(words)})", name=f"{column}_known")


def _is_object(column: str) -> CheckConstraint:
    return CheckConstraint(f"jsonb_typeof({column}) = 'object'", name=f"{column}_is_object")


def _is_short_text(column: str, most: int, *, or_sealed: bool = False) -> CheckConstraint:
    """Some characters, none of them a control character."""
    condition = f"length({column}) between 1 and {most} and {column} !~ '[[:cntrl:]]'"
    if or_sealed:
        condition = f"{condition} or {sealed(column, most)}"
    return CheckConstraint(condition, name=f"{column}_bounded")


def _is_text(column: str, most: int) -> CheckConstraint:
    """Some characters, in clear or sealed."""
    condition = f"length({column}) between 1 and {most} or {sealed(column, most)}"
    return CheckConstraint(condition, name=f"{column}_bounded")


def sealed(column: str, most: int) -> str:
    """What holds for so many characters once they are sealed."""
    return f"ascii({column}) = {ord(SEALED_MARK)} and length({column}) <= {longest_sealed(most)}"


class User(Base):
    """A person who records. Known to us by the token's subject and nothing else."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subject: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: When all that there was about them was erased last. The row itself stays: services remember its id.
    erased_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("length(subject) between 1 and 255", name="subject_bounded"),)


class DataKeyRecord(Base):
    """Which key a person's recordings and words are sealed with now. The key itself, wrapped, lies elsewhere.

    What is sealed names its key, so nothing is looked up here to read.
    """

    __tablename__ = "data_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[UUID] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())


class Recording(Base):
    """One uploaded audio object. Its bytes live in object storage under `object_key`."""

    __tablename__ = "recordings"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    object_key: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[bytes]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str]
    recorded_at: Mapped[datetime]
    #: The calendar day on which it was recorded where the person was.
    recorded_on: Mapped[date]
    #: When the prompt that the person answers had ended.
    prompt_ended_at: Mapped[datetime | None]
    #: IANA name of the zone the person was in.
    time_zone: Mapped[str]
    #: The phone's model, the kind of its microphone (`Microphone`) and the app's version, where said.
    device: Mapped[str | None]
    microphone: Mapped[str | None]
    app_version: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: When retention removed the object. Asked for by who wants to know: the release before does not.
    audio_removed_at: Mapped[datetime | None] = mapped_column(deferred=True)

    __table_args__ = (
        UniqueConstraint("id", "user_id"),  # lets jobs prove that both belong to the same person
        CheckConstraint(f"octet_length(sha256) = {SHA256_BYTES}", name="sha256_length"),
        CheckConstraint("size_bytes > 0", name="size_positive"),
        CheckConstraint("prompt_ended_at >= recorded_at", name="prompt_ends_within"),
        _is_short_text("device", MAX_DEVICE),
        _one_of("microphone", Microphone),
        _is_short_text("app_version", MAX_APP_VERSION),
        Index("ix_recordings_user_id_recorded_at", "user_id", "recorded_at"),
        # Finds what was sent before. Not unique: what failed may be sent again.
        Index("ix_recordings_user_id_sha256", "user_id", "sha256"),
        Index("ix_recordings_with_audio", "id", postgresql_where=text("audio_removed_at is null")),
    )


class Job(Base):
    """Tracks the analysis of one recording; the queue of record."""

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    recording_id: Mapped[UUID] = mapped_column(unique=True)
    user_id: Mapped[UUID]
    status: Mapped[JobStatus] = mapped_column(job_status, default=JobStatus.QUEUED)
    #: The lane it waits in. The default is the database's too: releases that know no lanes name none.
    priority: Mapped[Priority] = mapped_column(
        job_priority, default=Priority.INTERACTIVE, server_default=Priority.INTERACTIVE.value
    )
    #: Attempts begun so far, counted before the work starts so that a killed worker counts too.
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    max_attempts: Mapped[int] = mapped_column(SmallInteger)
    #: Rises with every claim; a write that carries an older fence changes nothing.
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    worker_id: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    #: When the relay last rang for this row; null asks for a ring.
    dispatched_at: Mapped[datetime | None]
    #: Not to be claimed earlier: how a retry waits.
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    #: `RejectionCode` or `FailureCode` of a job that ended without an analysis.
    code: Mapped[str | None]
    #: What a rejected recording measured, and what would have been needed, in the unit of its code.
    measured: Mapped[float | None]
    needed: Mapped[float | None]
    #: `Quality` of the recording, known once it was decoded.
    quality: Mapped[Measurements | None] = mapped_column(measurements)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: When the last attempt began. Of a queued job: of the worker that was lost over it. Who claims it next,
    #: claims it alone.
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    recording: Mapped[Recording] = relationship(lazy="raise")
    analysis: Mapped[AnalysisRecord | None] = relationship(lazy="raise", back_populates="job")

    __table_args__ = (
        ForeignKeyConstraint(["recording_id", "user_id"], ["recordings.id", "recordings.user_id"]),
        UniqueConstraint("id", "user_id"),
        CheckConstraint("max_attempts > 0", name="max_attempts_positive"),
        CheckConstraint("attempt between 0 and max_attempts", name="attempt_bounded"),
        CheckConstraint("fence >= attempt", name="fence_counts_claims"),
        CheckConstraint("status in ('queued', 'canceled') or attempt > 0", name="attempted_once_claimed"),
        CheckConstraint(
            "(status = 'running') = (lease_expires_at is not null)"
            " and (status = 'running') = (worker_id is not null)",
            name="leased_while_running",
        ),
        CheckConstraint(
            "(status in ('succeeded', 'rejected', 'failed', 'canceled')) = (finished_at is not null)",
            name="finished_when_terminal",
        ),
        CheckConstraint("(status in ('rejected', 'failed')) = (code is not null)", name="code_explains_end"),
        CheckConstraint(
            "status = 'rejected' or (measured is null and needed is null)", name="measured_when_rejected"
        ),
        CheckConstraint(
            "quality is null or status in ('succeeded', 'rejected')", name="quality_when_decoded"
        ),
        _is_object("quality"),
        Index("ix_jobs_user_id_id", "user_id", "id"),
        Index("ix_jobs_waiting", "priority", "not_before", "id", postgresql_where=text("status = 'queued'")),
        Index(
            "ix_jobs_undispatched",
            "priority",
            "not_before",
            postgresql_where=text("status = 'queued' and dispatched_at is null"),
        ),
        Index("ix_jobs_silent", "priority", "dispatched_at", postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_leases", "lease_expires_at", postgresql_where=text("status = 'running'")),
    )


class IdempotencyKey(Base):
    """A client's name for one request, so that a second one by that name does nothing again."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    #: SHA-256 over what was asked for. This, the job and the status are null while the request is under way.
    fingerprint: Mapped[bytes | None]
    job_id: Mapped[UUID | None]
    #: HTTP status of the first answer: 202 if it made the job, 200 if it found it.
    status: Mapped[int | None] = mapped_column(SmallInteger)
    #: When it was claimed: the fence of that claim.
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: When another request may have it: the end of the claim's lease, or of what we remember.
    expires_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["job_id", "user_id"], ["jobs.id", "jobs.user_id"], ondelete="CASCADE"),
        CheckConstraint("key ~ '^[!-~]{1,255}$'", name="key_visible_ascii"),
        CheckConstraint(f"octet_length(fingerprint) = {SHA256_BYTES}", name="fingerprint_length"),
        CheckConstraint("status in (200, 202)", name="status_known"),
        CheckConstraint(
            "(job_id is null) = (fingerprint is null) and (job_id is null) = (status is null)",
            name="bound_as_a_whole",
        ),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index("ix_idempotency_keys_job_id", "job_id"),
        Index("ix_idempotency_keys_expires_at", "expires_at"),
    )


class Tombstone(Base):
    """What is left of a job that its owner deleted: that there was one, and whether its audio is gone.

    Also of an upload whose owner had everything erased, under its id.
    """

    __tablename__ = "tombstones"

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    receipt_id: Mapped[UUID] = mapped_column(unique=True, default=new_id)
    deleted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: Known until the object is gone.
    object_key: Mapped[str | None]
    object_deleted_at: Mapped[datetime | None]
    #: Until then a URL may bring the object again: deleting it earlier would not be for good.
    bury_after: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(
            "(object_key is null) = (object_deleted_at is not null)", name="key_kept_until_object_is_gone"
        ),
        Index("ix_tombstones_unburied", "deleted_at", postgresql_where=text("object_deleted_at is null")),
    )


class Erasure(Base):
    """That a person had everything about them erased, and how much there was. Its id is the receipt."""

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    begun_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    #: Null while something may be left.
    finished_at: Mapped[datetime | None]
    #: Numbers by name.
    removed: Mapped[Measurements] = mapped_column(measurements, server_default=text("'{}'"))

    __table_args__ = (
        CheckConstraint("finished_at >= begun_at", name="finished_after"),
        _is_object("removed"),
        Index("ix_erasures_user_id_id", "user_id", "id"),
        # Whoever asks again goes on with it.
        Index("uq_erasures_under_way", "user_id", unique=True, postgresql_where=text("finished_at is null")),
    )


class ScoreColumns:
    """What the model said, of a whole recording or of one window."""

    #: Null where the model cannot express the emotion; the others sum to one.
    p_neutral: Mapped[float | None]
    p_happy: Mapped[float | None]
    p_sad: Mapped[float | None]
    p_anxious: Mapped[float | None]
    p_stressed: Mapped[float | None]
    #: These two are null in rows of releases that did not measure them.
    unmapped_mass: Mapped[float | None]
    uncertainty: Mapped[float | None]
    #: `IndeterminateReason`; null in what counts.
    indeterminate_reason: Mapped[str | None]


def _score_checks() -> tuple[CheckConstraint, ...]:
    columns = ("p_neutral", "p_happy", "p_sad", "p_anxious", "p_stressed")
    total = " + ".join(f"coalesce({column}, 0)" for column in columns)
    return (
        *(
            CheckConstraint(f"{column} between 0 and 1", name=f"{column}_is_probability")
            for column in columns
        ),
        CheckConstraint(f"abs({total} - 1) <= {SUM_TOLERANCE}", name="probabilities_sum_to_one"),
        *_in_unit_interval("unmapped_mass", "uncertainty"),
        _one_of("indeterminate_reason", IndeterminateReason),
    )


class AnalysisRecord(ScoreColumns, Base):
    """The result of one job: at most one, written in the same commit as `succeeded`."""

    __tablename__ = "analyses"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID] = mapped_column(unique=True)
    user_id: Mapped[UUID]
    #: The attempt that produced it.
    attempt: Mapped[int] = mapped_column(SmallInteger)
    emotion: Mapped[Emotion] = mapped_column(emotion)
    confidence: Mapped[float]
    #: This and the indices are null where the model cannot express what they need.
    stress_score: Mapped[float | None]
    anxiety_index: Mapped[float | None]
    depressive_index: Mapped[float | None]
    baseline_index: Mapped[float | None]
    #: `Biomarkers`, and the `Deviation`s from the person's baseline that went into the indices, by name.
    biomarkers: Mapped[Measurements | None] = mapped_column(measurements)
    deviations: Mapped[Measurements | None] = mapped_column(measurements)
    audio_seconds: Mapped[float]
    processing_seconds: Mapped[float]
    bundle_id: Mapped[str]
    bundle_revision: Mapped[str]
    engine: Mapped[str]
    precision: Mapped[str]
    temperature: Mapped[float | None]
    abstention_threshold: Mapped[float | None]
    calibration_set: Mapped[str | None]
    #: Repeated from the recording so that a history is one index range.
    recorded_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    job: Mapped[Job] = relationship(lazy="raise", back_populates="analysis")
    windows: Mapped[list[AnalysisWindow]] = relationship(lazy="raise", order_by="AnalysisWindow.position")

    __table_args__ = (
        ForeignKeyConstraint(["job_id", "user_id"], ["jobs.id", "jobs.user_id"]),
        *_score_checks(),
        CheckConstraint("attempt > 0", name="attempt_positive"),
        *_in_unit_interval(
            "confidence",
            "stress_score",
            "anxiety_index",
            "depressive_index",
            "baseline_index",
            "abstention_threshold",
        ),
        CheckConstraint(
            "(stress_score is null) = (p_anxious is null or p_stressed is null)"
            " and (anxiety_index is null) = (p_anxious is null)"
            " and (depressive_index is null) = (p_sad is null)"
            " and (baseline_index is null) = (p_neutral is null or p_happy is null)",
            name="scores_known_by_probabilities",
        ),
        CheckConstraint("temperature > 0", name="temperature_positive"),
        _is_object("biomarkers"),
        _is_object("deviations"),
        CheckConstraint("audio_seconds > 0", name="audio_seconds_positive"),
        CheckConstraint("processing_seconds >= 0", name="processing_seconds_not_negative"),
        Index(
            "ix_analyses_user_id_recorded_at", "user_id", "recorded_at", postgresql_include=["stress_score"]
        ),
        Index(
            "ix_analyses_indeterminate",
            "user_id",
            "recorded_at",
            postgresql_where=text("indeterminate_reason is not null"),
        ),
    )


class AnalysisWindow(ScoreColumns, Base):
    """One window's scores: the timeline over the recording."""

    __tablename__ = "analysis_windows"

    analysis_id: Mapped[UUID] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    start_seconds: Mapped[float]
    end_seconds: Mapped[float]

    __table_args__ = (
        *_score_checks(),
        CheckConstraint("position >= 0", name="position_not_negative"),
        CheckConstraint("start_seconds >= 0 and end_seconds > start_seconds", name="spans_time"),
    )


class DayRollupRecord(Base):
    """Running sums of one person's day over the analyses that count, kept in the same commit as each."""

    __tablename__ = "day_rollups"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    count: Mapped[int]
    stress_sum: Mapped[float]
    stress_square_sum: Mapped[float]
    stress_min: Mapped[float]
    stress_max: Mapped[float]
    anxiety_sum: Mapped[float]
    #: These two are null once an analysis of the day could not tell.
    depressive_sum: Mapped[float | None]
    baseline_sum: Mapped[float | None]

    __table_args__ = (
        CheckConstraint("count > 0", name="count_positive"),
        CheckConstraint("stress_min between 0 and stress_max and stress_max <= 1", name="stress_range"),
        *(
            CheckConstraint(f"{column} >= 0 and {column} <= count", name=f"{column}_bounded")
            for column in ("stress_sum", "stress_square_sum", "anxiety_sum", "depressive_sum", "baseline_sum")
        ),
    )


class DayValueRecord(Base):
    """What one person's day comes to as trends compare it: by model and device, weighted by speech.

    Follows from the analyses that count (`db.day_values`), in the same commit as each.
    """

    __tablename__ = "day_values"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    day: Mapped[date]
    #: Together the `Origin`.
    bundle_revision: Mapped[str]
    device_class: Mapped[str]
    recordings: Mapped[int]
    speech_seconds: Mapped[float]
    #: Weighted mean of the log odds of the stress score.
    stress_score: Mapped[float]
    #: Of the other measures: `[recordings, speech seconds, weighted mean on the measure's scale]` by name.
    others: Mapped[Measurements] = mapped_column(measurements)

    __table_args__ = (
        CheckConstraint("recordings > 0", name="recordings_positive"),
        CheckConstraint("speech_seconds > 0", name="speech_seconds_positive"),
        _is_object("others"),
        # Holds all that a trend of the stress score reads.
        PrimaryKeyConstraint(
            "user_id",
            "day",
            "bundle_revision",
            "device_class",
            postgresql_include=["recordings", "speech_seconds", "stress_score"],
        ),
    )


class Upload(Base):
    """A place in storage that a person may put one recording at, until it expires.

    The row outlives its URL by a little: until then, the object that somebody put there can be found and
    removed, also one that came again after the upload was used.
    """

    __tablename__ = "uploads"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    object_key: Mapped[str] = mapped_column(unique=True)
    #: What was said about the object beforehand.
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    content_type: Mapped[str | None]
    #: As in the header `Content-Digest`.
    content_digest: Mapped[str | None]
    #: The job that it was used for.
    job_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["job_id", "user_id"], ["jobs.id", "jobs.user_id"], ondelete="SET NULL (job_id)"
        ),
        CheckConstraint("size_bytes > 0", name="size_positive"),
        CheckConstraint("length(content_type) between 1 and 255", name="content_type_bounded"),
        CheckConstraint("length(content_digest) between 1 and 255", name="content_digest_bounded"),
        Index("ix_uploads_expires_at", "expires_at"),
        Index("ix_uploads_job_id", "job_id", postgresql_where=text("job_id is not null")),
    )


class WebhookEndpoint(Base):
    """Where a person wants to be told of the ends of their jobs."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    url: Mapped[str]
    description: Mapped[str | None]
    #: Values of `WebhookEvent` that can be subscribed to.
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret: Mapped[bytes]
    #: Signs as well until then.
    previous_secret: Mapped[bytes | None]
    previous_secret_expires_at: Mapped[datetime | None]
    status: Mapped[WebhookStatus] = mapped_column(webhook_status, default=WebhookStatus.ENABLED)
    #: `DisabledReason`.
    disabled_reason: Mapped[str | None]
    #: When the first of the attempts failed that have failed ever since.
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("id", "user_id"),  # lets deliveries prove that endpoint and job are one person's
        CheckConstraint("length(url) between 1 and 2048", name="url_bounded"),
        CheckConstraint("length(description) between 1 and 200", name="description_bounded"),
        CheckConstraint(
            f"cardinality(events) > 0 and events <@ array[{_quoted(SUBSCRIBABLE)}]",
            name="events_known",
        ),
        CheckConstraint(
            f"octet_length(secret) = {SECRET_BYTES} and octet_length(previous_secret) = {SECRET_BYTES}",
            name="secret_length",
        ),
        CheckConstraint(
            "(previous_secret is null) = (previous_secret_expires_at is null)", name="previous_secret_expires"
        ),
        CheckConstraint(
            "(status = 'disabled') = (disabled_reason is not null)", name="disabled_for_a_reason"
        ),
        _one_of("disabled_reason", DisabledReason),
        Index("ix_webhook_endpoints_user_id_id", "user_id", "id"),
    )


class WebhookDelivery(Base):
    """One message to one endpoint; its own outbox, like a job."""

    __tablename__ = "webhook_deliveries"

    #: The message's `webhook-id`, the same in every attempt.
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    endpoint_id: Mapped[UUID]
    user_id: Mapped[UUID]
    #: The job that ended, or the alert that opened or ended; a ping has neither.
    job_id: Mapped[UUID | None]
    alert_id: Mapped[UUID | None]
    #: `WebhookEvent`.
    event: Mapped[str]
    state: Mapped[DeliveryState] = mapped_column(
        delivery_state, default=DeliveryState.PENDING, server_default=DeliveryState.PENDING.value
    )
    #: Rises with every claim; a write that carries an older one changes nothing.
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: Attempts of the schedule under way, which a redelivery begins anew.
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_attempt_at: Mapped[datetime | None]
    #: A deliverer holds it until then.
    lease_expires_at: Mapped[datetime | None]
    #: When the event happened.
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    attempts: Mapped[list[WebhookAttempt]] = relationship(lazy="raise", order_by="WebhookAttempt.number")

    __table_args__ = (
        ForeignKeyConstraint(
            ["endpoint_id", "user_id"],
            ["webhook_endpoints.id", "webhook_endpoints.user_id"],
            ondelete="CASCADE",
        ),
        # Whoever deletes a job leaves no trace of it here.
        ForeignKeyConstraint(["job_id", "user_id"], ["jobs.id", "jobs.user_id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["alert_id", "user_id"], ["alerts.id", "alerts.user_id"], ondelete="CASCADE"),
        UniqueConstraint("job_id", "endpoint_id"),  # a job ends once
        UniqueConstraint("alert_id", "event", "endpoint_id"),  # an alert opens once, and ends once
        _one_of("event", WebhookEvent),
        CheckConstraint(
            "(job_id is not null) = (event like 'job.%') and (alert_id is not null) = (event like 'alert.%')",
            name="subject_fits_event",
        ),
        CheckConstraint("tries >= 0 and tries <= attempt", name="tries_are_attempts"),
        CheckConstraint("(state = 'pending') = (next_attempt_at is not null)", name="due_while_pending"),
        CheckConstraint("(state = 'pending') = (finished_at is null)", name="finished_when_terminal"),
        CheckConstraint("state = 'pending' or lease_expires_at is null", name="leased_while_pending"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    )


class WebhookAttempt(Base):
    """What came of one attempt. A number that is missing: we ended before we could write it."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    at: Mapped[datetime]
    #: Of the answer; else `AttemptError` says why there was none.
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None]
    seconds: Mapped[float]

    __table_args__ = (
        CheckConstraint("number > 0", name="number_positive"),
        CheckConstraint("(status_code is null) <> (error is null)", name="answered_or_not"),
        CheckConstraint("status_code between 100 and 999", name="status_code_bounded"),
        CheckConstraint("seconds >= 0", name="seconds_not_negative"),
        _one_of("error", AttemptError),
    )


def _questionnaire_checks(asked: Questionnaire) -> tuple[CheckConstraint, ...]:
    items, total = f"{asked.name}_items", f"{asked.name}_total"
    summed = " + ".join(f"{items}[{position}]" for position in range(1, asked.items + 1))
    return (
        CheckConstraint(f"{total} between 0 and {asked.most}", name=f"{total}_bounded"),
        CheckConstraint(
            f"{items} is null or coalesce(array_dims({items}) = '[1:{asked.items}]'"
            f" and 0 <= all ({items}) and {MOST_ITEM} >= all ({items}) and {total} = {summed}, false)",
            name=f"{items}_make_the_total",
        ),
    )


class Feedback(Base):
    """What somebody said of a recording. What was replaced stays, superseded; all goes with the job."""

    __tablename__ = "feedback"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID]
    #: Whose recording it is.
    user_id: Mapped[UUID]
    #: `FeedbackKind`.
    kind: Mapped[str]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    stress: Mapped[int | None] = mapped_column(SmallInteger)
    anxiety: Mapped[int | None] = mapped_column(SmallInteger)
    mood: Mapped[int | None] = mapped_column(SmallInteger)
    #: Null where only the total was told.
    phq9_items: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
    phq9_total: Mapped[int | None] = mapped_column(SmallInteger)
    gad7_items: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
    gad7_total: Mapped[int | None] = mapped_column(SmallInteger)
    #: `ClinicalLabel`.
    label: Mapped[str | None]
    #: A person's own words, as they came.
    note: Mapped[str | None]
    answered_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    superseded_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["job_id", "user_id"], ["jobs.id", "jobs.user_id"], ondelete="CASCADE"),
        _one_of("kind", FeedbackKind),
        _one_of("label", ClinicalLabel),
        CheckConstraint("(kind = 'self') = (author_id = user_id)", name="self_is_the_owner"),
        CheckConstraint(
            "case kind when 'clinician' then label is not null"
            " and num_nonnulls(stress, anxiety, mood, phq9_total, gad7_total, note) = 0"
            " else label is null and num_nonnulls(stress, anxiety, mood, phq9_total, gad7_total) > 0 end",
            name="says_what_its_kind_says",
        ),
        *(
            CheckConstraint(f"{column} between 0 and {MOST_RATING}", name=f"{column}_bounded")
            for column in ("stress", "anxiety", "mood")
        ),
        *_questionnaire_checks(PHQ9),
        *_questionnaire_checks(GAD7),
        _is_text("note", LONGEST_NOTE),
        CheckConstraint("superseded_at >= created_at", name="superseded_after"),
        Index("ix_feedback_job_id", "job_id"),
        Index(
            "uq_feedback_current",
            "job_id",
            "kind",
            "author_id",
            unique=True,
            postgresql_where=text("superseded_at is null"),
        ),
    )


class ConsentColumns:
    """What a person consents to."""

    #: `Scope`s.
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    #: In the person's words, or their app's.
    purpose: Mapped[str]
    #: `UseContext`, of those that are permitted.
    use_context: Mapped[str]


def _consent_checks() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint(
            f"cardinality(scopes) between 1 and {len(Scope)} and scopes <@ array[{_quoted(Scope)}]",
            name="scopes_known",
        ),
        _is_short_text("purpose", LONGEST_PURPOSE, or_sealed=True),
        CheckConstraint(f"use_context in ({_quoted(PERMITTED)})", name="use_context_permitted"),
    )


class Invitation(ConsentColumns, Base):
    """A grant to come: whoever has its code may redeem it, once, until it expires or is withdrawn."""

    __tablename__ = "invitations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    code_sha256: Mapped[bytes] = mapped_column(unique=True)
    #: How long the grant will hold.
    grant_days: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: Of the code.
    expires_at: Mapped[datetime]
    redeemed_at: Mapped[datetime | None]
    redeemed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = (
        # Lets a grant prove that it is of who invited, and for who redeemed.
        UniqueConstraint("id", "user_id", "redeemed_by"),
        *_consent_checks(),
        CheckConstraint(f"octet_length(code_sha256) = {SHA256_BYTES}", name="code_sha256_length"),
        CheckConstraint(f"grant_days between 1 and {MOST_GRANT_DAYS}", name="grant_days_bounded"),
        CheckConstraint(
            f"expires_at > created_at and expires_at - created_at <= interval '{MOST_CODE_DAYS} days'",
            name="expires_in_time",
        ),
        CheckConstraint("(redeemed_at is null) = (redeemed_by is null)", name="redeemed_by_somebody"),
        CheckConstraint("redeemed_by <> user_id", name="redeemed_by_another"),
        CheckConstraint(
            "redeemed_at >= created_at and redeemed_at < expires_at", name="redeemed_before_it_expired"
        ),
        CheckConstraint("redeemed_at is null or withdrawn_at is null", name="redeemed_or_withdrawn"),
        CheckConstraint("withdrawn_at >= created_at", name="withdrawn_after"),
        Index("ix_invitations_user_id_id", "user_id", "id"),
    )


class Grant(ConsentColumns, Base):
    """A person's consent for one clinician. What ended stays."""

    __tablename__ = "grants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    #: The person.
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    clinician_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    invitation_id: Mapped[UUID] = mapped_column(unique=True)
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    #: `RevokedBy`.
    revoked_by: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["invitation_id", "user_id", "clinician_id"],
            ["invitations.id", "invitations.user_id", "invitations.redeemed_by"],
        ),
        *_consent_checks(),
        CheckConstraint("clinician_id <> user_id", name="for_another"),
        CheckConstraint(
            f"expires_at > granted_at and expires_at - granted_at <= interval '{MOST_GRANT_DAYS} days'",
            name="expires_in_time",
        ),
        CheckConstraint("(revoked_at is null) = (revoked_by is null)", name="revoked_by_somebody"),
        _one_of("revoked_by", RevokedBy),
        CheckConstraint("revoked_at >= granted_at", name="revoked_after"),
        # One that has expired is replaced all the same.
        CheckConstraint("revoked_by = 'replacement' or revoked_at < expires_at", name="revoked_while_live"),
        # One that holds for each pair, and all that each request has to know of it.
        Index(
            "uq_grants_current",
            "clinician_id",
            "user_id",
            unique=True,
            postgresql_include=["id", "scopes", "expires_at"],
            postgresql_where=text("revoked_at is null"),
        ),
        Index("ix_grants_clinician_id_user_id_id", "clinician_id", "user_id", "id"),
        Index("ix_grants_clinician_id_id", "clinician_id", "id"),
        Index("ix_grants_user_id_id", "user_id", "id"),
    )


class AccessEvent(Base):
    """Who read, or tried to read, what is somebody else's, and who changed or took out their own.

    Rows are added, and nothing else.

    Its ids are no foreign keys: a log neither keeps rows from being deleted nor goes with them.
    """

    __tablename__ = "access_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    actor_id: Mapped[UUID]
    #: `ActorRole`.
    actor_role: Mapped[str]
    #: Whose it is; null where there is no such person.
    subject_id: Mapped[UUID | None]
    #: By which it was allowed; of what was refused, the last that there was, if any.
    grant_id: Mapped[UUID | None]
    #: Instead of a grant, by which it was allowed.
    emergency_id: Mapped[UUID | None]
    #: The operation's id in the interface.
    action: Mapped[str]
    #: `Outcome`.
    outcome: Mapped[str]
    #: As in the log and the answer.
    request_id: Mapped[UUID | None]

    __table_args__ = (
        _one_of("actor_role", ActorRole),
        _one_of("outcome", Outcome),
        # A name: there is no room for anything else.
        CheckConstraint(f"action ~ '^[a-zA-Z]{{1,{LONGEST_ACTION}}}$'", name="action_is_a_name"),
        # Whoever reads a list of their own names nobody; each person who is in it has a line of their own.
        CheckConstraint(
            "outcome = 'refused' or grant_id is not null or emergency_id is not null or subject_id is null"
            " or (actor_role = 'self' and subject_id = actor_id)",
            name="allowed_by_a_grant",
        ),
        CheckConstraint("grant_id is null or subject_id is not null", name="grant_of_a_person"),
        # What a person is told.
        Index(
            "ix_access_events_told",
            "subject_id",
            "id",
            postgresql_where=text("grant_id is not null or emergency_id is not null"),
        ),
    )


class Emergency(Base):
    """That somebody opened a person's data without a grant, and why. Rows are added, and nothing else.

    As in `AccessEvent`, ids are no foreign keys.
    """

    __tablename__ = "emergencies"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    actor_id: Mapped[UUID]
    #: Whose data.
    user_id: Mapped[UUID]
    #: In the actor's words. The person is told.
    reason: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("actor_id <> user_id", name="of_another"),
        CheckConstraint(
            f"length(reason) between {SHORTEST_REASON} and {LONGEST_REASON} and reason !~ '[[:cntrl:]]'",
            name="reason_bounded",
        ),
        CheckConstraint(
            f"expires_at > opened_at and expires_at - opened_at <= interval '{LASTS.seconds} seconds'",
            name="expires_soon",
        ),
        Index("ix_emergencies_actor_id_user_id_id", "actor_id", "user_id", "id"),
    )


class AccessUnsealed(Base):
    """That an access event is not in the chain yet. A trigger adds the row, in the event's transaction."""

    __tablename__ = "access_unsealed"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)


class AccessSeal(Base):
    """A link of the chain over access events. Rows are added, and removed by retention alone.

    `mac` is over the link before and all columns of the event, by a key that the database does not know.
    """

    __tablename__ = "access_seals"

    #: From 1 on, without gaps.
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[UUID] = mapped_column(unique=True)
    sealed_at: Mapped[datetime]
    key_id: Mapped[str]
    mac: Mapped[bytes]

    __table_args__ = (
        CheckConstraint("seq > 0", name="seq_positive"),
        CheckConstraint(f"octet_length(mac) = {SHA256_BYTES}", name="mac_length"),
    )


class AccessMark(Base):
    """Something that was rightly done to the chain as a whole, under its own mac. Rows are added."""

    __tablename__ = "access_marks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    #: `MarkKind`.
    kind: Mapped[str]
    at: Mapped[datetime]
    #: The last link that was forgotten, or that was there after a restore; and its mac.
    seq: Mapped[int] = mapped_column(BigInteger)
    seal: Mapped[bytes]
    key_id: Mapped[str]
    mac: Mapped[bytes]

    __table_args__ = (
        _one_of("kind", MarkKind),
        CheckConstraint("seq >= 0", name="seq_not_negative"),
        CheckConstraint(f"octet_length(mac) = {SHA256_BYTES}", name="mac_length"),
    )


class Standing(Base):
    """What is known of one person's trend of the stress score now, and when to look again.

    Follows from the person's days (`DayValueRecord`). Whoever changes these notes that the standing is stale,
    in the same transaction; maintenance looks.
    """

    __tablename__ = "standings"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    #: `Status` and `Direction`, over the last 28 days. These, and all up to `time_zone`, are null until
    #: somebody has looked.
    status: Mapped[str | None]
    direction: Mapped[str | None]
    #: Mean z of the last seven days, if any of them was judged.
    seven_day_z: Mapped[float | None]
    #: Days with a recording that counts, of the last 7 and 28.
    recording_days_7: Mapped[int | None] = mapped_column(SmallInteger)
    recording_days_28: Mapped[int | None] = mapped_column(SmallInteger)
    #: The person's day that this is of, and their zone.
    as_of: Mapped[date | None]
    time_zone: Mapped[str | None]
    #: When the newest recording that counts was made; null where there is none.
    last_recorded_at: Mapped[datetime | None]
    #: Since when something is not in it that changed.
    stale_since: Mapped[datetime | None]
    #: When to look again though nothing was recorded: silence changes a status, too. Null: not even that.
    due_at: Mapped[datetime | None]
    evaluated_at: Mapped[datetime | None]
    #: z of each of the last days up to `as_of`, oldest first; null where none was judged. And the
    #: `evaluated_at` that this came with: a release that does not know it leaves it behind.
    recent: Mapped[list[float | None] | None] = mapped_column(ARRAY(REAL))
    recent_at: Mapped[datetime | None]

    __table_args__ = (
        _one_of("status", Status),
        _one_of("direction", Direction),
        CheckConstraint(
            "num_nulls(status, direction, recording_days_7, recording_days_28, as_of, time_zone,"
            " evaluated_at) in (0, 7)",
            name="evaluated_as_a_whole",
        ),
        CheckConstraint(
            "evaluated_at is not null or num_nonnulls(seven_day_z, last_recorded_at) = 0",
            name="known_once_evaluated",
        ),
        CheckConstraint(
            "num_nonnulls(evaluated_at, stale_since, due_at) > 0", name="looked_at_sooner_or_later"
        ),
        CheckConstraint(
            "recording_days_7 between 0 and 7 and recording_days_28 between recording_days_7 and 28",
            name="recording_days_bounded",
        ),
        CheckConstraint("seven_day_z <> 'NaN'", name="seven_day_z_is_a_number"),
        CheckConstraint(
            f"recent is null or coalesce(array_dims(recent) = '[1:{RECENT_DAYS}]', false)",
            name="recent_has_its_days",
        ),
        CheckConstraint("'NaN' <> all (recent)", name="recent_are_numbers"),
        CheckConstraint("(recent is null) = (recent_at is null)", name="recent_since"),
        CheckConstraint("evaluated_at is not null or recent is null", name="recent_once_evaluated"),
        Index("ix_standings_stale", "stale_since", postgresql_where=text("stale_since is not null")),
        Index("ix_standings_due", "due_at", postgresql_where=text("due_at is not null")),
    )


class Alert(Base):
    """A trend rule that fired: while it holds, and afterwards."""

    __tablename__ = "alerts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    #: `Measure`.
    measure: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    #: The person's day.
    opened_on: Mapped[date]
    rule: Mapped[str]
    rule_version: Mapped[str]
    bundle_revision: Mapped[str]
    #: The domain's `Reason`. Null once the recordings that it came from were deleted.
    reason: Mapped[Measurements | None] = mapped_column(measurements)
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    ended_at: Mapped[datetime | None]
    ended_on: Mapped[date | None]
    #: `End`.
    ended_why: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("id", "user_id"),  # lets what is told of it prove whose it is
        _one_of("measure", Measure),
        _is_short_text("rule", 64),
        _is_short_text("rule_version", 64),
        CheckConstraint("length(bundle_revision) > 0", name="bundle_revision_known"),
        _is_object("reason"),
        CheckConstraint("reason is not null or ended_at is not null", name="open_for_a_reason"),
        CheckConstraint(
            "(acknowledged_at is null) = (acknowledged_by is null)", name="acknowledged_by_somebody"
        ),
        CheckConstraint("acknowledged_at >= opened_at", name="acknowledged_after"),
        CheckConstraint("num_nulls(ended_at, ended_on, ended_why) in (0, 3)", name="ended_as_a_whole"),
        CheckConstraint("ended_at >= opened_at and ended_on >= opened_on", name="ended_after"),
        _one_of("ended_why", End),
        Index("ix_alerts_user_id_id", "user_id", "id"),
        # At most one for each measure.
        Index("uq_alerts_open", "user_id", "measure", unique=True, postgresql_where=text("ended_at is null")),
    )


class AlertEvent(Base):
    """What happened to an alert. Rows are added, and go with their alert alone."""

    __tablename__ = "alert_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    alert_id: Mapped[UUID] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    #: `AlertEventKind`.
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    #: Who acknowledged it; null for what the rule did.
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))

    __table_args__ = (
        UniqueConstraint("alert_id", "kind"),  # each happens once
        _one_of("kind", AlertEventKind),
        CheckConstraint("(kind = 'acknowledged') = (actor_id is not null)", name="acknowledged_by_somebody"),
    )


class NotificationPreferences(Base):
    """Whether and when a person wants to be notified. Without a row: not at all."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    #: By the person's clock. They may pass midnight; equal times mean that no hour is quiet.
    quiet_begin: Mapped[time]
    quiet_end: Mapped[time]
    #: IANA name; null is the zone of the newest recording.
    time_zone: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    addresses: Mapped[list[NotificationAddress]] = relationship(
        lazy="raise", order_by="NotificationAddress.id"
    )

    __table_args__ = (_is_short_text("time_zone", 64),)


class NotificationAddress(Base):
    """Where a person wants to be notified."""

    __tablename__ = "notification_addresses"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("notification_preferences.user_id", ondelete="CASCADE"))
    #: `Channel`.
    channel: Mapped[str]
    address: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    __table_args__ = (
        UniqueConstraint("id", "user_id", "channel"),  # lets notifications prove whose it is
        UniqueConstraint("user_id", "channel", "address"),
        _one_of("channel", Channel),
        _is_short_text("address", LONGEST_ADDRESS),
    )


class Notification(Base):
    """One message to one address of a person's; its own outbox, like a job."""

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID]
    #: Of which it tells; null for a test.
    alert_id: Mapped[UUID | None]
    #: `Occasion`.
    occasion: Mapped[str]
    address_id: Mapped[UUID]
    channel: Mapped[str]
    #: `NotificationState`.
    state: Mapped[str] = mapped_column(server_default=NotificationState.PENDING.value)
    #: Not to be sent earlier: quiet hours, or a retry that waits.
    not_before: Mapped[datetime]
    #: Rises with every claim; a write that carries an older one changes nothing.
    claims: Mapped[int] = mapped_column(server_default="0")
    #: Attempts to send it.
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: A deliverer holds it until then.
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        # What an address was told goes with it, and what was told of an alert with that.
        ForeignKeyConstraint(
            ["address_id", "user_id", "channel"],
            [
                "notification_addresses.id",
                "notification_addresses.user_id",
                "notification_addresses.channel",
            ],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(["alert_id", "user_id"], ["alerts.id", "alerts.user_id"], ondelete="CASCADE"),
        UniqueConstraint("alert_id", "occasion", "address_id"),  # each is told once
        _one_of("occasion", Occasion),
        _one_of("state", NotificationState),
        CheckConstraint("(occasion = 'opened') = (alert_id is not null)", name="of_an_alert_that_opened"),
        CheckConstraint("attempts >= 0 and attempts <= claims", name="attempts_are_claims"),
        CheckConstraint("(state = 'pending') = (finished_at is null)", name="finished_when_terminal"),
        CheckConstraint("state = 'pending' or lease_expires_at is null", name="leased_while_pending"),
        Index("ix_notifications_address_id", "address_id"),
        Index("ix_notifications_user_id_created_at", "user_id", "created_at"),
        Index("ix_notifications_due", "not_before", postgresql_where=text("state = 'pending'")),
    )


class Note(Base):
    """What a clinician wrote down about a person. Former words are in `note_revisions`.

    One that was deleted stays, marked: it goes with the person.
    """

    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    #: Whom it is about.
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    #: Null once there is no such clinician any more.
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    #: The author's name for the request that made it (`Idempotency-Key`).
    key: Mapped[str | None]
    text: Mapped[str]
    #: Rises with every change.
    revision: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    #: When the text became what it is.
    updated_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("author_id <> user_id", name="by_another"),
        CheckConstraint("key ~ '^[!-~]{1,255}$'", name="key_visible_ascii"),
        _is_text("text", LONGEST_CLINICAL_NOTE),
        CheckConstraint("revision > 0", name="revision_positive"),
        CheckConstraint("updated_at >= created_at", name="updated_after"),
        CheckConstraint("deleted_at >= created_at", name="deleted_after"),
        Index("ix_notes_user_id_id", "user_id", "id"),
        # A null differs from every other.
        Index("uq_notes_author_id_key", "author_id", "key", unique=True),
    )


class NoteRevision(Base):
    """What a note said before it was changed."""

    __tablename__ = "note_revisions"

    note_id: Mapped[UUID] = mapped_column(ForeignKey("notes.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    written_at: Mapped[datetime]

    __table_args__ = (
        _is_text("text", LONGEST_CLINICAL_NOTE),
        CheckConstraint("revision > 0", name="revision_positive"),
    )


class PatientLabel(Base):
    """A clinician's own word for a person, to tell them from others. Nobody else is shown it."""

    __tablename__ = "patient_labels"

    clinician_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    #: The person.
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    __table_args__ = (
        _is_short_text("label", LONGEST_LABEL, or_sealed=True),
        CheckConstraint("clinician_id <> user_id", name="of_another"),
        Index("ix_patient_labels_user_id", "user_id"),
    )


class ServiceKey(Base):
    """A key by which a system calls us. Never deleted: rows say which keys there were, and until when."""

    __tablename__ = "service_keys"

    #: Random, and no secret.
    id: Mapped[str] = mapped_column(primary_key=True)
    #: The system that has it.
    service: Mapped[str]
    secret_sha256: Mapped[bytes]
    #: Values of `KeyScope`.
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    #: To the minute.
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"id ~ '^[0-9a-f]{{{ID_LENGTH}}}$'", name="id_form"),
        CheckConstraint(f"service ~ '^[a-z][a-z0-9-]{{0,{LONGEST_SERVICE - 1}}}$'", name="service_form"),
        CheckConstraint(f"octet_length(secret_sha256) = {SHA256_BYTES}", name="secret_sha256_length"),
        CheckConstraint(
            f"cardinality(scopes) > 0 and scopes <@ array[{_quoted(KeyScope)}]", name="scopes_known"
        ),
        CheckConstraint(
            f"expires_at > created_at and expires_at - created_at <= interval '{MOST_KEY_DAYS} days'",
            name="expires_in_time",
        ),
        Index("ix_service_keys_service", "service"),
    )
