"""Seven voice logs through the real system: submitted, analysed, read back as a week."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from importlib.resources import as_file, files
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from mindtrack_client import Job, JobStatus, MindTrack, Trend

#: In the order of the days; every format a phone sends.
SAMPLES = (
    "day-1.wav",
    "day-2.m4a",
    "day-3.webm",
    "day-4.mp3",
    "day-5.ogg",
    "day-6.flac",
    "day-7.m4a",
)
EVENING = time(18, tzinfo=UTC)
JOB_TIMEOUT = 120.0  # seconds


@dataclass(frozen=True)
class Log:
    """A sample, and the job that it became."""

    sample: str
    recorded_at: datetime
    job: Job


@dataclass(frozen=True)
class Week:
    logs: tuple[Log, ...]
    trend: Trend

    @property
    def complete(self) -> bool:
        """Whether every log was analysed and, unless the model could not tell, counts in the trend."""
        succeeded = all(log.job.status is JobStatus.SUCCEEDED for log in self.logs)
        analyses = [log.job.analysis for log in self.logs if log.job.analysis]
        telling = [one for one in analyses if one.stress_score is not None and not one.indeterminate]
        return succeeded and self.trend.count == len(telling)


@contextmanager
def samples_folder() -> Iterator[Path]:
    with as_file(files("mindtrack_local") / "samples") as folder:
        yield folder


def new_subject() -> str:
    """Name someone without a history, so that the trend is exactly what the demo submits."""
    return f"demo-{secrets.token_hex(4)}"


def evenings(count: int, now: datetime) -> list[datetime]:
    """The last evenings, today's last; today's is not later than now."""
    today = now.astimezone(UTC).date()
    days = (today - timedelta(days=back) for back in reversed(range(count)))
    return [min(datetime.combine(day, EVENING), now) for day in days]


def run(client: MindTrack, samples: Path, progress: Progress) -> Week:
    """Submit the samples, wait for every analysis and read the trend."""
    moments = dict(zip(SAMPLES, evenings(len(SAMPLES), datetime.now(UTC)), strict=True))
    sending = progress.add_task("Submitting", total=len(SAMPLES))
    jobs: dict[str, Job] = {}
    for sample, moment in moments.items():
        jobs[sample] = client.submit(samples / sample, recorded_at=moment, time_zone="UTC")
        progress.advance(sending)
    analysing = progress.add_task("Analysing", total=len(SAMPLES))
    logs = []
    for sample, moment in moments.items():
        logs.append(Log(sample, moment, client.wait(jobs[sample].id, timeout=JOB_TIMEOUT)))
        progress.advance(analysing)
    return Week(tuple(logs), client.trends(days=len(SAMPLES)))


def progress_bars() -> Progress:
    return Progress(SpinnerColumn(), TextColumn("{task.description:<11}"), BarColumn(), MofNCompleteColumn())
