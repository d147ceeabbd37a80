"""Seals of access events, a chain that shows what was changed, removed or put in; and audio that may go.

The previous release goes on adding events: a trigger notes each as not sealed yet, whoever adds it. Nobody
adds recordings while the index is built, for as long as it takes to read them once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None

#: In its owner's name: who adds an event needs no right to this table.
NOTE_UNSEALED = """
create function note_unsealed() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
begin
    insert into access_unsealed (event_id) values (new.id);
    return null;
end $$;

create trigger access_events_note_unsealed after insert on access_events
    for each row execute function note_unsealed();
"""
#: Where retention says that it is at work (`set local mindtrack.retention = 'access_events'`), it may remove
#: what is six years old by the column that the trigger names. Nobody may remove anything else.
REFUSE_REMOVAL = """
create function refuse_removal() returns trigger language plpgsql as $$
begin
    if current_setting('mindtrack.retention', true) = 'access_events'
        and (to_jsonb(old) ->> tg_argv[0])::timestamptz < statement_timestamp() - interval '6 years' then
        return old;
    end if;
    raise exception '% only grows', tg_table_name using errcode = 'restrict_violation';
end $$;

drop trigger access_events_append_only on access_events;
create trigger access_events_append_only before update or truncate on access_events
    for each statement execute function refuse_change();
create trigger access_events_kept before delete on access_events
    for each row execute function refuse_removal('at');

create trigger access_seals_append_only before update or truncate on access_seals
    for each statement execute function refuse_change();
create trigger access_seals_kept before delete on access_seals
    for each row execute function refuse_removal('sealed_at');

create trigger access_marks_append_only before update or delete or truncate on access_marks
    for each statement execute function refuse_change();
"""


def upgrade() -> None:
    # Who adds an event waits, so that none is missed between its trigger and what was there before.
    op.execute("lock table access_events in share row exclusive mode")
    op.create_table(
        "access_unsealed",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_access_unsealed")),
    )
    op.create_table(
        "access_seals",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_access_seals_seq_positive")),
        sa.CheckConstraint("octet_length(mac) = 32", name=op.f("ck_access_seals_mac_length")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_access_seals")),
        sa.UniqueConstraint("event_id", name=op.f("uq_access_seals_event_id")),
    )
    op.create_table(
        "access_marks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind in ('forgotten', 'restored')", name=op.f("ck_access_marks_kind_known")),
        sa.CheckConstraint("seq >= 0", name=op.f("ck_access_marks_seq_not_negative")),
        sa.CheckConstraint("octet_length(mac) = 32", name=op.f("ck_access_marks_mac_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_marks")),
    )
    op.execute(NOTE_UNSEALED)
    op.execute(REFUSE_REMOVAL)
    op.execute("insert into access_unsealed (event_id) select id from access_events")
    op.add_column("recordings", sa.Column("audio_removed_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_recordings_with_audio",
        "recordings",
        ["id"],
        postgresql_where=sa.text("audio_removed_at is null"),
    )


def downgrade() -> None:
    """Go back. Seals are lost; what was written down stays."""
    op.drop_index("ix_recordings_with_audio", "recordings")
    op.drop_column("recordings", "audio_removed_at")
    op.execute("drop trigger access_events_note_unsealed on access_events")
    op.execute("drop trigger access_events_kept on access_events")
    op.execute("drop trigger access_events_append_only on access_events")
    op.execute(
        "create trigger access_events_append_only before update or delete or truncate on access_events"
        " for each statement execute function refuse_change()"
    )
    op.drop_table("access_marks")
    op.drop_table("access_seals")
    op.drop_table("access_unsealed")
    op.execute("drop function refuse_removal")
    op.execute("drop function note_unsealed")
