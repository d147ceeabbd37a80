"""The gateway's page of metrics on a database that is a release behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import httpx2 as httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import ProgrammingError

from integration_support import as_role, execute_outside_transactions, serving, settings_for
from mindtrack_gateway.app import create_app
from mindtrack_gateway.metrics import update_backlog
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import migrate, roles
from mindtrack_shared.db.engine import async_engine, sync_engine
from mindtrack_shared.db.fence import Sessions

NAME = "behind"
QUEUED = ("mindtrack_jobs", "queued")
UNRUNG = ("mindtrack_unrung_jobs", None)
LOAD = ("mindtrack_queue_audio_seconds", None)

Page = Callable[[], dict[tuple[str, str | None], float]]


@pytest.fixture
def behind(server_url: URL) -> Iterator[Engine]:
    """An empty database without a schema."""
    execute_outside_transactions(server_url, f"CREATE DATABASE {NAME}")
    engine = sync_engine(settings_for(server_url.set(database=NAME)), application_name="behind")
    yield engine
    engine.dispose()
    execute_outside_transactions(server_url, f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.fixture
def page(behind: Engine, infrastructure: Infrastructure) -> Iterator[Page]:
    """Read the interactive lane's backlog from a gateway on that database."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in infrastructure.environment.variables().items():
            environment.setenv(name, value)
        login = as_role(roles.GATEWAY, settings_for(behind.url))
        environment.setenv("MINDTRACK_DATABASE_URL", login.url.get_secret_value())
        with serving(create_app()) as address:

            def read() -> dict[tuple[str, str | None], float]:
                answer = httpx.get(f"{address}/metrics")
                assert answer.status_code == 200, answer.text
                return {
                    (sample.name, sample.labels.get("status")): sample.value
                    for family in text_string_to_metric_families(answer.text)
                    for sample in family.samples
                    if sample.labels.get("priority", "interactive") == "interactive"
                }

            yield read


def step_back(engine: Engine, revision: str) -> None:
    """Bring the database to an earlier schema, as if that had known who may count."""
    migrate.upgrade(engine)
    migrate.downgrade(engine, revision)
    with engine.begin() as connection:
        connection.execute(text(f"grant select on all tables in schema public to {roles.OBSERVER}"))


@pytest.mark.parametrize("revision", ["0004", "0003"], ids=["without a column", "without the view"])
def test_a_load_that_cannot_be_read_is_unknown_and_the_rest_is_told(
    behind: Engine, page: Page, revision: str
) -> None:
    step_back(behind, revision)

    told = page()

    assert LOAD not in told
    assert (told[QUEUED], told[UNRUNG]) == (0, 0)


def test_what_was_unknown_is_told_once_the_database_has_caught_up(behind: Engine, page: Page) -> None:
    unknown = page()
    migrate.upgrade(behind)
    known = page()

    assert not {QUEUED, LOAD} & unknown.keys()
    assert math.isnan(unknown[UNRUNG])
    assert (known[QUEUED], known[LOAD], known[UNRUNG]) == (0, 0, 0)


REFUSING = """
create function refuse() returns double precision language plpgsql as
    'begin raise insufficient_privilege; end';
drop view drain_load;
create view drain_load as
select 'bulk' as priority, refuse() as audio_seconds, 0.0 as arriving_audio_seconds_per_second;
grant select on drain_load to mindtrack_observer
"""


async def test_what_has_nothing_to_do_with_releases_is_not_passed_over(behind: Engine) -> None:
    migrate.upgrade(behind)
    with behind.begin() as connection:
        connection.execute(text(REFUSING))
    login = as_role(roles.GATEWAY, settings_for(behind.url))
    engine = async_engine(login, application_name="behind")

    try:
        with pytest.raises(ProgrammingError, match="insufficient_privilege"):
            await update_backlog(Sessions(engine))
    finally:
        await engine.dispose()
