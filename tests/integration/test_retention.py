"""What was kept for long enough is removed, class by class, and nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import URL, Engine, TextClause, text

from factories import AUDIO, RUNNING, add_grant, add_job, add_user, end_jobs, move_jobs, object_key
from integration_support import execute_outside_transactions, settings_for
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_scheduler import retention
from mindtrack_scheduler.audit.anchoring import anchor
from mindtrack_scheduler.audit.chain import Keys
from mindtrack_scheduler.audit.forgetting import forget
from mindtrack_scheduler.audit.sealing import seal
from mindtrack_scheduler.audit.verifying import Verdict, verify
from mindtrack_scheduler.retention import look, policies, retain
from mindtrack_scheduler.settings import RetentionSettings
from mindtrack_scheduler.verify import verify as compare
from mindtrack_shared.db import access_seals
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.settings import DatabaseSettings, StorageSettings
from mindtrack_shared.storage import AnchorStore, RecordingStore, open_anchors, open_store

KEYS = Keys({"one": bytes(range(32))})
#: Rows as they are left so many days ago.
DELIVERY = """
    with endpoint as (
        insert into webhook_endpoints (id, user_id, url, events, secret, status)
        values (uuidv7(), :person, 'https://example.org', array['job.failed'], sha256('x'), 'enabled')
        returning id
    ), delivery as (
        insert into webhook_deliveries
            (id, endpoint_id, user_id, event, state, attempt, created_at, finished_at, next_attempt_at)
        select made_ago(:days), id, :person, 'ping', cast(:state as delivery_state), 1, ago(:days),
            case when :state <> 'pending' then ago(:days) end,
            case when :state = 'pending' then ago(:days) end
        from endpoint returning id
    )
    insert into webhook_attempts (delivery_id, number, at, status_code, seconds)
    select id, 1, ago(:days), 200, 0.1 from delivery
"""
NOTIFICATION = """
    with preference as (
        insert into notification_preferences (user_id, quiet_begin, quiet_end)
        values (:person, '21:00', '08:00') on conflict do nothing
    ), address as (
        insert into notification_addresses (id, user_id, channel, address)
        values (uuidv7(), :person, 'email', uuidv7() || '@example.org') returning id
    )
    insert into notifications (id, user_id, occasion, address_id, channel, state, not_before, created_at,
        finished_at)
    select made_ago(:days), :person, 'test', id, 'email', :state, ago(:days), ago(:days),
        case when :state <> 'pending' then ago(:days) end
    from address
"""
INVITATION = """
    insert into invitations (id, user_id, scopes, purpose, use_context, code_sha256, grant_days, created_at,
        expires_at, withdrawn_at)
    values (made_ago(:days), :person, array['trends'], 'x', 'healthcare', sha256(uuid_send(uuidv7())), 90,
        ago(:days), ago(:days) + interval '7 days', case when :state = 'withdrawn' then ago(:days) end)
