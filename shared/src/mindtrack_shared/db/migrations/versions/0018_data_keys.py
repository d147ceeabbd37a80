"""Which data key a person has, and room for words that are sealed. The previous release seals nothing.

It would show sealed words as they stand: `MINDTRACK_KEYS_SEAL` stays false while it runs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"
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
    for table, column, most, one_line in TEXTS:
        longest = 1 + -(-(4 * most + 57) // 3) * 4
        in_clear = _in_clear(column, most, one_line=one_line)
        _check(table, column, f"{in_clear} or ascii({column}) = 2 and length({column}) <= {longest}")


def downgrade() -> None:
    """Go back, unless words are sealed that would not fit: nobody could read them any more."""
    for table, column, most, one_line in TEXTS:
        _check(table, column, _in_clear(column, most, one_line=one_line))
    op.drop_table("data_keys")
