"""Roles that own nothing, and row-level security on every table: what `mindtrack_shared.db.fence` goes by.

The previous release logs in as the owner of the tables, and goes on seeing everything: `owner` lets it. Drop
these policies in the release after next, but for the three tables that the view `drain_load` reads as its
owner; a migration that fills columns then has to bring its own.

Roles are the cluster's, not the database's. Where the owner may not make any, somebody else has made them
before (docs/runbook/deploy.md).
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

#: The gateway; workers, relay, deliverer and maintenance; and what the gateway becomes in order to count.
GATEWAY, WORKER, OBSERVER = "mindtrack_gateway", "mindtrack_worker", "mindtrack_observer"

#: Two migrations of two databases may make a role at the same time. The gateway has to ask to be an observer:
#: it sees nothing as one all the time.
ROLES = f"""
do $$
declare wanted text;
begin
    foreach wanted in array array['{GATEWAY}', '{WORKER}', '{OBSERVER}'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
    if not exists (
        select from pg_auth_members
        where roleid = '{OBSERVER}'::regrole and member = '{GATEWAY}'::regrole and set_option
    ) then
        grant {OBSERVER} to {GATEWAY} with inherit false, set true;
    end if;
end $$
"""  # noqa: S608 - constants

#: What a transaction names. A setting that was never made is null, and one whose transaction is over empty.
FUNCTIONS = """
create function fence_people() returns uuid[] language sql stable parallel safe
    return nullif(current_setting('mindtrack.people', true), '')::uuid[];
create function fence_id(name text) returns uuid language sql stable parallel safe
    return nullif(current_setting('mindtrack.' || name, true), '')::uuid;
create function fence_text(name text) returns text language sql stable parallel safe
    return nullif(current_setting('mindtrack.' || name, true), '');
"""

# In parentheses with `select`, each is found out once in a statement, and not for each row.
PEOPLE = "any ((select fence_people())::uuid[])"
CLINICIAN = "(select fence_id('clinician'))"
ABOUT, UPLOAD, JOB = (f"(select fence_id('{name}'))" for name in ("about", "upload", "job"))
SUBJECT, CODE = (f"(select fence_text('{name}'))" for name in ("subject", "code"))
OWN = f"user_id = {PEOPLE}"


def _granted(table: str, *scopes: str) -> str:
    """Whether a live grant opens a row to the clinician; without scopes, any does."""
    wanted = f" and g.scopes && '{{{','.join(scopes)}}}'::text[]" if scopes else ""
    return (
        f"exists (select from grants g where g.clinician_id = {CLINICIAN} and g.user_id = {table}.user_id"
        f" and g.revoked_at is null and g.expires_at > statement_timestamp(){wanted})"
    )


def _of(table: str, column: str, child: str) -> str:
    """Whether the row that another hangs on is shown."""
    return f"exists (select from {table} where {table}.id = {child}.{column})"


#: By table: what the gateway and the workers may do at all. What follows a deleted row goes by the table's
#: owner, and needs no right of theirs; to lock a row needs the right to change some column of it.
#: Workers remove what is erased or kept for long enough, and read nothing of what a clinician wrote.
RIGHTS: dict[str, tuple[str, str]] = {
    "users": ("select, insert, update (erased_at)", "select, update (erased_at)"),
    "recordings": ("select, insert, update, delete", "select, update, delete"),
    "jobs": ("select, insert, update, delete", "select, update, delete"),
    "analyses": ("select, delete", "select, insert, delete"),
    "analysis_windows": ("select", "select, insert"),
    "day_rollups": ("select, update, delete", "select, insert, update, delete"),
    "day_values": ("select, insert, delete", "select, insert, delete"),
    "standings": ("select, insert, update, delete", "select, insert, update, delete"),
    "uploads": ("select, insert, update, delete", "select, update, delete"),
    "webhook_endpoints": ("select, insert, update, delete", "select, update, delete"),
    "webhook_deliveries": ("select, insert, update", "select, insert, update, delete"),
    "webhook_attempts": ("select", "select, insert"),
    "idempotency_keys": ("select, insert, update, delete", "select, update, delete"),
    "tombstones": ("select, insert, update", "select, insert, update"),
    "erasures": ("select, insert, update, delete", "select, update, delete"),
    "feedback": ("select, insert, update", ""),
    "invitations": ("select, insert, update, delete", "select, delete"),
    "grants": ("select, insert, update, delete", "select (id, user_id), delete"),
    "access_events": ("select, insert", "select, delete"),
    "alerts": ("select, update, delete", "select, insert, update, delete"),
    "alert_events": ("select, insert", "select, insert"),
    "notification_preferences": ("select, insert, update, delete", "select, delete"),
    "notification_addresses": ("select, insert, update (user_id), delete", "select, update, delete"),
    "notifications": ("select, insert, update", "select, insert, update, delete"),
    "notes": ("select, insert, update, delete", "select (id, user_id), delete"),
    "note_revisions": ("select, insert", ""),
    "patient_labels": ("select, insert, update, delete", "select (user_id), delete"),
}

#: Columns by which rows are counted.
OBSERVED = {
    "jobs": "id, status, priority, not_before, dispatched_at, created_at, started_at, finished_at",
    "analyses": "id, job_id",
    "webhook_endpoints": "id, status",
    "webhook_deliveries": "endpoint_id, state, next_attempt_at, lease_expires_at",
    "standings": "stale_since, due_at",
    "notifications": "state, not_before, lease_expires_at",
}

#: Tables whose rows are a person's by `user_id`, and theirs to do with what the gateway may do.
OWNED = (
    "recordings",
    "jobs",
    "analyses",
    "day_rollups",
    "day_values",
    "standings",
    "uploads",
    "webhook_endpoints",
    "webhook_deliveries",
    "idempotency_keys",
    "tombstones",
    "erasures",
    "feedback",
    "invitations",
    "grants",
    "alerts",
    "notification_preferences",
    "notification_addresses",
    "notifications",
    "notes",
    "patient_labels",
)

#: The gateway's other policies: table, name, what for, which rows, and what they must be afterwards.
POLICIES: tuple[tuple[str, str, str, str | None, str | None], ...] = (
    # A token's subject is told before anybody knows whose it is. Whoever redeemed a code locks its person.
    ("users", "own", "all", f"id = {PEOPLE}", None),
    ("users", "named", "all", f"subject = {SUBJECT}", None),
    ("users", "asked_about", "all", f"id = {ABOUT}", "false"),
    (
        "users",
        "invited_by",
        "all",
        f"exists (select from invitations i where i.user_id = users.id and i.redeemed_by = {CLINICIAN})",
        "false",
    ),
    # What is told of analyses and trends beside them: quality, zone.
    ("recordings", "granted", "select", _granted("recordings", "trends", "analyses"), None),
    ("jobs", "granted", "select", _granted("jobs", "analyses", "feedback"), None),
    # A job is locked while it is rated.
    ("jobs", "rated", "update", _granted("jobs", "feedback"), "false"),
    ("jobs", "asked_about", "select", f"id = {JOB}", None),
    ("analyses", "granted", "select", _granted("analyses", "trends", "analyses"), None),
    # No scope opens these.
    (
        "analysis_windows",
        "own",
        "all",
        f"exists (select from analyses a where a.id = analysis_windows.analysis_id and a.{OWN})",
        None,
    ),
    ("day_rollups", "granted", "select", _granted("day_rollups", "trends"), None),
    ("day_values", "granted", "select", _granted("day_values", "trends"), None),
    ("standings", "granted", "select", _granted("standings", "trends"), None),
    ("uploads", "named", "select", f"id = {UPLOAD}", None),
    ("webhook_attempts", "own", "all", _of("webhook_deliveries", "delivery_id", "webhook_attempts"), None),
    ("feedback", "granted", "select", _granted("feedback", "feedback"), None),
    (
        "feedback",
        "given",
        "insert",
        None,
        f"author_id = {CLINICIAN} and {_granted('feedback', 'feedback')}",
    ),
    (
        "feedback",
        "superseded",
        "update",
        f"author_id = {CLINICIAN} and {_granted('feedback', 'feedback')}",
        None,
    ),
    ("invitations", "redeemed", "select", f"redeemed_by = {CLINICIAN}", None),
    ("invitations", "named", "select", f"code_sha256 = decode({CODE}, 'hex')", None),
    (
        "invitations",
        "redeeming",
        "update",
        f"code_sha256 = decode({CODE}, 'hex')",
        f"redeemed_by = {CLINICIAN}",
    ),
    ("grants", "received", "select", f"clinician_id = {CLINICIAN}", None),
    ("grants", "redeeming", "insert", None, f"clinician_id = {CLINICIAN}"),
    ("grants", "returned", "update", f"clinician_id = {CLINICIAN}", None),
    # Each sees what was read of theirs, and what they asked for themselves.
    (
        "access_events",
        "told",
        "select",
        f"subject_id = {PEOPLE} or actor_id = {CLINICIAN}",
        None,
    ),
    ("access_events", "written", "insert", None, f"actor_id = {PEOPLE} or actor_id = {CLINICIAN}"),
    ("alerts", "granted", "select", _granted("alerts", "alerts"), None),
    ("alerts", "acknowledged", "update", _granted("alerts", "alerts"), None),
    ("alert_events", "own", "all", _of("alerts", "alert_id", "alert_events"), None),
    ("notes", "written", "all", f"author_id = {CLINICIAN} and {_granted('notes', 'notes')}", None),
    ("note_revisions", "own", "all", _of("notes", "note_id", "note_revisions"), None),
    (
        "patient_labels",
        "given",
        "all",
        f"clinician_id = {CLINICIAN} and {_granted('patient_labels')}",
        None,
    ),
)


def upgrade() -> None:
    op.execute(ROLES)
    op.execute(FUNCTIONS)
    for table, (gateway, worker) in RIGHTS.items():
        op.execute(f"alter table {table} enable row level security, force row level security")
        op.execute(f"create policy owner on {table} to current_user using (true)")
        op.execute(f"grant {gateway} on {table} to {GATEWAY}")
        if worker:
            op.execute(f"create policy worker on {table} to {WORKER} using (true)")
            op.execute(f"grant {worker} on {table} to {WORKER}")
    for table, columns in OBSERVED.items():
        op.execute(f"create policy observer on {table} for select to {OBSERVER} using (true)")
        op.execute(f"grant select ({columns}) on {table} to {OBSERVER}")
    op.execute(f"grant select on drain_load to {OBSERVER}")
    for table in OWNED:
        op.execute(f"create policy own on {table} to {GATEWAY} using ({OWN})")
    for table, name, what, using, check in POLICIES:
        rows = f" using ({using})" if using else ""
        afterwards = f" with check ({check})" if check else ""
        op.execute(f"create policy {name} on {table} for {what} to {GATEWAY}{rows}{afterwards}")


def downgrade() -> None:
    """Go back. The roles stay: another database of the cluster may have them, too."""
    op.execute(f"revoke select on drain_load from {OBSERVER}")  # noqa: S608 - constants
    for table in RIGHTS:
        op.execute(f"""
            do $$
            declare policy text;
            begin
                for policy in select polname from pg_policy where polrelid = '{table}'::regclass loop
                    execute format('drop policy %I on {table}', policy);
                end loop;
            end $$
        """)  # noqa: S608 - constants
        op.execute(f"alter table {table} no force row level security, disable row level security")
        op.execute(f"revoke all on {table} from {GATEWAY}, {WORKER}, {OBSERVER}")
    op.execute("drop function fence_people; drop function fence_id; drop function fence_text")
