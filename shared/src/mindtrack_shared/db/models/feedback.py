"""What people and clinicians said of recordings."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import Base, is_text, one_of
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
from mindtrack_shared.ids import new_id


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
        one_of("kind", FeedbackKind),
        one_of("label", ClinicalLabel),
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
        is_text("note", LONGEST_NOTE),
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
