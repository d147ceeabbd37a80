"""What the model said."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from mindtrack_shared.db.models.base import (
    Base,
    Measurements,
    enumeration,
    in_unit_interval,
    is_object,
    measurements,
    one_of,
)
from mindtrack_shared.domain.analysis import IndeterminateReason
from mindtrack_shared.domain.emotions import SUM_TOLERANCE, Emotion
from mindtrack_shared.ids import new_id

emotion = enumeration(Emotion, "emotion")


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
        *in_unit_interval("unmapped_mass", "uncertainty"),
        one_of("indeterminate_reason", IndeterminateReason),
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

    windows: Mapped[list[AnalysisWindow]] = relationship(lazy="raise", order_by="AnalysisWindow.position")

    __table_args__ = (
        ForeignKeyConstraint(["job_id", "user_id"], ["jobs.id", "jobs.user_id"]),
        *_score_checks(),
        CheckConstraint("attempt > 0", name="attempt_positive"),
        *in_unit_interval(
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
        is_object("biomarkers"),
        is_object("deviations"),
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
