"""Who lets whom see what."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import SHA256_BYTES, Base, is_short_text, one_of, quoted
from mindtrack_shared.domain.grants import (
    LONGEST_PURPOSE,
    MOST_CODE_DAYS,
    MOST_GRANT_DAYS,
    PERMITTED,
    RevokedBy,
    Scope,
)
from mindtrack_shared.ids import new_id


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
            f"cardinality(scopes) between 1 and {len(Scope)} and scopes <@ array[{quoted(Scope)}]",
            name="scopes_known",
        ),
        is_short_text("purpose", LONGEST_PURPOSE, or_sealed=True),
        CheckConstraint(f"use_context in ({quoted(PERMITTED)})", name="use_context_permitted"),
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
        one_of("revoked_by", RevokedBy),
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
