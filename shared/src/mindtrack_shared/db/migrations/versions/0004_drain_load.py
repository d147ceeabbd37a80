"""A view that says how much audio each lane has to work off: what workers are scaled by.

How long a recording is shows only when it is decoded, so its size is taken for it, at what the latest
analyses had in seconds per byte of the same content type. Nothing of the previous release reads or writes it.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Ids rise with time, so the latest analyses lie at the end of their primary key. Until there is one of a
#: content type, 32 kbit/s are assumed: what phones send speech at.
VIEW = """
create view drain_load as
with latest as (
    select
        recordings.content_type,
        sum(analyses.audio_seconds) / sum(recordings.size_bytes) as seconds_per_byte
    from (select job_id, audio_seconds from analyses order by id desc limit 1000) as analyses
    join jobs on jobs.id = analyses.job_id
    join recordings on recordings.id = jobs.recording_id
    group by recordings.content_type
)
select
    priorities.priority::text as priority,
    coalesce(sum(recordings.size_bytes * coalesce(latest.seconds_per_byte, 1.0 / 4000)), 0)::double precision
        as audio_seconds
from unnest(enum_range(null::job_priority)) as priorities (priority)
left join jobs on jobs.priority = priorities.priority and jobs.status in ('queued', 'running')
left join recordings on recordings.id = jobs.recording_id
left join latest on latest.content_type = recordings.content_type
group by priorities.priority
"""


def upgrade() -> None:
    op.execute(VIEW)


def downgrade() -> None:
    op.execute("drop view drain_load")
