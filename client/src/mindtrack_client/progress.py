"""Signs of life on stderr, and only if a person is looking at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from mindtrack_client.core import JobChange
from mindtrack_client.models import Job
from mindtrack_client.upload import UploadProgress

#: Starts a row with a label and returns what moves it on.
NewUpload = Callable[[str], UploadProgress]
NewWait = Callable[[str], JobChange]


@contextmanager
def uploads(console: Console) -> Iterator[NewUpload]:
    with _live(console, _label(), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as progress:

        def start(label: str) -> UploadProgress:
            row = progress.add_task(label, total=None)

            def sent(done: int, total: int) -> None:
                progress.update(row, completed=done, total=total)

            return sent

        yield start


@contextmanager
def waits(console: Console) -> Iterator[NewWait]:
    state = TextColumn("{task.fields[state]}", markup=False)
    with _live(console, SpinnerColumn(), _label(), state, TimeElapsedColumn()) as progress:

        def start(label: str) -> JobChange:
            row = progress.add_task(label, total=1, state="waiting")

            def changed(job: Job) -> None:
                again = f" (attempt {job.attempt})" if job.attempt > 1 else ""
                progress.update(row, state=f"{job.status}{again}", completed=int(job.is_finished))

            return changed

        yield start


def _label() -> ProgressColumn:
    # A recording's name is not markup.
    return TextColumn("{task.description}", markup=False)


def _live(console: Console, *columns: ProgressColumn) -> Progress:
    # Redirection would send what we print on stdout to stderr, away from a pipe.
    return Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
