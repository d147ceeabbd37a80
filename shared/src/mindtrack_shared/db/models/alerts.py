"""How people stand to their usual range, and alerts."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import Base, Measurements, is_object, is_short_text, measurements, one_of
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.domain.patients import RECENT_DAYS
from mindtrack_shared.domain.trends import Direction, End, Measure, Status
from mindtrack_shared.ids import new_id


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
        one_of("status", Status),
        one_of("direction", Direction),
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
    #: Whether something that it came from was deleted since.
    lost_evidence: Mapped[bool] = mapped_column(server_default=false(), deferred=True)
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    ended_at: Mapped[datetime | None]
    ended_on: Mapped[date | None]
    #: `End`.
    ended_why: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("id", "user_id"),  # lets what is told of it prove whose it is
        one_of("measure", Measure),
        is_short_text("rule", 64),
        is_short_text("rule_version", 64),
        CheckConstraint("length(bundle_revision) > 0", name="bundle_revision_known"),
        is_object("reason"),
        CheckConstraint("reason is not null or ended_at is not null", name="open_for_a_reason"),
        CheckConstraint(
            "(acknowledged_at is null) = (acknowledged_by is null)", name="acknowledged_by_somebody"
        ),
        CheckConstraint("acknowledged_at >= opened_at", name="acknowledged_after"),
        CheckConstraint("num_nulls(ended_at, ended_on, ended_why) in (0, 3)", name="ended_as_a_whole"),
        CheckConstraint("ended_at >= opened_at and ended_on >= opened_on", name="ended_after"),
        one_of("ended_why", End),
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
        one_of("kind", AlertEventKind),
        CheckConstraint("(kind = 'acknowledged') = (actor_id is not null)", name="acknowledged_by_somebody"),
    )
