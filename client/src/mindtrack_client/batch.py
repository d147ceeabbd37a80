"""Several recordings in one command: all go up, then all are waited for. One's trouble stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console

from mindtrack_client import exits, progress
from mindtrack_client.client import MindTrack
from mindtrack_client.clock import SYSTEM_CLOCK
from mindtrack_client.errors import MindTrackError, WaitTimeoutError
from mindtrack_client.exits import ExitCode
from mindtrack_client.models import Job, Priority


@dataclass(slots=True)
class Outcome:
    path: Path
    job: Job | None = None
    error: MindTrackError | OSError | None = None

    @property
    def exit_code(self) -> ExitCode:
        if self.error is not None:
            return exits.for_error(self.error)
        return ExitCode.OK if self.job is None else exits.for_job(self.job)


@dataclass(frozen=True, slots=True)
class Capture:
    """When and where the recordings were made, as far as somebody said so."""

    recorded_at: datetime | None = None
    prompt_ended_at: datetime | None = None
    time_zone: str | None = None


def upload(
    mindtrack: MindTrack,
    outcomes: Iterable[Outcome],
    *,
    capture: Capture,
    priority: Priority | None,
    console: Console,
) -> None:
    with progress.uploads(console) as start:
        for outcome in outcomes:
            try:
                outcome.job = mindtrack.submit(
                    outcome.path,
                    recorded_at=capture.recorded_at,
                    prompt_ended_at=capture.prompt_ended_at,
                    time_zone=capture.time_zone,
                    priority=priority,
                    on_upload_progress=start(outcome.path.name),
                )
            except (MindTrackError, OSError) as error:
                outcome.error = error


def wait(mindtrack: MindTrack, outcomes: Sequence[Outcome], *, timeout: float, console: Console) -> None:
    """Allow `timeout` seconds for all of them together; each gets at least one look."""
    deadline = SYSTEM_CLOCK.deadline(timeout)
    with progress.waits(console) as start:
        pending = [(outcome, outcome.job, start(outcome.path.name)) for outcome in outcomes if outcome.job]
        for outcome, job, on_change in pending:
            try:
                outcome.job = mindtrack.wait(job.id, max(0.0, deadline.remaining()), on_change)
            except WaitTimeoutError as error:
                outcome.job, outcome.error = error.job, error
            except MindTrackError as error:
                outcome.error = error