"""


@pytest.fixture
def kept(tmp_path: Path) -> RecordingStore:
    return open_store(StorageSettings(url=f"file://{tmp_path}/recordings"))


def aged(statement: str) -> TextClause:
    """Let a statement say when a row ended, and what id one has that was made then."""
    made = statement.replace("made_ago(:days)", "uuidv7(make_interval(days => -:days))")
    return text(made.replace("ago(:days)", "now() - make_interval(days => :days)"))


def listed(
    engine: Engine, store: RecordingStore, audio: timedelta | None = None
) -> tuple[retention.Policy, ...]:
    return policies(RetentionSettings(audio=audio), engine, store, None)


def counted(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.scalar(text(f"select count(*) from {table}")) or 0  # noqa: S608 - constants


@pytest.mark.parametrize(
    ("name", "statement", "ended", "waiting", "table", "days"),
    [
        ("deliveries", DELIVERY, "delivered", "pending", "webhook_deliveries", 90),
        ("notifications", NOTIFICATION, "sent", "pending", "notifications", 90),
        ("invitations", INVITATION, "withdrawn", "open", "invitations", 365),
    ],
)
def test_what_ended_long_ago_goes(  # noqa: PLR0913, PLR0917 - a table
    engine: Engine,
    kept: RecordingStore,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    statement: str,
    ended: str,
    waiting: str,
    table: str,
    days: int,
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    person = add_user(engine)
    rows = [(ended, days + 1)] * 5 + [(ended, days - 1), (waiting, days + 1 if waiting == "pending" else 2)]
    with engine.begin() as connection:
        for state, age in rows:
            connection.execute(aged(statement), {"person": person, "state": state, "days": age})

    assert {each.name: each.number for each in look(listed(engine, kept))}[name] == 5
    assert counted(engine, table) == 7, "to look removes nothing"
    assert {each.name: each.number for each in retain(listed(engine, kept))}[name] == 5
    assert counted(engine, table) == 2
    assert sum(each.number for each in retain(listed(engine, kept))) == 0


def test_an_invitation_that_was_redeemed_stays_with_its_grant(engine: Engine, kept: RecordingStore) -> None:
    person, clinician = add_user(engine), add_user(engine, "florence")
    add_grant(engine, person, clinician, since=timedelta(days=800), lasting=timedelta(days=90))

    list(retain(listed(engine, kept)))
    assert counted(engine, "invitations") == 1


def put(engine: Engine, store: RecordingStore, job_id: UUID) -> str:
    key = object_key(engine, job_id)

    async def chunks() -> AsyncIterator[bytes]:
        yield AUDIO

    asyncio.run(store.write(key, chunks()))
    return key


def test_audio_stays_unless_somebody_says_how_long(engine: Engine, kept: RecordingStore) -> None:
    job = add_job(engine, add_user(engine))
    put(engine, kept, job)
    end_jobs(engine, job)

    assert {each.name: each.keep for each in look(listed(engine, kept))}["audio"] is None
    assert sum(each.number for each in retain(listed(engine, kept))) == 0
    assert len(list(kept.objects())) == 1


def test_audio_goes_once_its_job_has_ended_and_the_result_stays(
    engine: Engine, kept: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "OBJECTS", 2)
    person = add_user(engine)
    ended, waiting, running = [add_job(engine, person) for _ in range(3)], add_job(engine, person), None
    running = add_job(engine, person)
    keys = {job: put(engine, kept, job) for job in (*ended, waiting, running)}
    end_jobs(engine, *ended)
    move_jobs(engine, running, to=RUNNING)
    audio = listed(engine, kept, audio=timedelta(0))

    assert next(iter(look(audio))).number == 3
    assert next(iter(retain(audio))).number == 3
    assert {found.key for found in kept.objects()} == {keys[waiting], keys[running]}
    assert counted(engine, "recordings") == counted(engine, "jobs") == 5
    assert [verdict for _, verdict in compare(engine, SealedRecordings(kept, None), checksums=True)] == [
        "sound",
        "sound",
    ]
    assert next(iter(retain(audio))).number == 0


def test_a_class_that_cannot_be_removed_holds_up_no_other(engine: Engine, kept: RecordingStore) -> None:
    person = add_user(engine)
    job = add_job(engine, person)
    put(engine, kept, job)
    end_jobs(engine, job)
    with engine.begin() as connection:
        connection.execute(aged(DELIVERY), {"person": person, "state": "delivered", "days": 91})
    nowhere = open_store(
        StorageSettings(url="s3://recordings", endpoint="http://127.0.0.1:1", plaintext=True)
    )
    found = retain(listed(engine, nowhere, audio=timedelta(0)))
    told = {each.name: each.number for each in islice(found, 5)}

    assert told == {"audio": 0, "deliveries": 1, "notifications": 0, "invitations": 0, "accesses": 0}
    with pytest.raises(retention.RetentionIncompleteError, match="audio"):
        next(found)
    assert next(iter(retain(listed(engine, kept, audio=timedelta(0))))).number == 1


def test_a_slow_store_loses_nothing_of_what_was_done(
    engine: Engine, database: DatabaseSettings, kept: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends who stands still within a transaction; many short waits are no standstill."""
    person = add_user(engine)
    jobs = [add_job(engine, person) for _ in range(12)]
    for job in jobs:
        put(engine, kept, job)
    end_jobs(engine, *jobs)
    monkeypatch.setattr("mindtrack_shared.db.engine.STANDSTILL", 600)
    hurried = sync_engine(database, application_name="hurried")
    remove = RecordingStore.remove

    def slowly(store: RecordingStore, key: str) -> None:
        time.sleep(0.1)
        remove(store, key)

    monkeypatch.setattr(RecordingStore, "remove", slowly)
    try:
        assert next(iter(retain(listed(hurried, kept, audio=timedelta(0))))).number == 12
    finally:
        hurried.dispose()


