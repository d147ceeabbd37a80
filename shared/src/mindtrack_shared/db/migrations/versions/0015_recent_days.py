"""The last days of each standing, as a list of patients shows them.

Nobody is marked as stale for it: that would be a write to every row, which the previous release's maintenance
would undo while it still runs. Whoever recorded lately is looked at when their day changes, and has it then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

#: Name, condition.
CHECKS = (
    ("recent_has_its_days", "recent is null or coalesce(array_dims(recent) = '[1:28]', false)"),
    ("recent_are_numbers", "'NaN' <> all (recent)"),
    ("recent_since", "(recent is null) = (recent_at is null)"),
    ("recent_once_evaluated", "evaluated_at is not null or recent is null"),
)


def upgrade() -> None:
    op.add_column("standings", sa.Column("recent", postgresql.ARRAY(sa.REAL())))
    op.add_column("standings", sa.Column("recent_at", sa.DateTime(timezone=True)))
    for name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_standings_{name}"), "standings", condition)


def downgrade() -> None:
    """Go back. What is lost follows from the days."""
    op.drop_column("standings", "recent_at")
    op.drop_column("standings", "recent")
