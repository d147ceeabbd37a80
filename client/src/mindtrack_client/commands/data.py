"""`mindtrack history`, `delete`, `erase` and `export`: what the service keeps about a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from mindtrack_client import archive, progress, render
from mindtrack_client.archive import Format
from mindtrack_client.client import MindTrack
from mindtrack_client.invocation import invocation
from mindtrack_client.models import Job, JobStatus
from mindtrack_client.options import AsJson, TimeZone, moment

#: The largest page we ask the server for.
PAGE_SIZE = 100

Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only jobs from then on: a date, or an ISO 8601 time.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only jobs before then.")]


def history(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    since: Since = None,
    until: Until = None,
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most; all otherwise.")] = None,
    time_zone: TimeZone = None,
    as_json: AsJson = False,
) -> None:
    """Show your recordings and their scores, newest first."""
    after, before = moment(since, time_zone, "--since"), moment(until, time_zone, "--until")
    with invocation(context, as_json=as_json) as run:
        found = islice(_jobs(run.mindtrack, after, before, status), limit)
        if run.as_json:
            for job in found:
                run.print_json(job)
        else:
            render.print_history(run.out, found)


def delete(
    context: typer.Context,
    *,
    job_id: Annotated[UUID, typer.Argument(metavar="JOB_ID")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a job with its recording and analysis. There is no way back."""
    with invocation(context, as_json=as_json) as run:
        if not yes:
            typer.confirm(f"Delete {job_id}, its recording and its analysis?", abort=True, err=True)
        receipt = run.mindtrack.delete(job_id)
        if run.as_json:
            run.print_json(receipt)
        else:
            run.out.print(f"Deleted {job_id}; receipt {receipt.receipt_id}.", soft_wrap=True)
            if receipt.audio_deleted_at is None:
                run.out.print("Its audio is out of reach, and is deleted as soon as storage answers.")


def erase(
    context: typer.Context,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase your recordings and all else that there is about you. There is no way back."""
    with invocation(context, as_json=as_json) as run:
        if not yes:
            typer.confirm(
                "Erase all your recordings and results, grants, settings and notes about you?",
                abort=True,
                err=True,
            )
        told = run.mindtrack.erase_everything()
        if run.as_json:
            run.print_json(told)
            return
        removed = ", ".join(f"{number} {name}" for name, number in told.removed.items() if number)
        run.out.print(f"Erased {removed or 'nothing'}; receipt {told.receipt_id}.", soft_wrap=True)
        if told.audio_left:
            run.out.print("Their audio is out of reach, and is deleted within minutes.")


def export(
    context: typer.Context,
    *,
    target: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="Where to; `-` is stdout.")],
    kind: Annotated[
        Format | None,
        typer.Option("--format", help="JSON lines, or a zip with a manifest; by the file's name otherwise."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save all your jobs, each with its whole analysis, as the server writes them."""
    kind = kind or (Format.ZIP if target.suffix.lower() == ".zip" else Format.JSONL)
    to_stdout = str(target) == "-"
    if to_stdout and kind is Format.ZIP:
        raise typer.BadParameter("goes into a file", param_hint="--format zip")
    with invocation(context, as_json=as_json) as run:
        if not to_stdout and target.exists() and not force:
            raise FileExistsError(f"{target} is there already; --force replaces it")
        with progress.counted(run.err, "Exporting") as on_step:
            documents = archive.collect(run.mindtrack, PAGE_SIZE, on_step)
            if to_stdout:
                for document in documents:
                    run.print_document(document)
                return
            manifest = archive.write(target, kind, documents, server=run.url)
        if run.as_json:
            run.print_document(manifest)
        else:
            run.out.print(
                f"{manifest['jobs']} jobs, {manifest['analyses']} analyses: {target}", soft_wrap=True
            )


def _jobs(
    mindtrack: MindTrack, after: datetime | None, before: datetime | None, status: JobStatus | None
) -> Iterator[Job]:
    """Yield jobs of a time, also from servers that do not look at it."""
    for job in mindtrack.jobs(status=status, created_after=after, created_before=before, page_size=PAGE_SIZE):
        if after is not None and job.created_at < after:
            return  # newest first: all that follow are older
        if before is None or job.created_at < before:
            yield job
