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


def _hold(name: str, condition: str) -> None:
    """Take another condition's place; what is there is read while others go on."""
    op.execute(f"alter table access_events drop constraint {name}")
    op.execute(f"alter table access_events add constraint {name} check ({condition}) not valid")
    op.execute(f"alter table access_events validate constraint {name}")


def upgrade() -> None:
    _hold(*ALLOWED[:2])
    _hold(*ACTOR_ROLE[:2])


def downgrade() -> None:
    """Go back. Lines of what people did with their own are lost, and the chain shows that they are."""
    op.execute("alter table access_events disable trigger user")
    op.execute("delete from access_events where actor_role = 'self'")
    op.execute("alter table access_events enable trigger user")
    _hold(ALLOWED[0], ALLOWED[2])
    _hold(ACTOR_ROLE[0], ACTOR_ROLE[2])
