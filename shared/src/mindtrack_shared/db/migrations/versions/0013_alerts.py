"""Where people's trends stand, the alerts that came of them, and who is notified of these.

New tables, and looser constraints on webhooks. The previous release goes on without. Maintenance finds who
has a history and no standing yet, and whose days that release changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

JOB_EVENTS = "'job.succeeded', 'job.rejected', 'job.failed', 'job.canceled'"
ALERT_EVENTS = "'alert.opened', 'alert.ended'"
STATUSES = "'no_status', 'calibrating', 'below', 'within_range', 'above', 'well_above'"
MEASURES = (
    "'stress_score', 'anxiety_index', 'depressive_index', 'baseline_index', 'f0_median_hz',"
    " 'pause_mean_seconds', 'pause_ratio', 'speech_rate_per_second', 'articulation_rate_per_second',"
    " 'response_latency_seconds'"
)
EVALUATED = "status, direction, recording_days_7, recording_days_28, as_of, time_zone, evaluated_at"
#: Name, condition.
STANDING = (
    ("status_known", f"status in ({STATUSES})"),
    ("direction_known", "direction in ('rising', 'falling', 'steady', 'unclear')"),
    ("evaluated_as_a_whole", f"num_nulls({EVALUATED}) in (0, 7)"),
    (
        "known_once_evaluated",
        "evaluated_at is not null or num_nonnulls(seven_day_z, last_recorded_at) = 0",
    ),
    ("looked_at_sooner_or_later", "num_nonnulls(evaluated_at, stale_since, due_at) > 0"),
    (
        "recording_days_bounded",
        "recording_days_7 between 0 and 7 and recording_days_28 between recording_days_7 and 28",
    ),
    ("seven_day_z_is_a_number", "seven_day_z <> 'NaN'"),
)
ALERT = (
    ("measure_known", f"measure in ({MEASURES})"),
    ("rule_bounded", "length(rule) between 1 and 64 and rule !~ '[[:cntrl:]]'"),
    ("rule_version_bounded", "length(rule_version) between 1 and 64 and rule_version !~ '[[:cntrl:]]'"),
    ("bundle_revision_known", "length(bundle_revision) > 0"),
    ("reason_is_object", "jsonb_typeof(reason) = 'object'"),
    ("open_for_a_reason", "reason is not null or ended_at is not null"),
    ("acknowledged_by_somebody", "(acknowledged_at is null) = (acknowledged_by is null)"),
    ("acknowledged_after", "acknowledged_at >= opened_at"),
    ("ended_as_a_whole", "num_nulls(ended_at, ended_on, ended_why) in (0, 3)"),
    ("ended_after", "ended_at >= opened_at and ended_on >= opened_on"),
    ("ended_why_known", "ended_why in ('settled', 'silent', 'nothing_to_compare')"),
)
EVENT = (
    ("kind_known", "kind in ('opened', 'acknowledged', 'ended')"),
    ("acknowledged_by_somebody", "(kind = 'acknowledged') = (actor_id is not null)"),
)
ADDRESS = (
    ("channel_known", "channel in ('email', 'push')"),
    ("address_bounded", "length(address) between 1 and 254 and address !~ '[[:cntrl:]]'"),
)
NOTIFICATION = (
    ("occasion_known", "occasion in ('opened', 'test')"),
    ("state_known", "state in ('pending', 'sent', 'withheld', 'failed')"),
    ("alert_unless_test", "(occasion = 'test') = (alert_id is null)"),
    ("attempts_are_claims", "attempts >= 0 and attempts <= claims"),
    ("finished_when_terminal", "(state = 'pending') = (finished_at is null)"),
    ("leased_while_pending", "state = 'pending' or lease_expires_at is null"),
)

#: A row goes with its alert, and not before.
APPEND_ONLY = """
create function refuse_change_of_alert_event() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and not exists (select from alerts where alerts.id = old.alert_id) then
        return old;
    end if;
    raise exception 'alert_events only grows' using errcode = 'restrict_violation';
