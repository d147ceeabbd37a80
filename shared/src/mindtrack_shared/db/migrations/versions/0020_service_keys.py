"""Keys of systems. The previous release knows none, and refuses them like any token that is not valid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("id ~ '^[0-9a-f]{16}$'", name=op.f("ck_service_keys_id_form")),
        sa.CheckConstraint("service ~ '^[a-z][a-z0-9-]{0,59}$'", name=op.f("ck_service_keys_service_form")),
        sa.CheckConstraint(
            "octet_length(secret_sha256) = 32", name=op.f("ck_service_keys_secret_sha256_length")
        ),
        sa.CheckConstraint(
            "cardinality(scopes) > 0 and scopes <@ array['recordings', 'jobs', 'webhooks']",
            name=op.f("ck_service_keys_scopes_known"),
        ),
        sa.CheckConstraint(
            "expires_at > created_at and expires_at - created_at <= interval '366 days'",
            name=op.f("ck_service_keys_expires_in_time"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_keys")),
    )
    op.create_index("ix_service_keys_service", "service_keys", ["service"])
    # No person's: the gateway looks a key up before anybody is known, and operators make them.
    op.execute("grant select, update (last_used_at) on service_keys to mindtrack_gateway")
    op.execute("grant select, insert, update on service_keys to mindtrack_worker")


def downgrade() -> None:
    """Go back. All keys are lost; systems must be given new ones."""
    op.drop_table("service_keys")
