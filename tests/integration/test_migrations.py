from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import URL, Engine, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from integration_support import execute_outside_transactions, settings_for
from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.db.models import AnalysisRecord, Job, Recording
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.domain.webhooks import SECRET_BYTES
from mindtrack_shared.ids import new_id
from patience import eventually


@pytest.fixture
def empty(server_url: URL) -> Iterator[Engine]:
    execute_outside_transactions(server_url, "CREATE DATABASE empty")
    engine = sync_engine(settings_for(server_url.set(database="empty")), application_name="migrations")
    yield engine
    engine.dispose()
    execute_outside_transactions(server_url, "DROP DATABASE empty")


def test_the_migrations_build_what_the_models_say(empty: Engine) -> None:
    migrate.upgrade(empty)

    migrate.check(empty)


def test_down_and_up_again_leaves_nothing_behind(empty: Engine) -> None:
    migrate.upgrade(empty)
    migrate.downgrade(empty, "base")

    assert inspect(empty).get_table_names() == ["alembic_version"]
    with empty.connect() as connection:
        own_types = "select typname from pg_type where typtype = 'e'"
        own_functions = "select proname from pg_proc where pronamespace = 'public'::regnamespace"
        assert connection.scalars(text(own_types)).all() == []
        assert connection.scalars(text(own_functions)).all() == []

    migrate.upgrade(empty)
    migrate.check(empty)


#: What the release before 0002 writes.
PREVIOUS_RELEASE = """
insert into users (id, subject) values ('$id', '$id');
insert into recordings
    (id, user_id, object_key, sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone)
values ('$id', '$id', '$id', sha256('a'), 1, 'audio/wav', now(), now()::date, 'UTC');
insert into jobs (id, recording_id, user_id, status, max_attempts, attempt, fence, finished_at)
values ('$id', '$id', '$id', 'succeeded', 3, 1, 1, now());
insert into analyses
    (id, job_id, user_id, attempt, emotion, confidence, stress_score, anxiety_index, depressive_index,
    baseline_index, audio_seconds, processing_seconds, bundle_id, bundle_revision, engine, precision,
    recorded_at, p_neutral, p_happy, p_sad, p_anxious, p_stressed)
values ('$id', '$id', '$id', 1, 'Neutral', 0.6, 0.2, 0.1, 0.1, 0.7, 5, 1, 'b', 'r', 'e', 'fp32', now(),
    0.6, 0.1, 0.1, 0.1, 0.1);
insert into analysis_windows
    (analysis_id, position, start_seconds, end_seconds, p_neutral, p_happy, p_sad, p_anxious, p_stressed)
values ('$id', 0, 0, 4, 0.6, 0.1, 0.1, 0.1, 0.1)
"""


def write_as_the_previous_release(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(PREVIOUS_RELEASE.replace("$id", str(new_id()))))


def test_the_release_before_trustworthy_scores_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0001")
    write_as_the_previous_release(empty)
    migrate.upgrade(empty, "0002")
    write_as_the_previous_release(empty)

    with Session(empty) as session:
        rows = session.scalars(select(AnalysisRecord)).all()
        assert [(row.stress_score, row.uncertainty, row.biomarkers) for row in rows] == [
            (0.2, None, None)
        ] * 2
    migrate.downgrade(empty, "0001")
    write_as_the_previous_release(empty)


def test_the_release_before_lanes_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0002")
    write_as_the_previous_release(empty)
    migrate.upgrade(empty, "0003")
    write_as_the_previous_release(empty)

    with Session(empty) as session:
        assert session.scalars(select(Job.priority)).all() == [Priority.INTERACTIVE] * 2
    migrate.downgrade(empty, "0002")
    write_as_the_previous_release(empty)


def test_the_release_before_the_load_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0003")
    write_as_the_previous_release(empty)
    migrate.upgrade(empty, "0004")
    write_as_the_previous_release(empty)
    migrate.downgrade(empty, "0003")
    write_as_the_previous_release(empty)


def test_the_release_before_arrivals_goes_on_reading_the_load(empty: Engine) -> None:
    """And so does whoever was let read it, as an autoscaler is."""
    migrate.upgrade(empty, "0004")
    with empty.begin() as connection:
        connection.execute(text("create role former_scaler"))
        connection.execute(text("grant select on drain_load to former_scaler"))
    try:
        for revision in ("0004", "0005"):
            migrate.upgrade(empty, revision)
            with empty.connect() as connection:
                connection.execute(text("set role former_scaler"))
                rows = connection.execute(text("select priority, audio_seconds from drain_load")).all()
            assert sorted(tuple(row) for row in rows) == [("bulk", 0.0), ("interactive", 0.0)]
        migrate.downgrade(empty, "0004")
        with empty.connect() as connection:
            assert connection.execute(text("select * from drain_load")).keys() == [
                "priority",
                "audio_seconds",
            ]
    finally:
        with empty.begin() as connection:
            connection.execute(text("drop owned by former_scaler"))
            connection.execute(text("drop role former_scaler"))


