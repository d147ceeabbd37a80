"""Uploads that go straight to storage, and how a recording was made.

The previous release goes on writing recordings, which say nothing about that, and never looks at uploads.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = ("device", "microphone", "app_version")
CHECKS = (
    ("device_bounded", "length(device) between 1 and 64 and device !~ '[[:cntrl:]]'"),
    ("microphone_known", "microphone in ('built_in', 'headset', 'bluetooth', 'external', 'unknown')"),
    ("app_version_bounded", "length(app_version) between 1 and 32 and app_version !~ '[[:cntrl:]]'"),
)


def upgrade() -> None:
    # One statement: the table is waited for once, and each row is looked at once.
    columns = [f"add column {column} text" for column in COLUMNS]
    checks = [f"add constraint ck_recordings_{name} check ({condition})" for name, condition in CHECKS]
    op.execute(f"alter table recordings {', '.join(columns + checks)}")
    _create_uploads()


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("content_type", sa.Text()),
        sa.Column("content_digest", sa.Text()),
        sa.Column("job_id", sa.Uuid()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.UniqueConstraint("object_key", name="uq_uploads_object_key"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_uploads_user_id"),
        sa.ForeignKeyConstraint(
            ["job_id", "user_id"],
            ["jobs.id", "jobs.user_id"],
            name="fk_uploads_job_id_user_id",
            ondelete="SET NULL (job_id)",
        ),
        sa.CheckConstraint("size_bytes > 0", name="ck_uploads_size_positive"),
        sa.CheckConstraint("length(content_type) between 1 and 255", name="ck_uploads_content_type_bounded"),
        sa.CheckConstraint(
            "length(content_digest) between 1 and 255", name="ck_uploads_content_digest_bounded"
        ),
    )
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    op.create_index(
        "ix_uploads_job_id", "uploads", ["job_id"], postgresql_where=sa.text("job_id is not null")
    )


def downgrade() -> None:
    """Go back. Objects of uploads that are not used yet stay in storage, under `uploads/`."""
    op.drop_table("uploads")
    drops = [f"drop column {column}" for column in COLUMNS]  # and with a column its check
    op.execute(f"alter table recordings {', '.join(drops)}")