@pytest.mark.parametrize(
    "setting",
    [{"accesses": timedelta(days=2000)}, {"deliveries": timedelta(days=1)}, {"audio": timedelta(days=-1)}],
)
def test_periods_have_their_least(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RetentionSettings(**setting)


# --- accesses -------------------------------------------------------------------------------------------

SIX_YEARS = timedelta(days=6 * 366)


@pytest.fixture
def chained(server_url: URL, database: DatabaseSettings) -> Iterator[Engine]:
    """A database of the test's own: in the others', the chain only grows."""
    name = f"retained_{new_id().hex}"
    execute_outside_transactions(server_url, f"create database {name} template mindtrack_template")
    engine = sync_engine(settings_for(server_url.set(database=name)), application_name="retained")
    yield engine
    engine.dispose()
    execute_outside_transactions(server_url, f"drop database {name}")


def sealed(engine: Engine, number: int, *, days: int) -> None:
    """Write events down and seal them, both so many days ago."""
    statement = aged(
        "insert into access_events (id, at, actor_id, actor_role, action, outcome)"
        " values (made_ago(:days), ago(:days), uuidv7(), 'clinician', 'getTrends', 'refused')"
    )
    with engine.begin() as connection:
        for _ in range(number):
            connection.execute(statement, {"days": days})
    seal_at(engine, days)


def seal_at(engine: Engine, days: int) -> None:
    """Seal as a sealer did then: its clock is the database's, which cannot be set."""
    asked = access_seals.unsealed

    def then(limit: int) -> Any:  # noqa: ANN401 - as what it stands for
        moment = f"statement_timestamp() - interval '{days} days'"
        return text(str(asked(limit)).replace("statement_timestamp()", moment)).bindparams(limit=limit)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(access_seals, "unsealed", then)
        seal(engine, KEYS)


def unsound(engine: Engine, anchors: AnchorStore) -> list[tuple[Verdict, str]]:
    found = verify(engine, KEYS, anchors.all(), grace=timedelta(days=9000))
    return [(verdict, about) for verdict, about in found if verdict is not Verdict.SOUND]


def test_accesses_go_after_six_years_and_the_chain_stays_sound(
    chained: Engine, kept: RecordingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchors = open_anchors(StorageSettings(url=f"file://{tmp_path}/anchors"), None)
    for number, days in ((3, 3000), (4, 2600), (5, 2000), (2, 0)):
        sealed(chained, number, days=days)
        anchor(chained, anchors)
    monkeypatch.setattr(retention, "BATCH", 3)
    old = policies(RetentionSettings(accesses=SIX_YEARS), chained, kept, KEYS)

    assert [each.number for each in look(old) if each.name == "accesses"] == [7]
    assert [each.number for each in retain(old) if each.name == "accesses"] == [7]
    assert counted(chained, "access_events") == 7
    assert unsound(chained, anchors) == []
    assert forget(chained, KEYS, SIX_YEARS, 100) == 0
    sealed(chained, 1, days=0)
    assert unsound(chained, anchors) == []

    with chained.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("delete from access_marks"))
    assert (Verdict.LINKS_MISSING, "1-6") in unsound(chained, anchors), "nobody says that it was right"


def test_without_keys_accesses_stay(chained: Engine, kept: RecordingStore) -> None:
    sealed(chained, 2, days=4000)

    assert [each.keep for each in look(policies(RetentionSettings(), chained, kept, None))][-1] is None
    list(retain(policies(RetentionSettings(), chained, kept, None)))
    assert counted(chained, "access_events") == 2


def test_a_link_that_was_tampered_with_stops_retention(chained: Engine) -> None:
    sealed(chained, 4, days=4000)
    with chained.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(
            text("delete from access_events where id = (select event_id from access_seals where seq = 3)")
        )

    assert forget(chained, KEYS, SIX_YEARS, 100) == 2
    assert forget(chained, KEYS, SIX_YEARS, 100) == 0


def test_the_command_tells_and_then_does(
    engine: Engine, infrastructure: Infrastructure, database: DatabaseSettings
) -> None:
    person = add_user(engine)
    with engine.begin() as connection:
        connection.execute(aged(DELIVERY), {"person": person, "state": "delivered", "days": 91})
    variables = infrastructure.environment.variables() | {
        "MINDTRACK_DATABASE_URL": database.url.get_secret_value()
    }

    def run(*options: str) -> dict[str, str]:
        command = [sys.executable, "-m", "mindtrack_scheduler", "retain", *options]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
        return {line.split("\t")[0]: line.split("\t", 1)[1] for line in done.stdout.splitlines()}

    assert run("--dry-run") == {
        "audio": "for ever\t0",
        "deliveries": "90 days\t1",
        "notifications": "90 days\t0",
        "invitations": "365 days\t0",
        "accesses": "2562 days\t0",
    }
    assert run()["deliveries"] == "90 days\t1"
    assert counted(engine, "webhook_deliveries") == 0
