"""The SDK: a recording in, a typed result out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx2

from mindtrack_client.clock import SYSTEM_CLOCK, Clock, Deadline
from mindtrack_client.connection import Connection
from mindtrack_client.errors import MindTrackError, WaitTimeoutError
from mindtrack_client.models import Job, JobPage, JobStatus, Priority, Trend
from mindtrack_client.upload import RecordingFile, UploadProgress, form_fields

#: Seconds that `submit(wait=True)` and `wait` allow unless told otherwise.
WAIT_TIMEOUT = 600.0
#: Seconds between polls when the server names no pause, and the shortest pause whatever it says.
POLL_SECONDS = 1.0
SHORTEST_POLL_SECONDS = 0.1
#: Pauses of up to 32 s in all: whoever waits for a job also waits out a server's restart.
WAIT_RETRIES = 8

JobChange = Callable[[Job], None]


class MindTrack:
    """One connection to a MindTrack server; safe to share between threads. Close it, or use `with`.

    Args:
        base_url: where the server is, such as `https://mindtrack.example`.
        token: the bearer token that says who you are.
        request_timeout: seconds for each network step (connecting, sending a piece, hearing an answer).
        transport: another way to send requests, for tests and unusual networks.
        clock: another source of time, for tests.

    Every method may raise what `mindtrack_client.errors` lists. Reading calls are repeated a few times on
    connection errors and on 429, 502, 503 and 504, honouring Retry-After; an upload is never sent twice.

    Raises:
        ConfigurationError: the base URL or the token cannot be used.

    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        request_timeout: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._connection = Connection(
            base_url,
            token,
            timeout=request_timeout,
            clock=clock,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def submit(  # noqa: PLR0913 - one keyword per part of the request
        self,
        path: str | PathLike[str],
        *,
        recorded_at: datetime | None = None,
        time_zone: str | None = None,
        prompt_ended_at: datetime | None = None,
        priority: Priority | str | None = None,
        wait: bool = False,
        timeout: float | None = WAIT_TIMEOUT,
        on_upload_progress: UploadProgress | None = None,
    ) -> Job:
        """Upload a recording, streamed from disk, and return its job.

        Args:
            path: the recording.
            recorded_at: when it began, with a UTC offset; the server takes the time of upload otherwise.
            time_zone: IANA name of the speaker's time zone: it decides the day the recording counts for.
                UTC otherwise.
            prompt_ended_at: when the prompt that the speaker answers had ended, by the clock of
                `recorded_at`; no response latency is measured without it.
            priority: `bulk` lets recordings go first whose result somebody waits for.
                `interactive` otherwise.
            wait: return the finished job instead of the accepted one, whether it went well or not.
            timeout: seconds to wait once the upload is done; None waits as long as it takes.
            on_upload_progress: called with (bytes so far, bytes in all).

        Raises:
            OSError: the recording cannot be read.
            ValueError: a time has no UTC offset, `prompt_ended_at` comes without `recorded_at`, or there is
                no such priority.
            WaitTimeoutError: `timeout` is over; the job goes on and `wait(error.job_id)` resumes.

        """
        path = Path(path)
        fields = form_fields(recorded_at, time_zone, prompt_ended_at, priority)
        with RecordingFile(path, on_upload_progress) as file:
            accepted = self._connection.post("v1/jobs", Job, file=file, name=path.name, fields=fields)
        job = accepted.body
        if not wait or job.is_finished:
            return job
        deadline = self._clock.deadline(timeout)
        self._pause(accepted.retry_after, deadline)
        return self._follow(job.id, timeout, deadline)

    def job(self, job_id: UUID | str) -> Job:
        """The job as it stands, with the windows of its analysis."""
        return self._connection.get(_job_path(UUID(str(job_id))), Job).body

    def wait(
        self,
        job_id: UUID | str,
        timeout: float | None = WAIT_TIMEOUT,
        on_change: JobChange | None = None,
    ) -> Job:
        """Return the job once it is finished, well or not.

        Args:
            job_id: from `Job.id`, or from the `job_id` of an error.
            timeout: seconds; 0 asks once, None waits as long as it takes. The last request may outlast it.
            on_change: called with the first state seen and with every new status or attempt.

        Raises:
            WaitTimeoutError: `timeout` is over; the job goes on and another `wait` resumes.

        """
        return self._follow(UUID(str(job_id)), timeout, self._clock.deadline(timeout), on_change)

    def jobs(self, *, status: JobStatus | str | None = None, page_size: int = 50) -> Iterator[Job]:
        """Your jobs, newest first, fetched page by page as you go. Their analyses come without windows."""
        params: dict[str, str | int] = {"limit": page_size}
        if status is not None:
            params["status"] = JobStatus(status).value
        while True:
            page = self._connection.get("v1/jobs", JobPage, params=params).body
            yield from page.items
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    def trends(self, user_id: UUID | str = "me", days: int = 7) -> Trend:
        """The last `days` days of your stress history, or of someone who granted you access to theirs."""
        who = user_id if user_id == "me" else UUID(str(user_id))
        return self._connection.get(f"v1/users/{who}/trends", Trend, params={"days": days}).body

    def _follow(
        self,
        job_id: UUID,
        timeout: float | None,
        deadline: Deadline,
        on_change: JobChange | None = None,
    ) -> Job:
        seen: tuple[JobStatus, int] | None = None
        while True:
            try:
                answer = self._connection.get(
                    _job_path(job_id),
                    Job,
                    retries=WAIT_RETRIES,
                    deadline=deadline,
                )
            except MindTrackError as error:
                error.job_id = job_id
                raise
            job = answer.body
            if on_change is not None and seen != (job.status, job.attempt):
                on_change(job)
            seen = (job.status, job.attempt)
            if job.is_finished:
                return job
            if timeout is not None and deadline.remaining() <= 0:
                raise WaitTimeoutError(job, timeout)
            self._pause(answer.retry_after, deadline)

    def _pause(self, retry_after: float | None, deadline: Deadline) -> None:
        """Let the server's pause pass, but wake at the deadline for one last look."""
        wanted = POLL_SECONDS if retry_after is None else max(retry_after, SHORTEST_POLL_SECONDS)
        self._clock.sleep(max(0.0, min(wanted, deadline.remaining())))


def _job_path(job_id: UUID) -> str:
    return f"v1/jobs/{job_id}"
