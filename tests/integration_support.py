"""Database plumbing that the integration tests share."""

from __future__ import annotations

from sqlalchemy import URL, create_engine, text

from mindtrack_shared.settings import DatabaseSettings


def execute_outside_transactions(url: URL, *statements: str) -> None:
    """Run statements such as CREATE DATABASE, which no transaction may hold."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def settings_for(url: URL) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": url.render_as_string(hide_password=False)})
