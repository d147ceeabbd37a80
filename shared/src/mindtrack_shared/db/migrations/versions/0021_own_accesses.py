"""Lines of what people do with what is their own: what they change, and what they take out.

The previous release adds none of these, and tells of none: its lists ask for a grant or an emergency.
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_BY_OTHERS = "outcome = 'refused' or grant_id is not null or emergency_id is not null or subject_id is null"
#: Looser than before: name, condition, and the condition before.
ALLOWED = (
    "ck_access_events_allowed_by_a_grant",
    f"{_BY_OTHERS} or (actor_role = 'self' and subject_id = actor_id)",
    _BY_OTHERS,
)
ACTOR_ROLE = (
    "ck_access_events_actor_role_known",
    "actor_role in ('self', 'clinician', 'emergency')",
    "actor_role in ('clinician', 'emergency')",
)


def _hold(*conditions: tuple[str, str], valid: str = "") -> None:
    """Take other conditions' places; others wait while the rows are read, once."""
    changes = [
        change
        for name, condition in conditions
        for change in (f"drop constraint {name}", f"add constraint {name} check ({condition}) {valid}")
    ]
    op.execute(f"alter table access_events {', '.join(changes)}")


def upgrade() -> None:
    _hold(ALLOWED[:2], ACTOR_ROLE[:2])


def downgrade() -> None:
    """Go back. Lines stay: they may be sealed. The conditions bind what is added from now on."""
    _hold((ALLOWED[0], ALLOWED[2]), (ACTOR_ROLE[0], ACTOR_ROLE[2]), valid="not valid")
