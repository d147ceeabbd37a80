"""The database's password is rotated as the runbook says, while somebody is connected with the old one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import OperationalError

from factories import add_job, add_user, load_job
from integration_support import execute_outside_transactions, settings_for
from mindtrack_shared.db import roles
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.domain.jobs import Priority

KEYS = (Path(__file__).parents[2] / "docs/runbook/keys.md").read_text()


@pytest.fixture
def successor(server_url: URL) -> Iterator[str]:
    (statement,) = re.findall(r"a second login: `([^`]+)`", KEYS)
    told = statement.replace("'...'", "'new'").replace(f"{roles.GATEWAY}_2", "successor")
    execute_outside_transactions(server_url, told.replace(roles.GATEWAY, roles.WORKER))
    yield "successor"
    execute_outside_transactions(server_url, "drop role successor")


def test_both_passwords_work_until_the_old_one_is_retired(
    engine: Engine, server_url: URL, successor: str
) -> None:
    url = engine.url.set(username=successor, password="new")  # noqa: S106 - of a role that lives for this test
    replaced = sync_engine(settings_for(url), application_name="rotation")
    job_id = add_job(engine, add_user(engine))  # with the old one

    with replaced.begin() as connection:  # and with the new one, on the same rows
        connection.execute(text("update jobs set priority = 'bulk' where id = :id"), {"id": job_id})
    assert load_job(engine, job_id).priority is Priority.BULK

    replaced.dispose()
    execute_outside_transactions(server_url, f"alter role {successor} nologin")
    with pytest.raises(OperationalError, match="not permitted to log in"), replaced.connect():
        pass
