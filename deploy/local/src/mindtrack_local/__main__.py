"""`mindtrack-local`: the whole system on this machine, without Docker."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from mindtrack_client import MindTrack, MindTrackError
from mindtrack_local import demo as week_demo
from mindtrack_local import dotenv as compose_dotenv
from mindtrack_local import environment, identities, report
from mindtrack_local.config import Layout, StackConfig, Storage
from mindtrack_local.environment import settings_from
from mindtrack_local.errors import StackError
from mindtrack_local.histories import people
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_local.interrupts import interruptible
from mindtrack_local.issuer import LIFE, Issuer, Role
from mindtrack_local.output import LAUNCHER, Terminal
from mindtrack_local.seed import CLINICIAN, fill, shown
from mindtrack_local.stack import Stack
from mindtrack_local.welcome import next_steps, welcome
from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.settings import DatabaseSettings, StorageSettings
from mindtrack_shared.storage import open_store

app = typer.Typer(
    help="Run the whole MindTrack stack on this machine.", no_args_is_help=True, add_completion=False
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

INTERRUPTED = 130  # as shells report an end by Ctrl-C

Var = Annotated[Path, typer.Option("--var", help="Folder for data, logs and keys.")]
Port = Annotated[int | None, typer.Option(help="The gateway's port; 8000 or the next free one by default.")]
StorageOption = Annotated[Storage, typer.Option(help="Where recordings go: a folder, or a local S3 server.")]
DEFAULT_VAR = Path("var")


@contextmanager
def _errors_explained() -> Iterator[None]:
    try:
        yield
    except StackError as error:
        errors.print(f"mindtrack-local: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def up(
    *,
    var: Var = DEFAULT_VAR,
    port: Port = None,
    storage: StorageOption = "folder",
    quiet: Annotated[bool, typer.Option("--quiet", help="Write logs only to files under VAR/log.")] = False,
) -> None:
    """Start the stack and keep it running until Ctrl-C."""
    config = StackConfig(var=var, gateway_port=port, storage=storage)
    stack = Stack(config, terminal=Terminal(sys.stdout, quiet=quiet))
    if quiet:
        console.print(f"Starting; logs go to {Layout(var).logs}", markup=False)
    with _errors_explained(), interruptible(stack):
        try:
            with stack:
                console.print(welcome(stack), markup=False, soft_wrap=True)
                threading.Event().wait()
        except KeyboardInterrupt:
            console.print("Stopped.")


@app.command()
def demo(*, var: Var = DEFAULT_VAR, port: Port = None, storage: StorageOption = "folder") -> None:
    """Start the stack, analyse seven sample logs, show the week, stop."""
    stack = Stack(StackConfig(var=var, gateway_port=port, storage=storage, sign_in=False))
    with _errors_explained(), interruptible(stack):
        try:
            complete = _demo(stack)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except MindTrackError as error:
            errors.print(f"mindtrack-local: {error}", style="red", markup=False, soft_wrap=True)
            complete = False
    if not complete:
        errors.print(f"The demo did not succeed; look into {Layout(var).logs}.", style="red", soft_wrap=True)
        raise typer.Exit(1)


def _demo(stack: Stack) -> bool:
    began = time.monotonic()
    try:
        with console.status("Starting Postgres, Valkey, gateway, worker and scheduler"):
            stack.start()
        console.print(f"Started the whole stack in {time.monotonic() - began:.1f} s")
        for line in stack.infrastructure.supervisor.log_lines(LAUNCHER):
            console.print(line, markup=False)
        with (
            MindTrack(stack.base_url, stack.token(week_demo.new_subject())) as client,
            week_demo.samples_folder() as samples,
            week_demo.progress_bars() as progress,
        ):
            week = week_demo.run(client, samples, progress)
        report.show(console, week)
        console.print(next_steps(), markup=False)
    finally:
        with console.status("Stopping"):
            stack.stop()
    return week.complete


@app.command()
def token(
    *,
    var: Var = DEFAULT_VAR,
    subject: Annotated[str, typer.Option(help="Who the token speaks for.")] = "demo",
    role: Annotated[Role, typer.Option(help="What they may do.")] = "user",
    hours: Annotated[float, typer.Option(min=0, max=24, help="How long it is valid.")] = LIFE
    / timedelta(hours=1),
) -> None:
    """Print a bearer token for the local stack."""
    issuer = Issuer(Layout(var.resolve()).issuer)
    typer.echo(issuer.token(subject, role, life=timedelta(hours=hours)))


@app.command()
def env(*, var: Var = DEFAULT_VAR) -> None:
    """Print `export` lines with which one more service, started by hand, joins the running stack."""
    variables = environment.load(Layout(var.resolve()).environment)
    if variables is None:
        errors.print(
            f"mindtrack-local: no stack runs in {var}; start one with: mindtrack-local up",
            style="red",
            soft_wrap=True,
        )
        raise typer.Exit(1)
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def seed(
    *,
    var: Var = DEFAULT_VAR,
    storage: StorageOption = "folder",
    numbers: Annotated[int, typer.Option("--seed", min=0, help="Other people for another number.")] = 0,
) -> None:
    """Add 40 made-up people with 120 days each, running or not; their clinician is `seed-clinician`."""
    with _errors_explained():
        variables = environment.load(Layout(var.resolve()).environment)
        if variables is not None:
            _seed(variables, numbers, Layout(var.resolve()))
            return
        with Infrastructure(StackConfig(var=var, storage=storage)) as servers:
            _seed(servers.environment.variables(), numbers, servers.layout)


def _seed(variables: Mapping[str, str], numbers: int, layout: Layout) -> None:
    engine = sync_engine(settings_from(variables, DatabaseSettings), application_name="seed")
    migrate.upgrade(engine)
    store = open_store(settings_from(variables, StorageSettings))
    added = recordings = 0
    with Progress(console=errors, transient=True) as bars:
        everybody = people(numbers)
        for person, number in bars.track(
            fill(engine, store, everybody), len(everybody), description="People"
        ):
            added += number > 0
            recordings += number
            bars.console.print(f"{person.subject}: {number or 'there already'}", style="dim")
    engine.dispose()
    identities.save(layout.identities, shown(everybody))
    console.print(f"Added {added} made-up people with {recordings} recordings.")
    console.print("Look around as one of them, or as their clinician: the page lets you choose, or")
    console.print("    mindtrack-local token --subject seed-rising-01", markup=False)
    console.print(f"    mindtrack-local token --subject {CLINICIAN} --role clinician", markup=False)


@app.command()
def dotenv(
    *,
    var: Var = DEFAULT_VAR,
    out: Annotated[Path, typer.Option(help="The file to write; it must not be there.")] = Path(".env"),
    example: Annotated[bool, typer.Option("--example", help="Print it without secrets instead.")] = False,
) -> None:
    """Write what docker-compose.yml reads, with new secrets and the local issuer's keys."""
    if example:
        typer.echo(compose_dotenv.render({}), nl=False)
        return
    with _errors_explained():
        layout = Layout(var.resolve())
        compose_dotenv.write(out, Issuer(layout.issuer), layout.compose_keys)
    typer.echo(f"Wrote {out}. A token for the API: mindtrack-local token")
    typer.echo(f"Keep a copy of {layout.compose_keys} elsewhere: without it, no recording opens again.")


if __name__ == "__main__":
    app()
