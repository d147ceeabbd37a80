"""The view `drain_load` tells what arrives, too, and finds all that it counts through indexes.

The new column stands last, so the previous release goes on reading its own. A backlog says too late that more
comes; what arrived in the last minute says so before anybody waits.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: The former view read all jobs there ever were: a partial index is found for one state at a time only.
#:
#: What arrived is a range of the primary key, as ids begin with the milliseconds at which they were made. By
#: gateways' clocks: so another minute is read, and the time that the database noted decides. A job counts as
#: arrived in the lane that it is in now, whether it has ended or not. Its length is estimated from its size
#: even if an analysis knows it by now: one way for all, right on average, and jobs without one count, too.
VIEW = """
create or replace view drain_load as
with latest as (
    select
        recordings.content_type,
        sum(analyses.audio_seconds) / sum(recordings.size_bytes) as seconds_per_byte
    from (select job_id, audio_seconds from analyses order by id desc limit 1000) as analyses
    join jobs on jobs.id = analyses.job_id
    join recordings on recordings.id = jobs.recording_id
    group by recordings.content_type
),
counted as (
    select priority, recording_id, false as arrived from jobs where status = 'queued'
    union all
    select priority, recording_id, false from jobs where status = 'running'
    union all
    select priority, recording_id, true from jobs
    where id >= rpad(lpad(to_hex(
            (extract(epoch from statement_timestamp() - interval '2 minutes') * 1000)::bigint
        ), 12, '0'), 32, '0')::uuid
        and created_at > statement_timestamp() - interval '1 minute'
),
estimated as (
    select
        counted.priority,
        counted.arrived,
        recordings.size_bytes * coalesce(latest.seconds_per_byte, 1.0 / 4000) as seconds
    from counted
    join recordings on recordings.id = counted.recording_id
    left join latest on latest.content_type = recordings.content_type
)
select
    priorities.priority::text as priority,
    coalesce(sum(seconds) filter (where not arrived), 0)::double precision as audio_seconds,
    coalesce(sum(seconds) filter (where arrived), 0)::double precision / 60
        as arriving_audio_seconds_per_second
from unnest(enum_range(null::job_priority)) as priorities (priority)
left join estimated on estimated.priority = priorities.priority
group by priorities.priority
"""

#: As in 0004, which may not change.
FORMER_VIEW = """
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
    """Go back. No column can be taken from a view, so whoever may read it must be granted that again."""
    op.execute("drop view drain_load")
    op.execute(FORMER_VIEW)
