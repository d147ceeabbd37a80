"""The `mindtrack` command."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from mindtrack_client import batch, exits, progress, render, report
from mindtrack_client.batch import Capture, Outcome
from mindtrack_client.commands import consent, data, patients, record, webhook
from mindtrack_client.commands.data import PAGE_SIZE
from mindtrack_client.core import WAIT_TIMEOUT
from mindtrack_client.exits import MEANINGS
from mindtrack_client.invocation import Globals, invocation
from mindtrack_client.models import JobStatus, Priority
from mindtrack_client.options import AsJson, Timeout, TimeZone, moment
from mindtrack_client.retry import ATTEMPTS
from mindtrack_client.version import __version__

EPILOG = "\n".join(["Exit codes", *(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())])

app = typer.Typer(
    name="mindtrack",
    help=f"Send voice logs to MindTrack and read the stress indices. {render.NOTICE}",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's signature for callbacks
    if wanted:
        typer.echo(f"mindtrack {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    *,
    url: Annotated[str | None, typer.Option(envvar="MINDTRACK_URL", help="The server's address.")] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="MINDTRACK_TOKEN", help="Your bearer token; the variable keeps it out of `ps`."),
    ] = None,
    attempts: Annotated[
        int,
        typer.Option(
            envvar="MINDTRACK_ATTEMPTS", min=1, help="How often to try when the server is away or busy."
        ),
    ] = ATTEMPTS,
    as_json: AsJson = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    context.obj = Globals(url=url, token=token, as_json=as_json, attempts=attempts)


@app.command()
def submit(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="Recordings."),
    ],
    wait: Annotated[bool, typer.Option(help="Wait for the results.")] = True,
    recorded_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="ISO 8601; without an offset, in --time-zone or else your own."),
    ] = None,
    prompt_ended_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the prompt had ended, like --recorded-at: how long the answer took is then measured.",
        ),
    ] = None,
    time_zone: TimeZone = None,
    priority: Annotated[
        Priority | None,
        typer.Option(help="`bulk` lets recordings go first whose result somebody waits for."),
    ] = None,
    timeout: Timeout = WAIT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Upload recordings and show what the voice says."""
    if recorded_at is not None and len(files) > 1:
        raise typer.BadParameter("goes with one recording at a time", param_hint="--recorded-at")
    if prompt_ended_at is not None and recorded_at is None:
        raise typer.BadParameter("needs --recorded-at to be counted from", param_hint="--prompt-ended-at")
    capture = Capture(
        recorded_at=moment(recorded_at, time_zone, "--recorded-at"),
        prompt_ended_at=moment(prompt_ended_at, time_zone, "--prompt-ended-at"),
        time_zone=time_zone,
    )
    with invocation(context, as_json=as_json) as run:
        outcomes = [Outcome(path) for path in files]
        try:
            batch.upload(run.mindtrack, outcomes, capture=capture, priority=priority, console=run.err)
            if wait:
                batch.wait(run.mindtrack, outcomes, timeout=timeout, console=run.err)
        except KeyboardInterrupt:
            report.hint_unfinished(run, outcomes)
            raise
        report.outcomes(run, outcomes)
        raise typer.Exit(max(outcome.exit_code for outcome in outcomes))


@app.command()
def watch(
    context: typer.Context,
    *,
    job_id: Annotated[UUID, typer.Argument(metavar="JOB_ID")],
    timeout: Timeout = WAIT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Wait for a job and show its result."""
    with invocation(context, as_json=as_json) as run:
        with progress.waits(run.err) as start:
            job = run.mindtrack.wait(job_id, timeout, start(str(job_id)))
        if run.as_json:
            run.print_json(job)
        else:
            render.print_job(run.out, job, details=True)
            if job.analysis:
                render.print_notice(run.out)
        raise typer.Exit(exits.for_job(job))


@app.command()
def jobs(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """List your jobs, newest first."""
    with invocation(context, as_json=as_json) as run:
        found = islice(run.mindtrack.jobs(status=status, page_size=min(limit, PAGE_SIZE)), limit)
        if run.as_json:
            for job in found:
                run.print_json(job)
        else:
            render.print_jobs(run.out, found)


def _user(value: str) -> str:
    if value == "me":
        return value
    try:
        return str(UUID(value))
    except ValueError:
        raise typer.BadParameter("must be a user's id or `me`") from None


@app.command()
def trends(
    context: typer.Context,
    *,
    days: Annotated[int, typer.Option(min=1, help="How many days, today included.")] = 7,
    user: Annotated[
        str, typer.Option(parser=_user, metavar="ID", help="Someone who granted you access.")
    ] = "me",
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What to compare with what is usual, e.g. f0_median_hz."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how stress went from day to day, and how that compares with what is usual."""
    with invocation(context, as_json=as_json) as run:
        trend = run.mindtrack.trends(user, days, measures=measure or ())
        if run.as_json:
            run.print_json(trend)
        else:
            render.print_trend(run.out, trend)


app.add_typer(webhook.app, name="webhook")
for _command in (
    record.record,
    data.history,
    data.delete,
    data.erase,
    data.export,
    consent.invite,
    consent.invitations,
    consent.withdraw,
    consent.redeem,
    consent.grants,
    consent.revoke,
    consent.accesses,
    patients.patients,
):
    app.command()(_command)
