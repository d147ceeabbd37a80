"""Signs of life on stderr, and only if a person is looking at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
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


@contextmanager
def counted(console: Console, label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of things done, of things in all."""
    with _live(console, _label(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        row = progress.add_task(label, total=None)

        def step(done: int, total: int) -> None:
            progress.update(row, completed=done, total=total)

        yield step


#: The quietest and loudest level that a meter shows, dBFS.
METER = (-60.0, 0.0)


@contextmanager
def recording(console: Console, seconds: float) -> Iterator[Callable[[float, float], None]]:
    """How long it goes on, and how loud it is."""
    note = TextColumn("{task.fields[note]}", markup=False)
    with _live(console, _label(), BarColumn(), note) as progress:
        clock = progress.add_task("Recording", total=seconds, note="")
        least, most = METER
        meter = progress.add_task("Level", total=most - least, note="")

        def heard(so_far: float, level: float) -> None:
            progress.update(clock, completed=so_far, note=f"{seconds - so_far:4.1f} s left")
            progress.update(meter, completed=min(max(level, least), most) - least, note=f"{level:5.0f} dBFS")

        yield heard


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
