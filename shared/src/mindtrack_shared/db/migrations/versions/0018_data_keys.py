"""Which data key a person has, and room for words that are sealed. The previous release seals nothing.

It would show sealed words as they stand: `MINDTRACK_KEYS_SEAL` stays false while it runs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

#: Table, column, most characters, whether they are of one line.
TEXTS = (
    ("notes", "text", 10_000, False),
    ("note_revisions", "text", 10_000, False),
    ("feedback", "note", 500, False),
    ("invitations", "purpose", 200, True),
    ("grants", "purpose", 200, True),
    ("patient_labels", "label", 80, True),
)

GATEWAY, WORKER = "mindtrack_gateway", "mindtrack_worker"
PEOPLE = "any ((select fence_people())::uuid[])"
CLINICIAN = "(select fence_id('clinician'))"
#: Whose words a clinician writes: a note, a label of a recording.
GRANTED = f"""
    exists (
        select from grants g where g.clinician_id = {CLINICIAN} and g.user_id = data_keys.user_id
        and g.revoked_at is null and g.expires_at > statement_timestamp()
        and g.scopes && '{{notes,feedback}}'::text[]
    )
"""


def _fence() -> None:
    """Let each role at the table as migration 0017 does. No clinician removes a key."""
    op.execute("alter table data_keys enable row level security, force row level security")
    op.execute("create policy owner on data_keys to current_user using (true)")
    op.execute(f"create policy worker on data_keys to {WORKER} using (true)")
    op.execute(f"grant select, update, delete on data_keys to {WORKER}")
    op.execute(f"grant select, insert, update, delete on data_keys to {GATEWAY}")
    op.execute(
        f"create policy own on data_keys to {GATEWAY} using (user_id = {PEOPLE} or user_id = {CLINICIAN})"
    )
    op.execute(f"create policy granted on data_keys for select to {GATEWAY} using ({GRANTED})")
    op.execute(f"create policy given on data_keys for insert to {GATEWAY} with check ({GRANTED})")
    # What a clinician called others goes with the clinician, whose key it was sealed with.
    for what in ("select", "delete"):
        op.execute(
            f"create policy {what}_called on patient_labels for {what} to {GATEWAY}"
            f" using (clinician_id = {PEOPLE})"
        )
    op.execute(f"create policy held on data_keys for update to {GATEWAY} using ({GRANTED})")


def _check(table: str, column: str, condition: str) -> None:
    name = f"ck_{table}_{column}_bounded"
    op.execute(f"alter table {table} drop constraint {name}, add constraint {name} check ({condition})")


def _in_clear(column: str, most: int, *, one_line: bool) -> str:
    bounded = f"length({column}) between 1 and {most}"
    return f"{bounded} and {column} !~ '[[:cntrl:]]'" if one_line else bounded


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("statement_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_data_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_data_keys")),
        sa.UniqueConstraint("key_id", name=op.f("uq_data_keys_key_id")),
    )
    _fence()
    for table, column, most, one_line in TEXTS:
        longest = 1 + -(-(4 * most + 57) // 3) * 4
        in_clear = _in_clear(column, most, one_line=one_line)
        _check(table, column, f"{in_clear} or ascii({column}) = 2 and length({column}) <= {longest}")


def downgrade() -> None:
    """Go back, unless words are sealed that would not fit: nobody could read them any more."""
    for table, column, most, one_line in TEXTS:
        _check(table, column, _in_clear(column, most, one_line=one_line))
    for what in ("select", "delete"):
        op.execute(f"drop policy {what}_called on patient_labels")
    op.drop_table("data_keys")
