"""A person's days as trends compare them. The previous release neither knows them nor minds.

The table is empty at first: maintenance sums up the days that are there, newest first. Nobody can write
analyses while the index is built, for as long as it takes to read them once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "day_values",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bundle_revision", sa.Text(), nullable=False),
        sa.Column("device_class", sa.Text(), nullable=False),
        sa.Column("recordings", sa.Integer(), nullable=False),
        sa.Column("speech_seconds", sa.Double(), nullable=False),
        sa.Column("stress_score", sa.Double(), nullable=False),
        sa.Column("others", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint(
            "user_id",
            "day",
            "bundle_revision",
            "device_class",
            name="pk_day_values",
            postgresql_include=["recordings", "speech_seconds", "stress_score"],
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_day_values_user_id"),
        sa.CheckConstraint("recordings > 0", name=op.f("ck_day_values_recordings_positive")),
        sa.CheckConstraint("speech_seconds > 0", name=op.f("ck_day_values_speech_seconds_positive")),
        sa.CheckConstraint("jsonb_typeof(others) = 'object'", name=op.f("ck_day_values_others_is_object")),
    )
    op.create_index(
        "ix_analyses_indeterminate",
        "analyses",
        ["user_id", "recorded_at"],
        postgresql_where=sa.text("indeterminate_reason is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_analyses_indeterminate", "analyses")
    op.drop_table("day_values")
