"""The second wall: what the database shows each role, whatever the application asks for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import URL, Engine, func, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from everything import Rows, contents, fill
from factories import add_grant, add_user
from integration_support import as_role, execute_outside_transactions, settings_for
from mindtrack_shared.db import analyses, jobs, migrate, roles, trend_sources
from mindtrack_shared.db.engine import async_engine, sync_engine
from mindtrack_shared.db.fence import NOBODY, OBSERVER, Fence, Sessions, name_code, name_subject
from mindtrack_shared.db.models import Job
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.trends import Measure
from mindtrack_shared.ids import new_id
from mindtrack_shared.settings import DatabaseSettings

#: No person's data.
UNFENCED = {
    "alembic_version": "the schema's version",
    "service_keys": "of systems, and looked up before anybody is known",
}
#: Of the chain over who read what: the gateway adds events, and a function of the owner's queues them.
DENIED = {"access_unsealed", "access_seals", "access_marks"}
OWNERS_FUNCTIONS = ["note_unsealed"]
#: Run with the rights of their owner, not of who reads them.
DEFINERS = {"drain_load": "sums over everybody, for autoscalers, who may see no row"}
APPEND_ONLY = ("access_events", "alert_events")
ROLES = (roles.GATEWAY, roles.WORKER, roles.OBSERVER)
#: What a clinician sees at all times: of whom there is consent, or was, and what they asked for.
OF_CONSENT = {"users", "invitations", "grants", "access_events"}
#: What each scope opens besides.
OPENED = {
    Scope.TRENDS: {"recordings", "analyses", "day_rollups", "day_values", "standings"},
    Scope.ANALYSES: {"recordings", "jobs", "analyses"},
    Scope.FEEDBACK: {"jobs", "feedback", "data_keys"},
    Scope.ALERTS: {"alerts", "alert_events"},
    Scope.NOTES: {"notes", "note_revisions", "data_keys"},
}


TABLES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"


@dataclass(frozen=True)
class Wall:
    """The database as the gateway's login finds it, through a single connection that everybody shares."""

    engine: AsyncEngine
    sessions: Sessions
    tables: list[str]

    async def shows(self, fence: Fence) -> Rows:
        """Read every table without any condition."""
        async with self.sessions.begin(fence) as session:
            return await self.all(session)

    async def all(self, session: AsyncSession) -> Rows:
        return {table: await every_row(session, table) for table in self.tables}


async def every_row(session: AsyncSession, table: str) -> set[str]:
    return set(await session.scalars(text(f"select to_jsonb(row)::text from {table} row")))  # noqa: S608


