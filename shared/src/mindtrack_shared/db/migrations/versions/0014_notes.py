"""Notes by clinicians, and their own words for persons. The previous release neither knows them nor minds.

They go with the person. In `access_events`, lines about nobody in particular are allowed from now on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

#: Name, condition.
NOTE = (
    ("by_another", "author_id <> user_id"),
    ("key_visible_ascii", "key ~ '^[!-~]{1,255}$'"),
    ("text_bounded", "length(text) between 1 and 10000"),
    ("revision_positive", "revision > 0"),
    ("updated_after", "updated_at >= created_at"),
    ("deleted_after", "deleted_at >= created_at"),
)
REVISION = (
    ("text_bounded", "length(text) between 1 and 10000"),
    ("revision_positive", "revision > 0"),
)
LABEL = (
    ("label_bounded", "length(label) between 1 and 80 and label !~ '[[:cntrl:]]'"),
    ("of_another", "clinician_id <> user_id"),
)
ALLOWED = "outcome = 'refused' or grant_id is not null"
CHECK = "ck_access_events_allowed_by_a_grant"


def _checks(table: str, *checks: tuple[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}")) for name, condition in checks]


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    default = None if nullable else sa.text("statement_timestamp()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _person(table: str, column: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["users.id"], name=op.f(f"fk_{table}_{column}"), ondelete=ondelete
    )


def _allow(condition: str) -> None:
    # Lines that are there are not looked at: whoever goes back cannot change them.
    change = f"drop constraint {CHECK}, add constraint {CHECK} check ({condition}) not valid"
    op.execute(f"alter table access_events {change}")


def upgrade() -> None:
    # What its keys lock, in one go. Others may go on reading people.
    op.execute("lock table users in share row exclusive mode")
    op.create_table(
        "notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid()),
        sa.Column("key", sa.Text()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        _moment("deleted_at", nullable=True),
        *_checks("notes", *NOTE),
        _person("notes", "user_id", "CASCADE"),
        _person("notes", "author_id", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_user_id_id", "notes", ["user_id", "id"])
    op.create_index("uq_notes_author_id_key", "notes", ["author_id", "key"], unique=True)
    op.create_table(
        "note_revisions",
        sa.Column("note_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        *_checks("note_revisions", *REVISION),
        sa.ForeignKeyConstraint(
            ["note_id"], ["notes.id"], name=op.f("fk_note_revisions_note_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("note_id", "revision", name=op.f("pk_note_revisions")),
    )
    op.create_table(
        "patient_labels",
        sa.Column("clinician_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        _moment("updated_at"),
        *_checks("patient_labels", *LABEL),
        _person("patient_labels", "clinician_id", "CASCADE"),
        _person("patient_labels", "user_id", "CASCADE"),
        sa.PrimaryKeyConstraint("clinician_id", "user_id", name=op.f("pk_patient_labels")),
    )
    op.create_index("ix_patient_labels_user_id", "patient_labels", ["user_id"])
    _allow(f"{ALLOWED} or subject_id is null")
    op.execute(f"alter table access_events validate constraint {CHECK}")


def downgrade() -> None:
    """Go back. Notes and labels are lost; lines about nobody in particular stay."""
    _allow(ALLOWED)
    op.drop_table("patient_labels")
    op.drop_table("note_revisions")
    op.drop_table("notes")
