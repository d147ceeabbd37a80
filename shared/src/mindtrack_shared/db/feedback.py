"""Statements on feedback: one row that holds per job, kind and author; those it replaced stay."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from mindtrack_shared.db.models import Feedback, Job
from mindtrack_shared.domain.feedback import FeedbackKind
from mindtrack_shared.domain.jobs import JobStatus


def owner(job_id: UUID) -> Select[UUID]:
    """Whose job it is."""
    return select(Job.user_id).where(Job.id == job_id)


def held(job_id: UUID, user_id: UUID) -> Select[UUID, JobStatus]:
    """Owner and status of a person's job; others who rate it wait until this transaction ends."""
    return (
        select(Job.user_id, Job.status)
        .where(Job.id == job_id, Job.user_id == user_id)
        .with_for_update(key_share=True)
    )


def supersede(job_id: UUID, kind: FeedbackKind, author_id: UUID) -> ReturningUpdate[UUID]:
    """Let go of what an author said before, if anything; to be run by who holds the job."""
    return (
        update(Feedback)
        .where(
            Feedback.job_id == job_id,
            Feedback.kind == kind,
            Feedback.author_id == author_id,
            Feedback.superseded_at.is_(None),
        )
        .values(superseded_at=func.greatest(Feedback.created_at, func.statement_timestamp()))
        .returning(Feedback.id)
    )


def give(  # noqa: PLR0913 - what a row is made of
    feedback_id: UUID,
    job_id: UUID,
    owner_id: UUID,
    kind: FeedbackKind,
    author_id: UUID,
    *,
    said: dict[str, Any],
) -> ReturningInsert[Feedback]:
    """Keep what was said, by column; it was answered now where `said` does not say when."""
    now = func.statement_timestamp()  # not the transaction's: that began before the wait for others
    return (
        insert(Feedback)
        .values(
            {"answered_at": now}
            | said
            | {
                "id": feedback_id,
                "job_id": job_id,
                "user_id": owner_id,
                "kind": kind,
                "author_id": author_id,
                "created_at": now,
            }
        )
        .returning(Feedback)
    )


def given(job_id: UUID) -> Select[Feedback]:
    """What holds of a job, oldest first."""
    return (
        select(Feedback)
        .where(Feedback.job_id == job_id, Feedback.superseded_at.is_(None))
        .order_by(Feedback.created_at, Feedback.id)
    )
