"""`mindtrack-scheduler`: migrate the database, or run relay, deliverer, beat or maintenance worker."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Annotated, TypeVar

import typer

from mindtrack_scheduler import service_keys
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_shared.db import migrate as migrations
from mindtrack_shared.db.engine import async_engine, sync_engine
from mindtrack_shared.observability import events
from mindtrack_shared.observability.liveness import LifeSign
from mindtrack_shared.observability.logging import configure_logging, get_logger
from mindtrack_shared.observability.metrics import served
from mindtrack_shared.observability.traces import open_traces
from mindtrack_shared.queue.names import MAINTENANCE_QUEUE
from mindtrack_shared.settings import (
    DatabaseSettings,
    KeySettings,
    LivenessSettings,
    LogSettings,
    MetricsSettings,
    NotificationSettings,
    QueueSettings,
    StorageSettings,
    TracingSettings,
    WebhookSettings,
)

Opened = TypeVar("Opened")

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they quote what an error was raised with
)
app.add_typer(service_keys.app, name="service-key")


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema, let services log in if told to, then exit."""
    import psycopg

    from mindtrack_shared.db import roles
    from mindtrack_shared.settings import LoginSettings

    configure_logging(LogSettings(), service="migrate")
    database, logins = DatabaseSettings(), LoginSettings()
    migrations.upgrade(sync_engine(database, application_name="mindtrack-migrate"))
    passwords = {roles.GATEWAY: logins.gateway_password, roles.WORKER: logins.worker_password}
    told = {role: password for role, password in passwords.items() if password is not None}
    if told:
        with psycopg.connect(database.url.get_secret_value()) as connection:
            for role, password in told.items():
                roles.let_in(connection, role, password)


@app.command()
def relay() -> None:
    """Ring the workers for every accepted job."""
    from mindtrack_scheduler.relay import Relay
    from mindtrack_shared.queue.celery import celery_app
    from mindtrack_shared.queue.doorbell import CeleryDoorbell

    configure_logging(LogSettings(), service="relay")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    get_logger().info(events.SERVICE_STARTED)
    traces = open_traces(TracingSettings(), service="relay")
    relay = Relay(
        engine=sync_engine(DatabaseSettings(), application_name="mindtrack-relay"),
        doorbell=CeleryDoorbell(celery_app("mindtrack-relay", QueueSettings())),
        settings=SchedulerSettings(),
        life_sign=life_sign(),
        traces=traces,
    )
    with served(MetricsSettings()), closing(traces):
        relay.run(stop)
    get_logger().info(events.SERVICE_STOPPED)


@app.command()
def deliver() -> None:
    """Send webhooks to whom people registered, and notifications to who asked for them."""
    import asyncio

    from mindtrack_scheduler.channels import Channels
    from mindtrack_scheduler.deliveries import Deliverer
    from mindtrack_scheduler.notifying import Notifier
    from mindtrack_scheduler.sending import Sender
    from mindtrack_shared.outbound import Guard

    settings = SchedulerSettings()
    sender = Sender(Guard(WebhookSettings()), timeout=settings.deliver_timeout)
    notify = NotificationSettings()
    channels = Channels(notify, timeout=settings.deliver_lease / 2)
    link = str(notify.app_url) if notify.app_url else None

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        engine = async_engine(DatabaseSettings(), application_name="mindtrack-deliver")
        deliverer = Deliverer(engine=engine, sender=sender, settings=settings, life_sign=life_sign())
        notifier = Notifier(engine=engine, channels=channels, link=link, settings=settings)
        try:
            async with asyncio.TaskGroup() as outboxes:
                outboxes.create_task(deliverer.run(stop))
                outboxes.create_task(notifier.run(stop))
        finally:
            await engine.dispose()

    configure_logging(LogSettings(), service="deliver")
    logging.getLogger("httpcore2").setLevel(logging.WARNING)  # of every step of every request
    get_logger().info(events.SERVICE_STARTED)
    with served(MetricsSettings()):
        asyncio.run(run())
    get_logger().info(events.SERVICE_STOPPED)


@app.command()
def beat() -> None:
    """Send the periodic tasks. Run exactly one."""
    from mindtrack_scheduler.beat import LivingScheduler
    from mindtrack_scheduler.maintenance import build_app, set_up_logging

    set_up_logging()
    celery = build_app(SchedulerSettings(), QueueSettings())
    with served(MetricsSettings()):
        celery.Beat(scheduler=partial(LivingScheduler, life_sign=life_sign()), quiet=True).run()


@app.command()
def maintenance() -> None:
    """Carry out the periodic tasks."""
    from mindtrack_scheduler.maintenance import build_app, parts, set_up_logging
    from mindtrack_shared.queue.celery import run_worker

    set_up_logging()
    celery = build_app(SchedulerSettings(), QueueSettings())
    with served(MetricsSettings()), closing(parts().traces):
        status = run_worker(celery, [MAINTENANCE_QUEUE], life_sign())
    raise typer.Exit(status)


