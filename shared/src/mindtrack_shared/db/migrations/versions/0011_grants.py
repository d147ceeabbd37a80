"""Invitations, grants, and who read what by them. The previous release knows none and reads its own.

What is written in `access_events` stays: a trigger refuses everything but adding to it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCOPES = (
    "cardinality(scopes) between 1 and 5"
    " and scopes <@ array['trends', 'analyses', 'feedback', 'alerts', 'notes']"
)
#: Name, condition.
CONSENT = (
    ("scopes_known", SCOPES),
    ("purpose_bounded", "length(purpose) between 1 and 200 and purpose !~ '[[:cntrl:]]'"),
    ("use_context_permitted", "use_context in ('healthcare', 'self_support', 'research')"),
)
INVITATION = (
    ("code_sha256_length", "octet_length(code_sha256) = 32"),
    ("grant_days_bounded", "grant_days between 1 and 366"),
    ("expires_in_time", "expires_at > created_at and expires_at - created_at <= interval '30 days'"),
    ("redeemed_by_somebody", "(redeemed_at is null) = (redeemed_by is null)"),
    ("redeemed_by_another", "redeemed_by <> user_id"),
    ("redeemed_before_it_expired", "redeemed_at >= created_at and redeemed_at < expires_at"),
    ("redeemed_or_withdrawn", "redeemed_at is null or withdrawn_at is null"),
    ("withdrawn_after", "withdrawn_at >= created_at"),
)
GRANT = (
    ("for_another", "clinician_id <> user_id"),
    ("expires_in_time", "expires_at > granted_at and expires_at - granted_at <= interval '366 days'"),
    ("revoked_by_somebody", "(revoked_at is null) = (revoked_by is null)"),
    ("revoked_by_known", "revoked_by in ('person', 'clinician', 'replacement')"),
    ("revoked_after", "revoked_at >= granted_at"),
    ("revoked_while_live", "revoked_by = 'replacement' or revoked_at < expires_at"),
)
EVENT = (
    ("actor_role_known", "actor_role in ('clinician')"),
    ("outcome_known", "outcome in ('allowed', 'refused')"),
    ("action_is_a_name", "action ~ '^[a-zA-Z]{1,64}$'"),
    ("allowed_by_a_grant", "outcome = 'refused' or grant_id is not null"),
    ("grant_of_a_person", "grant_id is null or subject_id is not null"),
)

#: Also for its owner, and also where nothing would change. Who may drop a trigger can go around it.
APPEND_ONLY = """
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% only grows', tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger access_events_append_only before update or delete or truncate on access_events
    for each statement execute function refuse_change();
"""


def _checks(table: str, *checks: tuple[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}")) for name, condition in checks]


def _moment(name: str, *, default: str | None = None, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text(default) if default else None,
        nullable=nullable,
    )


def _consent() -> list[sa.Column[object]]:
    return [
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("use_context", sa.Text(), nullable=False),
    ]


def upgrade() -> None:
    # What its keys lock. Others may go on reading.
    op.execute("lock table users in share row exclusive mode")
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        *_consent(),
        sa.Column("grant_days", sa.SmallInteger(), nullable=False),
        _moment("created_at", default="now()"),
        _moment("expires_at"),
        _moment("redeemed_at", nullable=True),
        sa.Column("redeemed_by", sa.Uuid()),
        _moment("withdrawn_at", nullable=True),
        *_checks("invitations", *CONSENT, *INVITATION),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_invitations_user_id")),
        sa.ForeignKeyConstraint(["redeemed_by"], ["users.id"], name=op.f("fk_invitations_redeemed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("code_sha256", name=op.f("uq_invitations_code_sha256")),
        sa.UniqueConstraint(
            "id", "user_id", "redeemed_by", name=op.f("uq_invitations_id_user_id_redeemed_by")
        ),
    )
    op.create_index("ix_invitations_user_id_id", "invitations", ["user_id", "id"])
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("clinician_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        *_consent(),
        _moment("granted_at", default="now()"),
        _moment("expires_at"),
        _moment("revoked_at", nullable=True),
        sa.Column("revoked_by", sa.Text()),
        *_checks("grants", *CONSENT, *GRANT),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_grants_user_id")),
        sa.ForeignKeyConstraint(["clinician_id"], ["users.id"], name=op.f("fk_grants_clinician_id")),
        sa.ForeignKeyConstraint(
            ["invitation_id", "user_id", "clinician_id"],
            ["invitations.id", "invitations.user_id", "invitations.redeemed_by"],
            name=op.f("fk_grants_invitation_id_user_id_clinician_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("invitation_id", name=op.f("uq_grants_invitation_id")),
    )
    op.create_index(
        "uq_grants_current",
        "grants",
        ["clinician_id", "user_id"],
        unique=True,
        postgresql_include=["id", "scopes", "expires_at"],
        postgresql_where=sa.text("revoked_at is null"),
    )
    op.create_index("ix_grants_clinician_id_user_id_id", "grants", ["clinician_id", "user_id", "id"])
    op.create_index("ix_grants_clinician_id_id", "grants", ["clinician_id", "id"])
    op.create_index("ix_grants_user_id_id", "grants", ["user_id", "id"])
    op.create_table(
        "access_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        _moment("at", default="statement_timestamp()"),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid()),
        sa.Column("grant_id", sa.Uuid()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Uuid()),
        *_checks("access_events", *EVENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_events")),
    )
    op.create_index(
        "ix_access_events_told",
        "access_events",
        ["subject_id", "id"],
        postgresql_where=sa.text("grant_id is not null"),
    )
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    """Go back. Grants are lost, and with them what clinicians could read; so is who read what."""
    op.drop_table("access_events")
    op.execute("drop function refuse_change")
    op.drop_table("grants")
    op.drop_table("invitations")
