"""Whether something of what an alert came from was deleted since.

The previous release asks of every open alert whether its days would open it again, and needs no such mark.
Nor does its gateway make one: what is deleted there while this release's maintenance runs ends no alert.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "alerts", sa.Column("lost_evidence", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    op.drop_column("alerts", "lost_evidence")