end $$;

create trigger alert_events_append_only before update or delete on alert_events
    for each row execute function refuse_change_of_alert_event();
"""


def _checks(table: str, checks: tuple[tuple[str, str], ...]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}")) for name, condition in checks]


def _moment(name: str, *, now: bool = False, nullable: bool = False) -> sa.Column[object]:
    default = sa.text("statement_timestamp()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"))


def upgrade() -> None:
    # What its keys lock. Others may go on reading.
    op.execute("lock table users in share row exclusive mode")
    _create_standings()
    _create_alerts()
    _create_preferences()
    _create_notifications()
    _tell_of_alerts()


def _create_standings() -> None:
    op.create_table(
        "standings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text()),
        sa.Column("direction", sa.Text()),
        sa.Column("seven_day_z", sa.Double()),
        sa.Column("recording_days_7", sa.SmallInteger()),
        sa.Column("recording_days_28", sa.SmallInteger()),
        sa.Column("as_of", sa.Date()),
        sa.Column("time_zone", sa.Text()),
        _moment("last_recorded_at", nullable=True),
        _moment("stale_since", nullable=True),
        _moment("due_at", nullable=True),
        _moment("evaluated_at", nullable=True),
        *_checks("standings", STANDING),
        _person("standings"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_standings")),
    )
    for column, name in (("stale_since", "ix_standings_stale"), ("due_at", "ix_standings_due")):
        op.create_index(name, "standings", [column], postgresql_where=sa.text(f"{column} is not null"))


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        _moment("opened_at", now=True),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("bundle_revision", sa.Text(), nullable=False),
        sa.Column("reason", JSONB()),
        _moment("acknowledged_at", nullable=True),
        sa.Column("acknowledged_by", sa.Uuid()),
        _moment("ended_at", nullable=True),
        sa.Column("ended_on", sa.Date()),
        sa.Column("ended_why", sa.Text()),
        *_checks("alerts", ALERT),
        _person("alerts"),
        sa.ForeignKeyConstraint(["acknowledged_by"], ["users.id"], name=op.f("fk_alerts_acknowledged_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("id", "user_id", name=op.f("uq_alerts_id_user_id")),
    )
    op.create_index("ix_alerts_user_id_id", "alerts", ["user_id", "id"])
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["user_id", "measure"],
        unique=True,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_table(
        "alert_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        _moment("at", now=True),
        sa.Column("actor_id", sa.Uuid()),
        *_checks("alert_events", EVENT),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_events_alert_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_alert_events_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_events")),
        sa.UniqueConstraint("alert_id", "kind", name=op.f("uq_alert_events_alert_id_kind")),
    )
    op.execute(APPEND_ONLY)


def _create_preferences() -> None:
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("quiet_begin", sa.Time(), nullable=False),
        sa.Column("quiet_end", sa.Time(), nullable=False),
        sa.Column("time_zone", sa.Text()),
        _moment("updated_at", now=True),
        sa.CheckConstraint(
            "length(time_zone) between 1 and 64 and time_zone !~ '[[:cntrl:]]'",
            name=op.f("ck_notification_preferences_time_zone_bounded"),
        ),
        _person("notification_preferences"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notification_preferences")),
    )
    op.create_table(
        "notification_addresses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        _moment("created_at", now=True),
        *_checks("notification_addresses", ADDRESS),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["notification_preferences.user_id"],
            name=op.f("fk_notification_addresses_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_addresses")),
        sa.UniqueConstraint(
            "id", "user_id", "channel", name=op.f("uq_notification_addresses_id_user_id_channel")
        ),
        sa.UniqueConstraint(
            "user_id", "channel", "address", name=op.f("uq_notification_addresses_user_id_channel_address")
        ),
    )


def _create_notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid()),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("address_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        _moment("not_before"),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        _moment("lease_expires_at", nullable=True),
        _moment("created_at", now=True),
        _moment("finished_at", nullable=True),
        *_checks("notifications", NOTIFICATION),
        sa.ForeignKeyConstraint(
            ["address_id", "user_id", "channel"],
            ["notification_addresses.id", "notification_addresses.user_id", "notification_addresses.channel"],
            name=op.f("fk_notifications_address_id_user_id_channel"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["alert_id", "user_id"],
            ["alerts.id", "alerts.user_id"],
            name=op.f("fk_notifications_alert_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint(
            "alert_id", "occasion", "address_id", name=op.f("uq_notifications_alert_id_occasion_address_id")
        ),
    )
    op.create_index("ix_notifications_address_id", "notifications", ["address_id"])
    op.create_index("ix_notifications_user_id_created_at", "notifications", ["user_id", "created_at"])
    op.create_index(
        "ix_notifications_due",
        "notifications",
        ["not_before"],
        postgresql_where=sa.text("state = 'pending'"),
    )


def _tell_of_alerts() -> None:
    """Let webhooks tell of alerts: each constraint is replaced by one that everything before it passes."""
    op.drop_constraint("ck_webhook_endpoints_events_known", "webhook_endpoints")
    op.create_check_constraint(
        op.f("ck_webhook_endpoints_events_known"),
        "webhook_endpoints",
        f"cardinality(events) > 0 and events <@ array[{JOB_EVENTS}, {ALERT_EVENTS}]",
    )
    op.add_column("webhook_deliveries", sa.Column("alert_id", sa.Uuid()))
    for name in ("event_known", "job_unless_ping"):
        op.drop_constraint(f"ck_webhook_deliveries_{name}", "webhook_deliveries")
    op.create_check_constraint(
        op.f("ck_webhook_deliveries_event_known"),
        "webhook_deliveries",
        f"event in ({JOB_EVENTS}, {ALERT_EVENTS}, 'ping')",
    )
    op.create_check_constraint(
        op.f("ck_webhook_deliveries_subject_fits_event"),
        "webhook_deliveries",
        "(job_id is not null) = (event like 'job.%') and (alert_id is not null) = (event like 'alert.%')",
    )
    op.create_foreign_key(
        op.f("fk_webhook_deliveries_alert_id_user_id"),
        "webhook_deliveries",
        "alerts",
        ["alert_id", "user_id"],
        ["id", "user_id"],
        ondelete="CASCADE",
    )
    op.create_unique_constraint(
        op.f("uq_webhook_deliveries_alert_id_event_endpoint_id"),
        "webhook_deliveries",
        ["alert_id", "event", "endpoint_id"],
    )


def downgrade() -> None:
    """Go back. Alerts are lost, and with them who was told; endpoints that ask for nothing else, too."""
    op.execute("delete from webhook_deliveries where alert_id is not null")
    op.execute("delete from webhook_endpoints where events <@ array['alert.opened', 'alert.ended']")
    op.execute("update webhook_endpoints set events = array_remove(events, 'alert.opened')")
    op.execute("update webhook_endpoints set events = array_remove(events, 'alert.ended')")
    op.drop_column("webhook_deliveries", "alert_id")  # and what is said of it
    op.drop_constraint("ck_webhook_deliveries_event_known", "webhook_deliveries")
    op.create_check_constraint(
        op.f("ck_webhook_deliveries_event_known"), "webhook_deliveries", f"event in ({JOB_EVENTS}, 'ping')"
    )
    op.create_check_constraint(
        op.f("ck_webhook_deliveries_job_unless_ping"),
        "webhook_deliveries",
        "(event = 'ping') = (job_id is null)",
    )
    op.drop_constraint("ck_webhook_endpoints_events_known", "webhook_endpoints")
    op.create_check_constraint(
        op.f("ck_webhook_endpoints_events_known"),
        "webhook_endpoints",
        f"cardinality(events) > 0 and events <@ array[{JOB_EVENTS}]",
    )
    for table in (
        "notifications",
        "notification_addresses",
        "notification_preferences",
        "alert_events",
        "alerts",
        "standings",
    ):
        op.drop_table(table)
    op.execute("drop function refuse_change_of_alert_event")
