"""When somebody last tried their addresses out, which outlasts the addresses.

The previous release looks at the messages instead, which go with their address, and adds no such moment.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "notification_preferences", sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("notification_preferences", "tested_at")
