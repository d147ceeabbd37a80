"""A migration only adds: what the previous release reads and writes is there, as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, make_url, text

from integration_support import execute_outside_transactions, settings_for
from mindtrack_local.config import StackConfig
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine

pytestmark = pytest.mark.timeout(120)

COLUMNS = """
select table_name, column_name, data_type, udt_name, is_nullable
from information_schema.columns where table_schema = 'public'
"""
LABELS = "select typname, enumlabel from pg_enum join pg_type on pg_type.oid = enumtypid"
FUNCTIONS = (
    "select proname, pg_get_function_arguments(oid) from pg_proc where pronamespace = 'public'::regnamespace"
)
#: What a writer who does not know the column would fail on.
DEMANDING = """
select table_name, column_name from information_schema.columns
join information_schema.tables using (table_schema, table_name)
where table_schema = 'public' and table_type = 'BASE TABLE'
and is_nullable = 'NO' and column_default is null and is_identity = 'NO' and is_generated = 'NEVER'
"""


@pytest.fixture(scope="module")
def databases(
    tmp_path_factory: pytest.TempPathFactory, previous_release: dict[str, str]
) -> Iterator[tuple[Engine, Engine]]:
    """The previous release's database, and the same one after our migrations."""
    config = StackConfig(var=tmp_path_factory.mktemp("schemas"), durable=False, services=())
    with Infrastructure(config) as infrastructure:
        server = make_url(infrastructure.database_url)
        engines = []
        for name in ("former", "migrated"):
            execute_outside_transactions(server, f"CREATE DATABASE {name}")
            url = server.set(database=name)
            subprocess.run(
                [sys.executable, "-m", "mindtrack_scheduler", "migrate"],
                env={**os.environ, **previous_release, "MINDTRACK_DATABASE_URL": str(url)},
                check=True,
                capture_output=True,
            )
            engines.append(sync_engine(settings_for(url), application_name="schemas"))
        former, migrated = engines
        migrate.upgrade(migrated)
        yield former, migrated
        former.dispose()
        migrated.dispose()


@pytest.mark.parametrize(
    "catalogue", [COLUMNS, LABELS, FUNCTIONS], ids=["columns", "enum labels", "functions"]
)
def test_nothing_that_the_previous_release_knows_has_gone(
    databases: tuple[Engine, Engine], catalogue: str
) -> None:
    former, migrated = (rows(engine, catalogue) for engine in databases)

    assert former - migrated == set()
    assert former


def test_nothing_new_is_demanded_of_the_previous_release(databases: tuple[Engine, Engine]) -> None:
    former, migrated = (rows(engine, DEMANDING) for engine in databases)
    known = {table for table, *_ in rows(databases[0], COLUMNS)}

    assert {(table, column) for table, column in migrated - former if table in known} == set()


@pytest.mark.parametrize(
    ("change", "catalogue"),
    [
        ("alter table jobs drop column fence", COLUMNS),
        ("alter table jobs alter column max_attempts type bigint", COLUMNS),
        ("alter table jobs rename to tasks", COLUMNS),
        ("alter type job_status rename value 'queued' to 'waiting'", LABELS),
    ],
)
def test_a_migration_that_takes_away_is_found(
    databases: tuple[Engine, Engine], change: str, catalogue: str
) -> None:
    before = rows(databases[0], catalogue)
    with databases[1].connect() as connection:
        connection.execute(text("drop view if exists drain_load cascade"))
        connection.execute(text(change))
        after = {tuple(row) for row in connection.execute(text(catalogue))}
        connection.rollback()

    assert before - after - {row for row in before if row[0] == "drain_load"}


def test_a_migration_that_demands_is_found(databases: tuple[Engine, Engine]) -> None:
    before = rows(databases[1], DEMANDING)
    with databases[1].connect() as connection:
        connection.execute(text("alter table jobs add column tenant text not null"))
        after = {tuple(row) for row in connection.execute(text(DEMANDING))}
        connection.rollback()

    assert after - before == {("jobs", "tenant")}


def rows(engine: Engine, statement: str) -> set[tuple[str, ...]]:
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text(statement))}
