"""How many workers a job has cost, so that the next one takes it alone.

The previous release counts none, and claims such a job with others, as it did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("workers_lost", sa.SmallInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("jobs", "workers_lost")