@pytest.fixture
def tables(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(set(connection.scalars(text(TABLES))) - UNFENCED.keys())


@pytest.fixture
async def wall(database: DatabaseSettings, tables: list[str]) -> AsyncIterator[Wall]:
    login = as_role(roles.GATEWAY, database).model_copy(update={"pool_size": 1})
    engine = async_engine(login, application_name="fences")
    yield Wall(engine, Sessions(engine), [table for table in tables if table not in DENIED])
    await engine.dispose()


def without(rows: Rows, before: Rows) -> Rows:
    return {table: found - before[table] for table, found in rows.items()}


def those(rows: Rows) -> set[str]:
    return {table for table, found in rows.items() if found}


# --- people ---------------------------------------------------------------------------------------------


async def test_without_the_applications_filter_a_person_sees_all_that_is_theirs_and_nothing_else(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    other = add_user(engine, f"other-{new_id()}")
    empty = contents(engine)
    fill(engine, person, clinician)
    own = without(contents(engine), empty)
    fill(engine, other, clinician)
    before = contents(engine)

    found = await wall.shows(Fence.own(person))

    (user,) = found.pop("users")
    assert str(person) in user
    for table, rows in found.items():
        if table != "erasures":  # nothing was erased
            assert own[table], f"nothing in {table}: fill it"
        assert rows == own[table], table
    assert contents(engine) == before


async def test_who_names_nobody_sees_nothing(
    engine: Engine,
    wall: Wall,
    person: UUID,
    clinician: UUID,
) -> None:
    fill(engine, person, clinician)

    assert those(await wall.shows(NOBODY)) == set()
    async with wall.engine.connect() as connection:
        assert not [
            table
            for table in wall.tables
            if await connection.scalar(text(f"select exists (select from {table})"))  # noqa: S608
        ]


@pytest.mark.parametrize("ends", ["commit", "rollback", "error"])
async def test_what_was_named_ends_with_the_transaction(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID, ends: str
) -> None:
    fill(engine, person, clinician)
    process = select(text("pg_backend_pid()"))
    async with wall.sessions.open(Fence(people=(person,), clinician=clinician)) as session:
        served = await session.scalar(process)
        await session.execute(name_subject("somebody"))
        assert await every_row(session, "jobs")
        if ends == "error":
            with pytest.raises(DBAPIError):
                await session.execute(text("select 1 / 0"))
        await (session.commit() if ends == "commit" else session.rollback())

    async with wall.sessions.begin(NOBODY) as session:
        assert await session.scalar(process) == served, "the same connection"
        assert those(await wall.all(session)) == set()


async def test_a_session_stays_within_its_fence_in_all_of_its_transactions(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    fill(engine, person, clinician)
    async with wall.sessions.open(Fence.own(person)) as session:
        first = await every_row(session, "jobs")
        await session.rollback()
        assert await every_row(session, "jobs") == first
        assert first


async def test_a_statement_that_names_somebody_itself_shows_what_is_theirs_and_leaves_no_name(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    other = add_user(engine, f"other-{new_id()}")
    for each in (person, other):
        fill(engine, each, clinician)
    everybody = select(select(func.array_agg(Job.user_id.distinct())).scalar_subquery())
    process = select(text("pg_backend_pid()"))
    async with wall.sessions.begin(NOBODY) as session:
        served = await session.scalar(process)

    # Often enough for the driver to prepare it, and for the server to use one plan for all.
    for each in (person, other, uuid4()) * 5:
        (found,) = await wall.sessions.read_own_row(each, everybody, {})
        assert found == (None if each not in {person, other} else [each])

    async with wall.sessions.begin(NOBODY) as session:
        assert await session.scalar(process) == served, "the same connection"
        assert those(await wall.all(session)) == set()


async def test_a_statement_that_may_be_looked_at_before_it_names_somebody_is_refused(
    wall: Wall, person: UUID
) -> None:
    with pytest.raises(ValueError, match="scalar subqueries"):
        await wall.sessions.read_own_row(person, select(Job.id), {})


async def test_what_was_prepared_outlives_a_transaction(wall: Wall, person: UUID) -> None:
    """Within fences, planning takes longer than execution: a statement is planned once for a connection."""
    prepared = select(text("count(*) from pg_prepared_statements where statement like '%jobs.attempt%'"))
    for _ in range(10):
        async with wall.sessions.begin(Fence.own(person)) as session:
            await session.execute(select(Job.attempt).where(Job.user_id == person))
    async with wall.sessions.begin(NOBODY) as session:
        assert await session.scalar(prepared) == 1


async def test_nobody_changes_removes_or_adds_what_is_anothers(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    other = add_user(engine, f"other-{new_id()}")
    fill(engine, other, clinician)
    before = contents(engine)

    async with wall.sessions.begin(Fence.own(person)) as session:
        for statement in (
            "update jobs set max_attempts = 9",
            "update notes set text = 'Changed.'",
            "update users set erased_at = now() where subject like 'other-%'",
            "update grants set expires_at = expires_at + interval '1 day'",
            "delete from analyses",
            "delete from notes",
            "delete from day_values",
            "delete from webhook_endpoints",
        ):
            await session.execute(text(statement))
    assert contents(engine) == before
    for statement in (
        "insert into standings (user_id, stale_since) values (:other, now())",
        "insert into erasures (id, user_id) values (uuidv7(), :other)",
        "insert into users (id, subject) values (uuidv7(), 'somebody-new')",
        "insert into access_events select uuidv7(), now(), :other, 'clinician', null, null, 'x', 'refused'",
    ):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with wall.sessions.begin(Fence.own(person)) as session:
                await session.execute(text(statement), {"other": other} if ":other" in statement else {})


async def test_what_somebody_holds_shows_one_row(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    """A token's subject, a code, the URL of an upload, the id of a job."""
    fill(engine, person, clinician)
    with engine.connect() as connection:
        subject = connection.scalar(text("select subject from users where id = :id"), {"id": person})
        upload, job = (
            connection.scalar(text(f"select min(id::text)::uuid from {table}"))  # noqa: S608
            for table in ("uploads", "jobs")
        )
        code = connection.scalar(text("select code_sha256 from invitations where redeemed_by is null"))

    assert those(await wall.shows(Fence(upload=upload))) == {"uploads"}
    assert those(await wall.shows(Fence(job=job))) == {"jobs"}
    for named, table in ((name_subject(subject), "users"), (name_code(code), "invitations")):
        async with wall.sessions.begin(NOBODY) as session:
            await session.execute(named)
            found = await wall.all(session)
        assert those(found) == {table}
        assert len(found[table]) == 1


# --- clinicians -----------------------------------------------------------------------------------------


@pytest.fixture
def ungranted(engine: Engine, person: UUID, clinician: UUID) -> UUID:
    """A clinician of whom a person has let go, with everything that there was between them."""
    fill(engine, person, clinician)
    with engine.begin() as connection:
        connection.execute(text("update grants set revoked_at = now(), revoked_by = 'person'"))
    return clinician


async def test_after_a_grant_was_revoked_its_clinician_sees_no_row_of_the_person(
    wall: Wall, ungranted: UUID
) -> None:
    found = await wall.shows(Fence(clinician=ungranted))

    assert those(found) <= OF_CONSENT
    assert found["grants"], "that there was one, both sides are told"


async def test_neither_does_one_whose_grant_has_expired(
    engine: Engine, wall: Wall, person: UUID, ungranted: UUID
) -> None:
    add_grant(engine, person, ungranted, since=timedelta(days=9), lasting=timedelta(days=8))

    assert those(await wall.shows(Fence(clinician=ungranted))) <= OF_CONSENT


@pytest.mark.parametrize("scope", Scope)
async def test_a_grant_opens_what_it_names(
    engine: Engine, wall: Wall, person: UUID, ungranted: UUID, scope: Scope
) -> None:
    other = add_user(engine, f"other-{new_id()}")
    stranger = add_user(engine, f"stranger-{new_id()}")
    add_grant(engine, person, ungranted, scope)
    mine = contents(engine)
    fill(engine, other, stranger)

    found = await wall.shows(Fence(clinician=ungranted))

    assert those(found) - OF_CONSENT == OPENED[scope] | {"patient_labels"}
    assert all(rows <= mine[table] for table, rows in found.items()), "nothing of anybody else's"


async def test_a_clinician_writes_under_their_own_name_and_where_it_was_granted(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    colleague = add_user(engine, f"colleague-{new_id()}")
    add_grant(engine, person, clinician, Scope.NOTES)
    note = text(
        "insert into notes (id, user_id, author_id, text) values (uuidv7(), :person, :author, 'Well.')"
    )

    async with wall.sessions.begin(Fence(clinician=clinician)) as session:
        await session.execute(note, {"person": person, "author": clinician})
    for author, who in ((colleague, clinician), (colleague, colleague)):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with wall.sessions.begin(Fence(clinician=who)) as session:
                await session.execute(note, {"person": person, "author": author})


async def test_whether_there_is_such_a_person_can_be_asked_and_nothing_be_changed_by_it(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    fill(engine, person, add_user(engine, f"another-{new_id()}"))
    about = Fence(clinician=clinician, about=person)

    assert those(await wall.shows(about)) == {"users"}
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with wall.sessions.begin(about) as session:
            await session.execute(text("update users set erased_at = now()"))


# --- the other roles ------------------------------------------------------------------------------------


async def test_who_counts_sees_everybodys_rows_and_nothing_of_whose_they_are(
    engine: Engine, wall: Wall, person: UUID, clinician: UUID
) -> None:
    fill(engine, person, clinician)

    async with wall.sessions.begin(OBSERVER) as session:
        assert await session.scalar(text("select count(*) from jobs"))
        assert (await session.execute(jobs.drain_load())).all()
    for column in ("user_id", "quality", "recording_id"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with wall.sessions.begin(OBSERVER) as session:
                await session.execute(text(f"select {column} from jobs"))  # noqa: S608


async def test_who_is_no_gateway_cannot_become_who_counts(database: DatabaseSettings) -> None:
    """A gateway with somebody else's login is never ready."""
    engine = async_engine(as_role(roles.WORKER, database), application_name="fences")
    with pytest.raises(ProgrammingError, match="permission denied to set role"):
        async with Sessions(engine).begin(OBSERVER) as session:
            await session.execute(text("select 1"))
    await engine.dispose()


@pytest.fixture
def workers(database: DatabaseSettings) -> Iterator[Engine]:
    engine = sync_engine(as_role(roles.WORKER, database), application_name="fences")
    yield engine
    engine.dispose()


def test_workers_see_everybody_and_nothing_that_they_do_not_work_on(
    engine: Engine, workers: Engine, person: UUID, clinician: UUID
) -> None:
    fill(engine, person, clinician)
    there = contents(engine)

    for table in ("jobs", "recordings", "analyses", "standings", "webhook_deliveries"):
        with workers.connect() as connection:
            assert connection.scalar(text(f"select count(*) from {table}")) == len(there[table])  # noqa: S608
    hidden = {"notes": "text", "note_revisions": "text", "feedback": "note", "grants": "purpose"}
    for table, column in hidden.items():
        with workers.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(f"select {column} from {table}"))  # noqa: S608


@pytest.mark.parametrize("table", sorted(DENIED))
async def test_the_gateway_is_kept_from_the_chain(wall: Wall, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with wall.sessions.begin(NOBODY) as session:
            await every_row(session, table)


# --- the catalog ----------------------------------------------------------------------------------------


def test_every_table_has_policies_that_hold_for_its_owner_too(engine: Engine, tables: list[str]) -> None:
    statement = f"{TABLES} and relrowsecurity and relforcerowsecurity"
    with engine.connect() as connection:
        fenced = set(connection.scalars(text(statement)))

    assert fenced == set(tables), "a new table needs what migration 0017 gave the others"
    assert set(tables) >= DENIED
    assert len(fenced) > 25


def test_no_role_of_a_service_owns_anything_or_may_go_around_policies(engine: Engine) -> None:
    with engine.connect() as connection:
        told = connection.execute(
            text(
                "select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication,"
                " exists (select from pg_shdepend where refobjid = pg_roles.oid and deptype = 'o'),"
                " has_schema_privilege(oid, 'public', 'create')"
                " from pg_roles where rolname = any (:roles)"
            ),
            {"roles": list(ROLES)},
        ).all()
        above = connection.scalars(
            text(
                "select pg_has_role(:gateway, rolname, 'usage') from pg_roles"
                " where rolname = any (:others) or rolsuper"
            ),
            {"gateway": roles.GATEWAY, "others": [roles.WORKER, roles.OBSERVER]},
        ).all()

    assert told == [(False, False, False)] * len(ROLES)
    assert not any(above), "the gateway is nobody else without asking"


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("right", ["update", "delete", "truncate"])
def test_nobody_may_rewrite_what_only_grows(engine: Engine, table: str, right: str) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text(f"select has_table_privilege('postgres', '{table}', '{right}')"))
        for role in ROLES:
            asked = text("select has_table_privilege(:role, :table, :right)")
            may = connection.scalar(asked, {"role": role, "table": table, "right": right})
            # Retention removes what is six years old; a trigger refuses the rest (test_audit_chain.py).
            assert may is ((role, table, right) == (roles.WORKER, "access_events", "delete"))


def test_nobody_may_truncate_and_get_around_policies(engine: Engine, tables: list[str]) -> None:
    asked = text("select has_table_privilege(:role, :table, 'truncate, trigger, references, maintain')")
    with engine.connect() as connection:
        for role in ROLES:
            assert not [t for t in tables if connection.scalar(asked, {"role": role, "table": t})]


def test_who_counts_is_told_no_column_that_leads_to_somebody(engine: Engine) -> None:
    statement = text("select column_name from information_schema.column_privileges where grantee = :role")
    with engine.connect() as connection:
        told = set(connection.scalars(statement, {"role": roles.OBSERVER}))

    assert "status" in told
    assert not {name for name in told if name.endswith("_id")} - {"job_id", "endpoint_id", "event_id"}
    assert not told & {"subject", "text", "note", "quality", "object_key", "url", "secret", "stress_score"}


def test_views_and_functions_have_no_rights_of_their_own(engine: Engine) -> None:
    with engine.connect() as connection:
        views = set(
            connection.scalars(
                text(
                    "select relname from pg_class where relnamespace = 'public'::regnamespace"
                    " and relkind in ('v', 'm')"
                    " and not coalesce('security_invoker=true' = any (reloptions), false)"
                )
            )
        )
        functions = connection.scalars(
            text("select proname from pg_proc where pronamespace = 'public'::regnamespace and prosecdef")
        ).all()

    assert views == DEFINERS.keys()
    assert functions == OWNERS_FUNCTIONS


# --- the previous release -------------------------------------------------------------------------------

FORMER = "former_owner"


@pytest.fixture
def owners(server_url: URL, database: DatabaseSettings) -> Iterator[Engine]:
    """The owner's login to a database of its own, as the previous release had it: no superuser."""
    execute_outside_transactions(
        server_url, f"CREATE ROLE {FORMER} LOGIN", f"CREATE DATABASE {FORMER} OWNER {FORMER}"
    )
    engine = sync_engine(
        settings_for(server_url.set(database=FORMER, username=FORMER)), application_name="fences"
    )
    yield engine
    engine.dispose()
    execute_outside_transactions(server_url, f"DROP DATABASE {FORMER} WITH (FORCE)", f"DROP ROLE {FORMER}")


def test_the_previous_release_goes_on_as_the_owner(owners: Engine) -> None:
    migrate.upgrade(owners)
    person, clinician = (add_user(owners, name) for name in ("person", "clinician"))

    fill(owners, person, clinician)

    empty = {table for table, rows in contents(owners).items() if not rows}
    assert empty == {"erasures", "service_keys", "access_seals", "access_marks"}
    with owners.connect() as connection:
        assert connection.execute(jobs.drain_load()).all()
        almighty = "select rolsuper or rolbypassrls from pg_roles where rolname = current_user"
        assert connection.scalar(text(almighty)) is False


def test_a_login_gets_a_password_that_the_server_never_sees(server_url: URL) -> None:
    role, password = "let_in", "correct horse"
    url = server_url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        roles.let_in(connection, role, SecretStr(password))
        roles.let_in(connection, role, SecretStr(password))
        row = connection.execute(
            "select rolcanlogin, rolsuper, rolpassword from pg_authid where rolname = %s", [role]
        ).fetchone()
        connection.rollback()

    assert row is not None
    assert row[:2] == (True, False)
    assert row[2].startswith("SCRAM-SHA-256$")


# --- what it costs --------------------------------------------------------------------------------------


async def test_hot_queries_read_indexes_within_a_fence(engine: Engine, wall: Wall, person: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text(CROWD))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze recordings, jobs, analyses, day_values, day_rollups, grants"))
        job_ids = list(connection.scalars(text("select id from jobs limit 20")))
    today = datetime.now(UTC).date()
    reading = (
        jobs.glances(job_ids),
        jobs.whole(job_ids),
        jobs.page(person, limit=20),
        analyses.latest(person),
        trend_sources.source((Measure.STRESS_SCORE,)).params(
            trend_sources.parameters(person, days=90, today=today)
        ),
        analyses.page(person, limit=20),
    )
    async with wall.sessions.begin(Fence.own(person)) as session:
        asked = await session.connection()
        for statement in reading:
            compiled = statement.compile(engine, compile_kwargs={"render_postcompile": True})
            lines = await asked.exec_driver_sql(f"explain {compiled}", compiled.construct_params())
            plan = "\n".join(lines.scalars())
            assert "Index" in plan
            # Consent is another matter: nobody granted anything, and an empty table needs no index.
            assert not re.search(r"Seq Scan on (?!grants|emergencies)", plan), plan


#: Sixty people who recorded every day of three months.
CROWD = """
with people as (
    insert into users (id, subject) select uuidv7(), concat('crowd-', gen_random_uuid())
    from generate_series(1, 60) returning id
), recorded as (
    insert into recordings (id, user_id, object_key, sha256, size_bytes, content_type, recorded_at,
        recorded_on, time_zone)
    select uuidv7(), id, gen_random_uuid()::text, sha256(uuid_send(uuidv7())), 1, 'audio/wav',
        now() - make_interval(days => n), current_date - n, 'UTC'
    from people, generate_series(1, 90) n returning id, user_id, recorded_at, recorded_on
), done as (
    insert into jobs (id, recording_id, user_id, status, attempt, fence, max_attempts, finished_at)
    select uuidv7(), id, user_id, 'canceled', 0, 0, 3, now() from recorded returning id, user_id, recording_id
), analysed as (
    insert into analyses (id, job_id, user_id, attempt, emotion, confidence, p_neutral, p_happy, p_sad,
        p_anxious, p_stressed, stress_score, anxiety_index, depressive_index, baseline_index, audio_seconds,
        processing_seconds, bundle_id, bundle_revision, engine, precision, recorded_at)
    select uuidv7(), done.id, done.user_id, 1, 'Neutral', 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 5, 1, 'b', 'r', 'e',
        'p', recorded_at
    from done join recorded on recorded.id = recording_id
), rolled as (
    insert into day_rollups (user_id, day, count, stress_sum, stress_square_sum, stress_min, stress_max,
        anxiety_sum)
    select user_id, recorded_on, 1, 0, 0, 0, 0, 0 from recorded
)
insert into day_values select user_id, recorded_on, 'r', 'unknown audio/wav', 1, 5, 0, '{}' from recorded
"""