def test_the_release_before_keys_goes_on_writing(empty: Engine) -> None:
    """It stores the same bytes of the same person as often as they come."""
    migrate.upgrade(empty, "0005")
    write_as_the_previous_release(empty)
    migrate.upgrade(empty, "0006")
    write_as_the_previous_release(empty)
    with empty.begin() as connection:
        columns = "user_id, sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone"
        twice = "insert into recordings (id, object_key, {0}) select gen_random_uuid(), 'other', {0} from {1}"
        connection.execute(text(twice.format(columns, "recordings limit 1")))
    migrate.downgrade(empty, "0005")
    write_as_the_previous_release(empty)


def test_the_release_before_uploads_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0005")
    write_as_the_previous_release(empty)
    migrate.upgrade(empty, "0007")
    write_as_the_previous_release(empty)

    with Session(empty) as session:
        rows = session.scalars(select(Recording)).all()
        assert [(row.device, row.microphone, row.app_version) for row in rows] == [(None, None, None)] * 2
    migrate.downgrade(empty, "0005")
    write_as_the_previous_release(empty)


def test_the_release_before_webhooks_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0008")
    write_as_the_previous_release(empty)
    migrate.downgrade(empty, "-1")
    write_as_the_previous_release(empty)


def test_the_release_before_feedback_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0009")
    write_as_the_previous_release(empty)
    migrate.downgrade(empty, "0009-1")
    write_as_the_previous_release(empty)


def test_the_release_before_grants_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0011")
    write_as_the_previous_release(empty)
    migrate.downgrade(empty, "0011-1")
    write_as_the_previous_release(empty)


#: What the release before alerts writes, and then the one with them: per endpoint, what it asks for.
ENDPOINTS = """
insert into webhook_endpoints (id, user_id, url, events, secret, status)
select gen_random_uuid(), id, 'https://example.org/', '$events', $secret, 'enabled' from users
"""
DELIVERIES = """
insert into webhook_deliveries (id, endpoint_id, user_id, $subject, event, next_attempt_at)
select gen_random_uuid(), endpoint.id, endpoint.user_id, about.id, '$event', now()
from webhook_endpoints endpoint join $table about using (user_id) where '$event' = any (endpoint.events)
"""
ALERT = """
insert into alerts (id, user_id, measure, opened_on, rule, rule_version, bundle_revision, reason)
select gen_random_uuid(), id, 'stress_score', now()::date, 'r', '1', 'r', '{}' from users
"""


def test_alerts_go_with_their_release_and_nothing_else_does(empty: Engine) -> None:
    def endpoint(events: str) -> str:
        secret = f"decode(repeat('00', {SECRET_BYTES}), 'hex')"
        return ENDPOINTS.replace("$events", events).replace("$secret", secret)

    def delivery(event: str) -> str:
        table = "jobs" if event.startswith("job") else "alerts"
        filled = DELIVERIES.replace("$event", event).replace("$table", table)
        return filled.replace("$subject", f"{table[:-1]}_id")

    def run(*statements: str) -> None:
        with empty.begin() as connection:
            for statement in statements:
                assert connection.execute(text(statement)).rowcount == 1, statement

    def kept() -> tuple[list[list[str]], list[str]]:
        with empty.connect() as connection:
            events = connection.scalars(text("select events from webhook_endpoints order by events"))
            return list(events), list(connection.scalars(text("select event from webhook_deliveries")))

    migrate.upgrade(empty, "0012")
    write_as_the_previous_release(empty)
    run(endpoint("{job.failed}"), delivery("job.failed"))
    migrate.upgrade(empty, "0013")
    run(ALERT, endpoint("{alert.opened}"), delivery("alert.opened"), endpoint("{job.succeeded,alert.ended}"))
    run(delivery("alert.ended"), delivery("job.succeeded"))

    migrate.downgrade(empty, "0012")
    assert kept() == ([["job.failed"], ["job.succeeded"]], ["job.failed", "job.succeeded"])
    write_as_the_previous_release(empty)
    migrate.upgrade(empty, "0013")
    assert kept() == ([["job.failed"], ["job.succeeded"]], ["job.failed", "job.succeeded"])


