"""Idempotency keys, and an index that finds recordings by their content.

The previous release knows neither and goes on writing. The index is not unique: that release stores the same
bytes twice. While it is built, nobody can add a recording: as long as it takes to read the table once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_recordings_user_id_sha256", "recordings", ["user_id", "sha256"])
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary()),
        sa.Column("job_id", sa.Uuid()),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("key ~ '^[!-~]{1,255}$'", name=op.f("ck_idempotency_keys_key_visible_ascii")),
        sa.CheckConstraint(
            "octet_length(fingerprint) = 32", name=op.f("ck_idempotency_keys_fingerprint_length")
        ),
        sa.CheckConstraint("status in (200, 202)", name=op.f("ck_idempotency_keys_status_known")),
        sa.CheckConstraint(
            "(job_id is null) = (fingerprint is null) and (job_id is null) = (status is null)",
            name=op.f("ck_idempotency_keys_bound_as_a_whole"),
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_idempotency_keys_expires_later")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id", "user_id"],
            ["jobs.id", "jobs.user_id"],
            name=op.f("fk_idempotency_keys_job_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_job_id", "idempotency_keys", ["job_id"])
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    """Go back. Keys are forgotten: who sends again is known by the recording alone, or not at all."""
    op.drop_table("idempotency_keys")
    op.drop_index("ix_recordings_user_id_sha256", "recordings")
