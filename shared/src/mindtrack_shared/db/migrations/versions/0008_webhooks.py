"""Webhooks: endpoints of people, the deliveries that are due to them, and what came of each attempt.

New tables only: the previous release goes on without them, and the ends of its jobs are told to nobody.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATUS = ENUM("enabled", "disabled", name="webhook_status", create_type=False)
STATE = ENUM("pending", "delivered", "failed", name="delivery_state", create_type=False)


def upgrade() -> None:
    STATUS.create(op.get_bind())
    STATE.create(op.get_bind())
    _create_endpoints()
    _create_deliveries()
    _create_attempts()


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", STATUS, nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(url) between 1 and 2048", name=op.f("ck_webhook_endpoints_url_bounded")),
        sa.CheckConstraint(
            "length(description) between 1 and 200", name=op.f("ck_webhook_endpoints_description_bounded")
        ),
        sa.CheckConstraint(
            "cardinality(events) > 0 and events <@ array["
            "'job.succeeded', 'job.rejected', 'job.failed', 'job.canceled']",
            name=op.f("ck_webhook_endpoints_events_known"),
        ),
        sa.CheckConstraint(
            "octet_length(secret) = 32 and octet_length(previous_secret) = 32",
            name=op.f("ck_webhook_endpoints_secret_length"),
        ),
        sa.CheckConstraint(
            "(previous_secret is null) = (previous_secret_expires_at is null)",
            name=op.f("ck_webhook_endpoints_previous_secret_expires"),
        ),
        sa.CheckConstraint(
            "(status = 'disabled') = (disabled_reason is not null)",
            name=op.f("ck_webhook_endpoints_disabled_for_a_reason"),
        ),
        sa.CheckConstraint(
            "disabled_reason in ('owner', 'gone', 'failing')",
            name=op.f("ck_webhook_endpoints_disabled_reason_known"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_webhook_endpoints_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        sa.UniqueConstraint("id", "user_id", name=op.f("uq_webhook_endpoints_id_user_id")),
    )
    op.create_index("ix_webhook_endpoints_user_id_id", "webhook_endpoints", ["user_id", "id"])


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("state", STATE, server_default="pending", nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "event in ('job.succeeded', 'job.rejected', 'job.failed', 'job.canceled', 'ping')",
            name=op.f("ck_webhook_deliveries_event_known"),
        ),
        sa.CheckConstraint(
            "(event = 'ping') = (job_id is null)", name=op.f("ck_webhook_deliveries_job_unless_ping")
        ),
        sa.CheckConstraint(
            "tries >= 0 and tries <= attempt", name=op.f("ck_webhook_deliveries_tries_are_attempts")
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (next_attempt_at is not null)",
            name=op.f("ck_webhook_deliveries_due_while_pending"),
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (finished_at is null)",
            name=op.f("ck_webhook_deliveries_finished_when_terminal"),
        ),
        sa.CheckConstraint(
            "state = 'pending' or lease_expires_at is null",
            name=op.f("ck_webhook_deliveries_leased_while_pending"),
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id", "user_id"],
            ["webhook_endpoints.id", "webhook_endpoints.user_id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id", "user_id"],
            ["jobs.id", "jobs.user_id"],
            name=op.f("fk_webhook_deliveries_job_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("job_id", "endpoint_id", name=op.f("uq_webhook_deliveries_job_id_endpoint_id")),
    )
    op.create_index("ix_webhook_deliveries_endpoint_id_id", "webhook_deliveries", ["endpoint_id", "id"])
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_attempt_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )


def _create_attempts() -> None:
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_webhook_attempts_number_positive")),
        sa.CheckConstraint(
            "(status_code is null) <> (error is null)", name=op.f("ck_webhook_attempts_answered_or_not")
        ),
        sa.CheckConstraint(
            "status_code between 100 and 999", name=op.f("ck_webhook_attempts_status_code_bounded")
        ),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_webhook_attempts_seconds_not_negative")),
        sa.CheckConstraint(
            "error in ('address', 'connection', 'tls', 'timeout', 'protocol')",
            name=op.f("ck_webhook_attempts_error_known"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_webhook_attempts")),
    )


def downgrade() -> None:
    for table in ("webhook_attempts", "webhook_deliveries", "webhook_endpoints"):
        op.drop_table(table)
    STATE.drop(op.get_bind())
    STATUS.drop(op.get_bind())
