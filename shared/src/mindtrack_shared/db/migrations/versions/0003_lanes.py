"""Jobs wait in lanes: interactive ones are claimed first, and each lane has its indexes.

The previous release goes on writing: a row that names no priority is interactive. It claims without these
indexes, which read the priority first, so its workers sort what waits until they are replaced.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PRIORITY = ENUM("interactive", "bulk", name="job_priority", create_type=False)
QUEUED = "status = 'queued'"
#: Name, columns behind the priority, condition.
INDEXES = (
    ("ix_jobs_waiting", ("not_before", "id"), QUEUED),
    ("ix_jobs_undispatched", ("not_before",), f"{QUEUED} and dispatched_at is null"),
    ("ix_jobs_silent", ("dispatched_at",), QUEUED),
)


def upgrade() -> None:
    _lock()
    PRIORITY.create(op.get_bind())
    # A constant default: no row is rewritten.
    op.add_column("jobs", sa.Column("priority", PRIORITY, server_default="interactive", nullable=False))
    _replace_indexes("priority")


def downgrade() -> None:
    """Go back. What was bulk waits among all others, by its age."""
    _lock()
    _replace_indexes()
    op.drop_column("jobs", "priority")
    PRIORITY.drop(op.get_bind())


def _lock() -> None:
    """Wait for the table once, and not for long: whoever comes later would wait behind us."""
    op.execute("lock table jobs in access exclusive mode")


def _replace_indexes(*leading: str) -> None:
    """Rebuild the indexes of queued jobs: three looks at the table, and little to write."""
    for name, columns, condition in INDEXES:
        op.drop_index(name, "jobs")
        op.create_index(name, "jobs", [*leading, *columns], postgresql_where=sa.text(condition))
