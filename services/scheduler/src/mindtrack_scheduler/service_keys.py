"""`mindtrack-scheduler service-key`: hand out keys to systems, look after them, and revoke them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from mindtrack_shared.db import models, service_keys
from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.domain.service_keys import (
    KEY_DAYS,
    MOST_KEY_DAYS,
    MOST_LIVE_KEYS,
    KeyScope,
    ServiceKey,
    is_service_name,
)
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import configure_logging, get_logger
from mindtrack_shared.settings import DatabaseSettings, LogSettings

app = typer.Typer(help="Keys by which systems call the API.", no_args_is_help=True)


class TooManyKeysError(Exception):
    """A system has as many live keys as it may."""


def make(engine: Engine, service: str, scopes: frozenset[KeyScope], lasting: timedelta) -> ServiceKey:
    """Make a key for a system.

    Raises:
        TooManyKeysError: one of its live keys has to be revoked first.

    """
    key = ServiceKey.generate()
    with Session(engine) as session, session.begin():
        session.execute(service_keys.one_at_a_time(service))
        if session.scalars(service_keys.count_live(service)).one() >= MOST_LIVE_KEYS:
            raise TooManyKeysError
        session.add(
            models.ServiceKey(
                id=key.id,
                service=service,
                secret_sha256=key.secret_sha256,
                scopes=sorted(scopes),
                created_at=now(),
                expires_at=after(lasting),
            )
        )
    get_logger().info(events.SERVICE_KEY_MADE, key_id=key.id, service=service, scopes=sorted(scopes))
    return key


def revoke(engine: Engine, key_id: str) -> bool:
    """End a key at once; return whether there was one to end."""
    with Session(engine) as session, session.begin():
        service = session.scalar(service_keys.revoke(key_id))
    if service is not None:
        get_logger().info(events.SERVICE_KEY_REVOKED, key_id=key_id, service=service)
    return service is not None


@app.command("make")
def make_command(
    service: Annotated[str, typer.Argument(help="The system: lower-case letters, digits, hyphens.")],
    scope: Annotated[list[KeyScope], typer.Option(help="What the key opens; may be repeated.")],
    days: Annotated[int, typer.Option(min=1, max=MOST_KEY_DAYS, help="How long it holds.")] = KEY_DAYS,
) -> None:
    """Make a key, and print it: it is never shown again."""
    if not is_service_name(service):
        raise typer.BadParameter("must be lower-case letters, digits and hyphens, and begin with a letter")
    try:
        with _database() as engine:
            key = make(engine, service, frozenset(scope), timedelta(days=days))
    except TooManyKeysError as error:
        typer.echo(f"{service} has {MOST_LIVE_KEYS} live keys: revoke one first.", err=True)
        raise typer.Exit(1) from error
    typer.echo(key.text)


@app.command("list")
def list_command() -> None:
    """Print all keys, without their secrets."""
    moment = datetime.now(UTC)
    with _database() as engine, Session(engine) as session:
        for row in session.scalars(service_keys.every()):
            typer.echo(
                "\t".join((row.id, row.service, _state(row, moment), ",".join(row.scopes), _used(row)))
            )


@app.command("revoke")
def revoke_command(key_id: Annotated[str, typer.Argument(help="The key's id, of 16 characters.")]) -> None:
    """Revoke a key: no request that comes afterwards is let in by it."""
    with _database() as engine:
        ended = revoke(engine, key_id)
    if not ended:
        typer.echo("There is no such key that was not revoked before.", err=True)
        raise typer.Exit(1)


def _state(row: models.ServiceKey, moment: datetime) -> str:
    if row.revoked_at is not None:
        return f"revoked {row.revoked_at:%Y-%m-%d}"
    return f"{'expired' if row.expires_at <= moment else 'expires'} {row.expires_at:%Y-%m-%d}"


def _used(row: models.ServiceKey) -> str:
    return f"used {row.last_used_at:%Y-%m-%d %H:%M} UTC" if row.last_used_at else "never used"


@contextmanager
def _database() -> Iterator[Engine]:
    configure_logging(LogSettings(), service="service-key")
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-service-key")
    try:
        yield engine
    finally:
        engine.dispose()