@app.command()
def verify(
    *,
    checksums: Annotated[bool, typer.Option("--checksums", help="Read and hash every recording.")] = False,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Objects that are younger may be uploads in progress, and are no orphans.",
        ),
    ] = 3600,
) -> None:
    """Look up the object of every recording; exit with 1 if one is missing or damaged."""
    from collections import Counter

    from rich.console import Console
    from rich.progress import Progress

    from mindtrack_scheduler.verify import Verdict
    from mindtrack_scheduler.verify import verify as compare
    from mindtrack_shared.sealing import SealedRecordings, open_keys
    from mindtrack_shared.storage import open_store

    configure_logging(LogSettings(), service="verify")
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-verify")
    storage = StorageSettings()
    # Sizes need no keys, and maintenance has none that open recordings.
    keys = open_keys(KeySettings(), storage) if checksums else None
    recordings = SealedRecordings(open_store(storage), keys)
    found = Counter[Verdict]()
    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("Recordings", total=None)
        for key, verdict in compare(engine, recordings, checksums=checksums, grace=timedelta(seconds=grace)):
            found[verdict] += 1
            bars.advance(bar)
            if verdict is not Verdict.SOUND:
                typer.echo(f"{verdict}\t{key}")
    missing, damaged, orphaned = (
        found[each] for each in (Verdict.MISSING, Verdict.DAMAGED, Verdict.ORPHANED)
    )
    typer.echo(
        f"{found.total() - orphaned} recordings: {missing} missing, {damaged} damaged; "
        f"{orphaned} objects without a row",
        err=True,
    )
    raise typer.Exit(1 if missing or damaged else 0)


@app.command("remove-orphans")
def remove_orphans(
    *,
    grace: Annotated[
        float, typer.Option(metavar="DAYS", min=1, help="Younger objects stay, whatever they are.")
    ] = 7,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove objects that no row names, left by uploads that were not accepted in the end.

    Not after a restore: what was accepted after its moment has no row any more, and may be wanted back.
    """
    from mindtrack_scheduler.maintenance import store
    from mindtrack_scheduler.verify import orphans
    from mindtrack_scheduler.verify import remove_orphans as remove

    configure_logging(LogSettings(), service="remove-orphans")
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-remove-orphans")
    found = 0
    for key in (orphans if dry_run else remove)(engine, store(), grace=timedelta(days=grace)):
        typer.echo(key)
        found += 1
    typer.echo(f"{found} objects without a row{', left there' if dry_run else ' removed'}", err=True)


@app.command("rebuild-days")
def rebuild_days() -> None:
    """Sum up all days of all persons from their analyses, as trends read them. Safe at any time."""
    from rich.console import Console
    from rich.progress import Progress

    from mindtrack_scheduler.days import rebuild
    from mindtrack_shared.db import users

    configure_logging(LogSettings(), service="rebuild-days")
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-rebuild-days")
    with engine.connect() as connection:
        everybody = connection.scalar(users.count()) or 0
    done = 0
    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("People", total=everybody)
        for done, _ in enumerate(rebuild(engine), start=1):
            bars.update(bar, completed=done)
    typer.echo(f"{done} people: days summed up from their analyses", err=True)


@app.command()
def retain(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove what was kept for long enough, as maintenance does; tell how much of each class it was."""
    from mindtrack_scheduler import retention
    from mindtrack_scheduler.maintenance import audit_keys, store
    from mindtrack_scheduler.settings import RetentionSettings

    configure_logging(LogSettings(), service="retain")
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-retain")
    listed = retention.policies(RetentionSettings(), engine, store(), audit_keys())
    try:
        for name, keep, number in (retention.look if dry_run else retention.retain)(listed):
            period = "for ever" if keep is None else f"{keep / timedelta(days=1):g} days"
            typer.echo(f"{name}\t{period}\t{number}")
    except retention.RetentionIncompleteError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@app.command("rewrap-keys")
def rewrap_keys() -> None:
    """Wrap every data key with the current key-encryption key. Safe at any time, and again."""
    from mindtrack_scheduler.keys import rewrap
    from mindtrack_shared.sealing import open_keys

    configure_logging(LogSettings(), service="rewrap-keys")
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-rewrap-keys")
    done = list(rewrap(engine, _some(open_keys(KeySettings(), StorageSettings()))))
    typer.echo(f"{len(done)} keys: {sum(done)} wrapped anew", err=True)


@app.command("lost-keys")
def lost_keys() -> None:
    """Name whoever has a data key that is gone: after a restore, whom to erase again; exit with 1 if any."""
    from mindtrack_scheduler.keys import lost
    from mindtrack_shared.sealing import open_place

    configure_logging(LogSettings(), service="lost-keys")
    found = 0
    place = _some(open_place(KeySettings(), StorageSettings()))
    for person in lost(sync_engine(DatabaseSettings(), application_name="mindtrack-lost-keys"), place):
        typer.echo(str(person))
        found += 1
    typer.echo(f"{found} keys are gone", err=True)
    raise typer.Exit(1 if found else 0)


def _some(opened: Opened | None) -> Opened:
    if opened is None:
        raise typer.BadParameter("MINDTRACK_KEYS_URL names no place for keys")
    return opened


def life_sign() -> LifeSign:
    return LifeSign(LivenessSettings().file)


if __name__ == "__main__":
    app()
