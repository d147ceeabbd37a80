"""Recordings and their jobs."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from mindtrack_shared.db.models.analyses import AnalysisRecord
from mindtrack_shared.db.models.base import (
    SHA256_BYTES,
    Base,
    Measurements,
    enumeration,
    is_object,
    is_short_text,
    measurements,
    one_of,
)
from mindtrack_shared.domain.jobs import JobStatus, Priority
from mindtrack_shared.domain.recordings import MAX_APP_VERSION, MAX_DEVICE, Microphone
from mindtrack_shared.ids import new_id

job_status = enumeration(JobStatus, "job_status")
#: Sorts in the order of the enumeration: interactive first.
job_priority = enumeration(Priority, "job_priority")


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
        is_short_text("device", MAX_DEVICE),
        one_of("microphone", Microphone),
        is_short_text("app_version", MAX_APP_VERSION),
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
    analysis: Mapped[AnalysisRecord | None] = relationship(lazy="raise")

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
        is_object("quality"),
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
