"""Connections that died at rest are replaced before a request finds out."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from mindtrack_shared.db import engine as engines
from mindtrack_shared.db.engine import async_engine, sync_engine
from mindtrack_shared.settings import DatabaseSettings

KILL = text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = :name")
SELECT_1 = text("select 1")


def test_a_connection_that_died_at_rest_is_replaced(
    database: DatabaseSettings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = sync_engine(database, application_name="rests")
    with pool.connect() as one, pool.connect() as other:
        assert one.scalar(SELECT_1) == other.scalar(SELECT_1)
    with engine.begin() as admin:
        assert len(admin.scalars(KILL, {"name": "rests"}).all()) == 2

    monkeypatch.setattr(engines, "RESTED", 0.0)
    with pool.connect() as one, pool.connect() as other:
        assert one.scalar(SELECT_1) == other.scalar(SELECT_1) == 1
    pool.dispose()


def test_one_that_died_at_work_costs_one_statement(database: DatabaseSettings, engine: Engine) -> None:
    pool = sync_engine(database, application_name="works")
    with pool.connect() as connection:
        connection.scalar(SELECT_1)
    with engine.begin() as admin:
        admin.execute(KILL, {"name": "works"})

    with pytest.raises(OperationalError), pool.connect() as connection:
        connection.scalar(SELECT_1)
    with pool.connect() as connection:
        assert connection.scalar(SELECT_1) == 1
    pool.dispose()


def test_who_stands_still_within_a_transaction_holds_nobody_up_for_long(
    database: DatabaseSettings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "STANDSTILL", 300)
    pool = sync_engine(database, application_name="stands still")
    lock = text("select pg_advisory_xact_lock(4711)")

    with pool.connect() as connection:
        connection.execute(lock)
        with engine.begin() as other:
            other.execute(lock)  # waits until the server has ended the first
        with pytest.raises(OperationalError):
            connection.execute(SELECT_1)
    with pool.connect() as connection:
        assert connection.scalar(SELECT_1) == 1
    pool.dispose()


async def test_so_are_those_of_the_gateway(
    database: DatabaseSettings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = async_engine(database, application_name="awaits")
    async with pool.connect() as connection:
        await connection.scalar(SELECT_1)
    with engine.begin() as admin:
        admin.execute(KILL, {"name": "awaits"})

    monkeypatch.setattr(engines, "RESTED", 0.0)
    async with pool.connect() as connection:
        assert await connection.scalar(SELECT_1) == 1
    await pool.dispose()
