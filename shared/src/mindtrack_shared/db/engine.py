"""Engines over psycopg 3: async for the gateway, sync for workers. The statements are the same."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mindtrack_shared.settings import DatabaseSettings


def database_url(settings: DatabaseSettings) -> URL:
    return make_url(settings.url.get_secret_value()).set(drivername="postgresql+psycopg")


#: How many more connections a burst may open, and how long it waits for one. Who waits longer than that waits
#: for a database in trouble, and says so: clients come back, while requests that are held pile up.
MAX_OVERFLOW = 5
POOL_TIMEOUT = 1.0  # seconds
#: `statement_timeout` lives on the server; these notice that the server is gone.
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
        "pool_pre_ping": True,  # a restarted server costs one round trip, not one failed request
        "connect_args": {
            "application_name": application_name,
            "options": f"-c statement_timeout={milliseconds} -c timezone=UTC",
            **DEAD_PEER,
        },
    }


def sync_engine(settings: DatabaseSettings, *, application_name: str) -> Engine:
    engine = create_engine(database_url(settings), **_options(settings, application_name))
    event.listen(engine, "handle_error", _forget_rows)
    return engine


def async_engine(settings: DatabaseSettings, *, application_name: str) -> AsyncEngine:
    engine = create_async_engine(database_url(settings), **_options(settings, application_name))
    event.listen(engine.sync_engine, "handle_error", _forget_rows)
    return engine


def _forget_rows(context: ExceptionContext) -> None:
    """Keep the server's primary message only: its DETAIL quotes the row, and an error ends up in a log."""
    original = context.original_exception
    if isinstance(original, psycopg.Error) and original.diag.message_primary:
        original.args = (original.diag.message_primary,)
        if context.sqlalchemy_exception is not None:
            context.sqlalchemy_exception.args = original.args
