"""Engines over psycopg 3: async for the gateway, sync for workers. The statements are the same."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from mindtrack_shared.settings import DatabaseSettings


def database_url(settings: DatabaseSettings) -> URL:
    return make_url(settings.url.get_secret_value()).set(drivername="postgresql+psycopg")


#: How many more connections a burst may open, and how long it waits for one. Who waits longer than that waits
#: for a database in trouble, and says so: clients come back, while requests that are held pile up.
MAX_OVERFLOW = 5
POOL_TIMEOUT = 1.0  # seconds
#: A connection that has rested for longer is asked whether it lives, so that a restarted server costs a round
#: trip, not a failed request. One that has just worked is believed: that spares every fourth round trip.
RESTED = 1.0  # seconds
#: Milliseconds. Whoever stands still within a transaction, as a machine does that is moved, holds up all who
#: want the same rows: the server ends it, before those who wait for them give up by their statement's time.
STANDSTILL = 10_000
#: Both times live on the server; these notice that the server is gone.
DEAD_PEER = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}


def _options(settings: DatabaseSettings, application_name: str) -> dict[str, Any]:
    milliseconds = int(settings.statement_timeout_seconds * 1000)
    return {
        "pool_size": settings.pool_size,
        "max_overflow": MAX_OVERFLOW,
        "pool_timeout": POOL_TIMEOUT,
        "hide_parameters": True,  # an error message must not carry a person's data into the logs
        "connect_args": {
            "application_name": application_name,
            "options": f"-c statement_timeout={milliseconds} -c timezone=UTC"
            f" -c idle_in_transaction_session_timeout={STANDSTILL}",
            **DEAD_PEER,
        },
    }


def sync_engine(settings: DatabaseSettings, *, application_name: str) -> Engine:
    engine = create_engine(database_url(settings), **_options(settings, application_name))
    _listen(engine)
    return engine


def async_engine(settings: DatabaseSettings, *, application_name: str) -> AsyncEngine:
    """Make an engine for many short statements, of which each is planned once for a connection.

    The driver prepares what comes again. Within fences the server would plan most of it anew each time, which
    takes longer than to carry it out; each finds its index whoever is asked about.
    """
    options = _options(settings, application_name)
    options["connect_args"]["options"] += " -c plan_cache_mode=force_generic_plan"
    engine = create_async_engine(database_url(settings), **options)
    _listen(engine.sync_engine)
    return engine


def without_hurry(connection: Connection) -> None:
    """Let the transaction under way take as long as it takes, and stand still within it."""
    connection.execute(text("set local statement_timeout = 0"))
    connection.execute(text("set local idle_in_transaction_session_timeout = 0"))


def _listen(engine: Engine) -> None:
    event.listen(engine, "handle_error", _forget_rows)
    event.listen(engine, "handle_error", _stood_still)
    event.listen(engine, "checkin", _note_rest)
    event.listen(engine, "checkout", partial(_ask_after_rest, engine.dialect))


def _note_rest(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = monotonic()


def _ask_after_rest(
    dialect: Dialect, connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection
) -> None:
    """Have the pool connect anew if a connection is dead: where one is, its elders are."""
    rests_since = record.info.get("rests_since")
    if rests_since is None or monotonic() - rests_since < RESTED:
        return
    try:
        dialect.do_ping(connection)
    except psycopg.Error as error:
        raise InvalidatePoolError from error


def _stood_still(context: ExceptionContext) -> None:
    """Tell who stood still what all are told whose connection broke; the driver has an error of its own."""
    if isinstance(context.original_exception, psycopg.errors.IdleInTransactionSessionTimeout):
        raise OperationalError(context.statement, None, context.original_exception, hide_parameters=True)


def _forget_rows(context: ExceptionContext) -> None:
    """Keep the server's primary message only: its DETAIL quotes the row, and an error ends up in a log."""
    original = context.original_exception
    if isinstance(original, psycopg.Error) and original.diag.message_primary:
        original.args = (original.diag.message_primary,)
        if context.sqlalchemy_exception is not None:
            context.sqlalchemy_exception.args = original.args
