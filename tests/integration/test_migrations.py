from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, inspect, text

from integration_support import execute_outside_transactions, settings_for
from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine


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


def test_several_services_may_migrate_at_once(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "mindtrack_scheduler", "migrate"]
    environment = os.environ | {"MINDTRACK_DATABASE_URL": url}

    both = [subprocess.Popen(command, env=environment) for _ in range(2)]

    assert [process.wait(timeout=60) for process in both] == [0, 0]
    migrate.check(empty)
