"""What the tables went through: every move of every job, kept by a trigger, and what is left at the end.

The trigger writes in the transaction that moves the job, so nothing that was committed is missing, and
nothing that was rolled back is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

#: In a schema of its own; runs as its owner, as services may not be allowed to write there.
_RECORD = """
create schema if not exists campaign;
create table if not exists campaign.moves (
    seq bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    job_id uuid not null,
    status_before text,
    status_after text not null,
    fence_before bigint,
    fence_after bigint not null,
    attempt int not null,
    max_attempts int not null
);
create or replace function campaign.record() returns trigger
    language plpgsql security definer set search_path = campaign as $$
begin
    insert into campaign.moves
        (job_id, status_before, status_after, fence_before, fence_after, attempt, max_attempts)
    values (
        new.id,
        case when tg_op = 'UPDATE' then old.status::text end, new.status::text,
        case when tg_op = 'UPDATE' then old.fence end, new.fence,
        new.attempt, new.max_attempts
    );
    return null;
end $$;
drop trigger if exists campaign_insert on jobs;
drop trigger if exists campaign_update on jobs;
create trigger campaign_insert after insert on jobs for each row execute function campaign.record();
create trigger campaign_update after update on jobs for each row
    when (old.status is distinct from new.status or old.fence is distinct from new.fence
          or old.attempt is distinct from new.attempt)
    execute function campaign.record();
"""


@dataclass(frozen=True, kw_only=True)
class Move:
    """One committed change of a job's state, fence or attempt; `before` is None where it was made."""

    at: datetime
    job: str
    before: str | None
    after: str
    fence_before: int | None
    fence_after: int
    attempt: int
    max_attempts: int


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Where a job stands at the end, and how many analyses it has, of which attempts."""

    job: str
    status: str
    attempt: int
    max_attempts: int
    code: str | None
    object_key: str
    analysed_attempts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class History:
    moves: tuple[Move, ...]
    jobs: tuple[Ended, ...]


def record(engine: Engine) -> None:
    """Begin to keep every move."""
    with engine.begin() as connection:
        connection.execute(text(_RECORD))


def dump(engine: Engine) -> History:
    """Read what was kept, in one snapshot."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        moves = connection.execute(text("select * from campaign.moves order by seq")).mappings().all()
        jobs = connection.execute(
            text(
                "select j.id, j.status::text, j.attempt, j.max_attempts, j.code, r.object_key,"
                " array(select a.attempt from analyses a where a.job_id = j.id) as attempts"
                " from jobs j join recordings r on r.id = j.recording_id"
            )
        ).mappings()
        return History(
            moves=tuple(
                Move(
                    at=row["at"],
                    job=str(row["job_id"]),
                    before=row["status_before"],
                    after=row["status_after"],
                    fence_before=row["fence_before"],
                    fence_after=row["fence_after"],
                    attempt=row["attempt"],
                    max_attempts=row["max_attempts"],
                )
                for row in moves
            ),
            jobs=tuple(
                Ended(
                    job=str(row["id"]),
                    status=row["status"],
                    attempt=row["attempt"],
                    max_attempts=row["max_attempts"],
                    code=row["code"],
                    object_key=row["object_key"],
                    analysed_attempts=tuple(row["attempts"]),
                )
                for row in jobs
            ),
        )
