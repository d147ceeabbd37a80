"""Engines over psycopg 3: async for the gateway, sync for workers. The statements are the same."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mindtrack_shared.settings import DatabaseSettings


def database_url(settings: DatabaseSettings) -> URL:
    return make_url(settings.url.get_secret_value()).set(drivername="postgresql+psycopg")


def _options(settings: DatabaseSettings, application_name: str) -> dict[str, Any]:
    milliseconds = int(settings.statement_timeout_seconds * 1000)
    return {
        "pool_size": settings.pool_size,
        "hide_parameters": True,  # an error message must not carry a person's data into the logs
        "pool_pre_ping": True,  # a restarted server costs one round trip, not one failed request
        "connect_args": {
            "application_name": application_name,
            "options": f"-c statement_timeout={milliseconds} -c timezone=UTC",
            "connect_timeout": 5,  # seconds
        },
    }


def sync_engine(settings: DatabaseSettings, *, application_name: str) -> Engine:
    return create_engine(database_url(settings), **_options(settings, application_name))


def async_engine(settings: DatabaseSettings, *, application_name: str) -> AsyncEngine:
    return create_async_engine(database_url(settings), **_options(settings, application_name))
