"""Alembic's environment. Tests and services hand in an engine; developers' commands read the settings."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine, text

from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.db.models import Base
from mindtrack_shared.settings import DatabaseSettings

#: Any constant will do, as long as every release uses the same.
MIGRATION_LOCK = 7_204_310_553


def run() -> None:
    engine: Engine | None = context.config.attributes.get("engine")
    if engine is None:
        engine = sync_engine(DatabaseSettings(), application_name="mindtrack-migrate")
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
        with context.begin_transaction():
            # Waiting for another service's migration, or building an index, may take its time.
            connection.execute(text("set local statement_timeout = 0"))
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            # Waiting for a table is another matter: whoever comes after us waits behind us.
            milliseconds = int(migrate.LOCK_TIMEOUT.total_seconds() * 1000)
            connection.execute(text(f"set local lock_timeout = {milliseconds}"))
            context.run_migrations()
        connection.commit()


run()
