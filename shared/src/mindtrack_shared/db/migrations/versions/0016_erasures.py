"""Erasures of all that there is about a person. The previous release neither knows them nor minds.

It does not refuse a recording that was sent while one ran, and it removes what an upload left once only.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("erased_at", sa.DateTime(timezone=True)))
    op.add_column("tombstones", sa.Column("bury_after", sa.DateTime(timezone=True)))
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "begun_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("removed", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("finished_at >= begun_at", name=op.f("ck_erasures_finished_after")),
        sa.CheckConstraint("jsonb_typeof(removed) = 'object'", name=op.f("ck_erasures_removed_is_object")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_erasures_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_user_id_id", "erasures", ["user_id", "id"])
    op.create_index(
        "uq_erasures_under_way",
        "erasures",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("finished_at is null"),
    )


def downgrade() -> None:
    """Go back. Receipts are lost; what was erased stays so."""
    op.drop_table("erasures")
    op.drop_column("tombstones", "bury_after")
    op.drop_column("users", "erased_at")
