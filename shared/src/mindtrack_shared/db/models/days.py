"""A person's days, kept in step with the analyses that they sum up."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import Base, Measurements, is_object, measurements


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
        is_object("others"),
        # Holds all that a trend of the stress score reads.
        PrimaryKeyConstraint(
            "user_id",
            "day",
            "bundle_revision",
            "device_class",
            postgresql_include=["recordings", "speech_seconds", "stress_score"],
        ),
    )
