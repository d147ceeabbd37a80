"""What people say of their recordings. The previous release neither knows it nor minds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SAYS = (
    "case kind when 'clinician' then label is not null"
    " and num_nonnulls(stress, anxiety, mood, phq9_total, gad7_total, note) = 0"
    " else label is null and num_nonnulls(stress, anxiety, mood, phq9_total, gad7_total) > 0 end"
)
#: Name, condition.
CHECKS = (
    ("kind_known", "kind in ('self', 'clinician')"),
    ("label_known", "label in ('Neutral', 'Happy', 'Sad', 'Anxious', 'Stressed', 'unclear')"),
    ("self_is_the_owner", "(kind = 'self') = (author_id = user_id)"),
    ("says_what_its_kind_says", SAYS),
    *((f"{column}_bounded", f"{column} between 0 and 10") for column in ("stress", "anxiety", "mood")),
    ("phq9_total_bounded", "phq9_total between 0 and 27"),
    ("gad7_total_bounded", "gad7_total between 0 and 21"),
    ("note_bounded", "length(note) between 1 and 500"),
    ("superseded_after", "superseded_at >= created_at"),
)


def _items(name: str, count: int) -> tuple[str, str]:
    items = f"{name}_items"
    summed = " + ".join(f"{items}[{position}]" for position in range(1, count + 1))
    condition = (
        f"{items} is null or coalesce(array_dims({items}) = '[1:{count}]'"
        f" and 0 <= all ({items}) and 3 >= all ({items}) and {name}_total = {summed}, false)"
    )
    return f"{items}_make_the_total", condition


def upgrade() -> None:
    # What its keys lock, in one go. Others may go on reading.
    op.execute("lock table users, jobs in share row exclusive mode")
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.SmallInteger()) for name in ("stress", "anxiety", "mood")),
        sa.Column("phq9_items", ARRAY(sa.SmallInteger())),
        sa.Column("phq9_total", sa.SmallInteger()),
        sa.Column("gad7_items", ARRAY(sa.SmallInteger())),
        sa.Column("gad7_total", sa.SmallInteger()),
        sa.Column("label", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True)),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_feedback_{name}"))
            for name, condition in (*CHECKS, _items("phq9", 9), _items("gad7", 7))
        ),
        sa.ForeignKeyConstraint(
            ["job_id", "user_id"],
            ["jobs.id", "jobs.user_id"],
            name=op.f("fk_feedback_job_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_feedback_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_job_id", "feedback", ["job_id"])
    op.create_index(
        "uq_feedback_current",
        "feedback",
        ["job_id", "kind", "author_id"],
        unique=True,
        postgresql_where=sa.text("superseded_at is null"),
    )


def downgrade() -> None:
    """Go back. What people said is lost."""
    op.drop_table("feedback")
