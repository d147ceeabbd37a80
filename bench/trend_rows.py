"""Millions of analyses of thousands of people, written as years of service would have left them."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from bench.sides import progress

PER_DAY = 3
SUBJECT = "person-{}"

#: In the order in which they were made, everybody's among each other's: a person's rows lie far apart.
STEPS = {
    "people": """
        insert into users (id, subject) select uuidv7(), 'person-' || n from generate_series(0, :people - 1) n
    """,
    "moments": """
        create unlogged table moments as
        select moment, (moment at time zone 'UTC')::date as day, person.id as user_id,
            uuidv7(moment - now()) as recording_id, uuidv7(moment - now()) as job_id,
            1 / (1 + exp(1.5 - random_normal(0, 0.6))) as stress, 5 + 20 * random() as speech
        from (
            select 'person-' || n % :people as subject,
                cast(:first as timestamptz)
                    + (cast(:last as timestamptz) - :first) * (cast(n as float) / :analyses) as moment
            from generate_series(0, :analyses - 1) n
        )
        join users person using (subject)
        order by moment
    """,
    "recordings": """
        insert into recordings (id, user_id, object_key, sha256, size_bytes, content_type, recorded_at,
            recorded_on, time_zone, microphone, created_at)
        select recording_id, user_id, 'recordings/' || recording_id, sha256(uuid_send(recording_id)), 60000,
            'audio/mp4', moment, day, 'UTC', 'built_in', moment
        from moments order by moment
    """,
    "jobs": """
        insert into jobs (id, recording_id, user_id, status, attempt, max_attempts, fence, not_before,
            quality, created_at, started_at, finished_at)
        select job_id, recording_id, user_id, 'succeeded', 1, 3, 1, moment,
            jsonb_build_object('speech_seconds', speech), moment, moment, moment
        from moments order by moment
    """,
    "analyses": """
        insert into analyses (id, job_id, user_id, attempt, emotion, confidence, stress_score, anxiety_index,
            depressive_index, baseline_index, biomarkers, audio_seconds, processing_seconds, bundle_id,
            bundle_revision, engine, precision, recorded_at, created_at,
            p_neutral, p_happy, p_sad, p_anxious, p_stressed)
        select uuidv7(moment - now()), job_id, user_id, 1, 'Neutral', 0.5, stress, stress / 2,
            (1 - stress) * 0.1, (1 - stress) * 0.9, jsonb_build_object('f0_median_hz', 120 + 10 * stress),
            30, 0.2, 'made-up', 'one', 'none', 'none', moment, moment,
            (1 - stress) * 0.7, (1 - stress) * 0.2, (1 - stress) * 0.1, stress / 2, stress / 2
        from moments order by moment
    """,
    "day rollups": """
        insert into day_rollups
        select user_id, day, count(*), sum(stress), sum(stress ^ 2), min(stress), max(stress),
            sum(stress / 2), sum((1 - stress) * 0.1), sum((1 - stress) * 0.9)
        from moments group by user_id, day order by day
    """,
    "day values": """
        insert into day_values
        select user_id, day, 'one', 'built_in audio/mp4', count(*), sum(speech),
            sum(speech * ln(stress / (1 - stress))) / sum(speech), '{}'
        from moments group by user_id, day order by day
    """,
    "the end": "drop table moments",
}


def fill(engine: Engine, *, people: int, analyses: int, until: datetime) -> None:
    """Write so many analyses of so many people, the last of a moment, into a migrated, empty database."""
    first = until - timedelta(days=analyses / people / PER_DAY)
    asked = {"people": people, "analyses": analyses, "first": first, "last": until}
    for name, step in STEPS.items():
        began = time.monotonic()
        with engine.begin() as connection:
            _quickly(connection)
            wanted = {key: value for key, value in asked.items() if f":{key}" in step}
            connection.execute(text(step), wanted)
        progress(f"{analyses:,} analyses of {people:,} people: {name}, {time.monotonic() - began:.0f} s")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("set statement_timeout = 0"))
        connection.execute(text("vacuum analyze"))
        connection.invalidate()


def _quickly(connection: Connection) -> None:
    """Rows are right by the way they are made: triggers and foreign keys need not look at each."""
    connection.execute(text("set local session_replication_role = replica"))
    connection.execute(text("set local work_mem = '512MB'"))
    connection.execute(text("set local statement_timeout = 0"))
