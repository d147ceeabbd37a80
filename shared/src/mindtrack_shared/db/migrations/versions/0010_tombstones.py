"""Tombstones: what is left of a job that its owner deleted.

The previous release knows none and finds no job, which is what it says.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("object_key", sa.Text()),
        sa.Column("object_deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "(object_key is null) = (object_deleted_at is not null)",
            name=op.f("ck_tombstones_key_kept_until_object_is_gone"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_tombstones_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_tombstones")),
        sa.UniqueConstraint("receipt_id", name=op.f("uq_tombstones_receipt_id")),
    )
    op.create_index(
        "ix_tombstones_unburied",
        "tombstones",
        ["deleted_at"],
        postgresql_where=sa.text("object_deleted_at is null"),
    )


def downgrade() -> None:
    """Go back. Objects that were still to be deleted stay; `mindtrack-scheduler verify` lists them."""
    op.drop_table("tombstones")
