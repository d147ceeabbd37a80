"""Uploads that go to storage directly, and keys under which requests may be repeated."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import SHA256_BYTES, Base
from mindtrack_shared.ids import new_id


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