def test_the_release_before_recent_days_goes_on_evaluating(empty: Engine) -> None:
    found = (
        "status = 'above', direction = 'rising', recording_days_7 = 1, recording_days_28 = 2,"
        " as_of = now()::date, time_zone = 'UTC', evaluated_at = clock_timestamp(), stale_since = null"
    )
    as_the_former = f"update standings set {found}"  # noqa: S608 - constants
    as_ours = "update standings set recent = array_fill(1.5, array[28]), recent_at = evaluated_at"
    migrate.upgrade(empty, "0014")
    write_as_the_previous_release(empty)

    def run(statement: str) -> list[bool | None]:
        """Return whether the days are of the evaluation, if there are any."""
        with empty.begin() as connection:
            connection.execute(text(statement))
            return list(connection.scalars(text("select recent_at = evaluated_at from standings")))

    with empty.begin() as connection:
        connection.execute(text("insert into standings (user_id, stale_since) select id, now() from users"))
        connection.execute(text(as_the_former))
    migrate.upgrade(empty, "0015")

    assert run("select") == [None], "what is there is not touched, and nobody has to be looked at for it"
    assert run(as_the_former) == [None]
    assert run(as_ours) == [True]
    assert run(as_the_former) == [False], "so ours does not show them"
    migrate.downgrade(empty, "0014")
    write_as_the_previous_release(empty)
    with empty.begin() as connection:
        assert connection.execute(text(as_the_former)).rowcount == 1


def test_the_release_before_erasures_goes_on_writing(empty: Engine) -> None:
    migrate.upgrade(empty, "0015")
    write_as_the_previous_release(empty)
    migrate.upgrade(empty, "0016")
    write_as_the_previous_release(empty)

    with empty.begin() as connection:
        statement = (
            "insert into tombstones (job_id, user_id, receipt_id, object_key)"
            " select gen_random_uuid(), id, gen_random_uuid(), id::text from users"
        )
        assert connection.execute(text(statement)).rowcount == 2
        connection.execute(text("insert into erasures (id, user_id) select gen_random_uuid(), id from users"))
    migrate.downgrade(empty, "0015")
    write_as_the_previous_release(empty)
    with empty.connect() as connection:
        assert connection.scalar(text("select count(*) from tombstones")) == 2


def test_a_migration_waits_for_who_is_writing(empty: Engine) -> None:
    """A transaction that goes on from jobs to analyses must not meet a migration that went the other way."""
    migrate.upgrade(empty, "0001")
    with ThreadPoolExecutor(1) as pool:
        with empty.begin() as connection:
            connection.execute(text("update jobs set attempt = attempt"))
            migration = pool.submit(migrate.upgrade, empty)
            wait_until_something_waits_for_a_lock(empty)
            connection.execute(text("select from analyses, analysis_windows, day_rollups"))
        migration.result(timeout=30)
    migrate.check(empty)


def wait_until_something_waits_for_a_lock(engine: Engine) -> None:
    def waits() -> bool:
        with engine.connect() as connection:
            return bool(connection.scalar(text("select exists (select from pg_locks where not granted)")))

    eventually(waits, within=5, what="something waits for a lock")


def test_several_services_may_migrate_at_once(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "mindtrack_scheduler", "migrate"]
    environment = os.environ | {"MINDTRACK_DATABASE_URL": url}

    both = [subprocess.Popen(command, env=environment) for _ in range(2)]

    assert [process.wait(timeout=60) for process in both] == [0, 0]
    migrate.check(empty)


def test_a_migration_makes_room_for_others_while_it_waits(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is in use must not be kept from everybody else for as long as that takes."""
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", timedelta(seconds=0.5))
    monkeypatch.setattr(migrate, "PAUSE", timedelta(seconds=0.5))
    migrate.upgrade(empty, "0001")

    with ThreadPoolExecutor() as pool, empty.connect() as reader:
        reader.execute(text("select count(*) from jobs"))  # and then nothing, in an open transaction
        waiting = pool.submit(migrate.upgrade, empty)
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            with empty.connect() as other:
                other.execute(text("select count(*) from jobs"))
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.1)
        assert not waiting.done()
        reader.rollback()
        waiting.result(timeout=30)

    assert 0.1 < slowest < 1.5, "waited behind the migration, but not for long"
    migrate.check(empty)


def test_a_migration_gives_up_in_the_end(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", timedelta(seconds=0.1))
    monkeypatch.setattr(migrate, "GIVE_UP_AFTER", timedelta(0))
    migrate.upgrade(empty, "0001")

    with empty.connect() as reader:
        reader.execute(text("select count(*) from jobs"))
        with pytest.raises(OperationalError, match="lock timeout"):
            migrate.upgrade(empty)

    with empty.connect() as connection:
        assert connection.scalar(text("select version_num from alembic_version")) == "0001"
