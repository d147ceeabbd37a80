"""The SDK: a recording in, a typed result out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

import httpx2

from mindtrack_client import wire
from mindtrack_client.clock import SYSTEM_CLOCK, Clock
from mindtrack_client.core import (
    DIRECT_FROM_BYTES,
    WAIT_TIMEOUT,
    Core,
    JobChange,
    Options,
    Submission,
    checked_token,
    checked_url,
)
from mindtrack_client.exchange import Authorize, Blocking, Effect, Flow, Reply, Send, Sleep
from mindtrack_client.models import Job, JobStatus, Receipt, Trend
from mindtrack_client.retry import Retry

T = TypeVar("T")


class MindTrack:
    """One connection to a MindTrack server; safe to share between threads. Close it, or use `with`.

    Args:
        base_url: where the server is, such as `https://mindtrack.example`.
        token: the bearer token that says who you are, or what returns one: it is asked at the first request,
            and once more whenever the server does not accept the token it gave.
        request_timeout: seconds for each network step (connecting, sending a piece, hearing an answer).
        retry: how persistent to be when the server is away or busy.
        direct_from: recordings of so many bytes and more go to storage directly, where the server offers it.
        transport: another way to send requests, for tests and unusual networks.
        clock: another source of time, for tests.

    Every method may raise what `mindtrack_client.errors` lists. Requests are repeated on connection errors
    and on 408, 429, 502, 503 and 504; a submission under the same `Idempotency-Key`: it stays one job.

    Raises:
        ConfigurationError: the base URL or the token cannot be used.

    """

    def __init__(  # noqa: PLR0913 - one keyword per setting
        self,
        base_url: str,
        token: str | Callable[[], str],
        *,
        request_timeout: float = 30.0,
        retry: Retry | None = None,
        direct_from: int = DIRECT_FROM_BYTES,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._base_url = checked_url(base_url)
        self._tokens = _Tokens(token)
        self._clock = clock
        self._timeout = request_timeout
        self._core = Core(clock, retry or Retry(), direct_from)
        self._http = httpx2.Client(transport=transport)

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
        self._http.close()

    def analyze(
        self,
        path: str | PathLike[str],
        *,
        on_change: JobChange | None = None,
        timeout: float | None = WAIT_TIMEOUT,
        **options: Unpack[Options],
    ) -> Job:
        """Upload a recording and return its job once that is finished, well or not: `submit`, then `wait`."""
        submission = Submission.of(path, options)
        return self._run(self._core.analyze(submission, timeout, on_change))

    def submit(
        self,
        path: str | PathLike[str],
        *,
        wait: bool = False,
        timeout: float | None = WAIT_TIMEOUT,
        **options: Unpack[Options],
    ) -> Job:
        """Upload a recording, streamed from disk, and return its job.

        Args:
            path: the recording.
            wait: return the finished job instead of the accepted one, as `analyze` does.
            timeout: seconds to wait once the upload is done; None waits as long as it takes.
            **options: what is said of it, and how it is sent; see `Options`.

        Raises:
            OSError: the recording cannot be read.
            ValueError: a time has no UTC offset, `prompt_ended_at` comes without `recorded_at`, there is no
                such priority, or the key is none.
            WaitTimeoutError: `timeout` is over; the job goes on and `wait(error.job_id)` resumes.

        """
        submission = Submission.of(path, options)
        if wait:
            return self._run(self._core.analyze(submission, timeout, None))
        return self._run(self._core.submit(submission))

    def job(self, job_id: UUID | str) -> Job:
        """The job as it stands, with the windows of its analysis."""
        return self._run(self._core.job(job_id))

    def document(self, job_id: UUID | str) -> dict[str, Any]:
        """The job as the server wrote it, with what this version has no name for."""
        return self._run(self._core.document(job_id))

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
        return self._run(self._core.wait(job_id, timeout, on_change))

    def jobs(
        self,
        *,
        status: JobStatus | str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int = 50,
    ) -> Iterator[Job]:
        """Your jobs, newest first, fetched page by page as you go. Their analyses come without windows."""
        cursor = None
        while True:
            page = self._run(
                self._core.jobs(
                    status=status,
                    created_after=created_after,
                    created_before=created_before,
                    page_size=page_size,
                    cursor=cursor,
                )
            )
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def statuses(self, job_ids: Iterable[UUID | str]) -> dict[UUID, JobStatus | None]:
        """How many jobs stand, a hundred in one request; None for those that are unknown or not yours."""
        return self._run(self._core.statuses(list(job_ids)))

    def cancel(self, job_id: UUID | str) -> Job:
        """Withdraw a job.

        Raises:
            ConflictError: a worker has taken it.

        """
        return self._run(self._core.cancel(job_id))

    def delete(self, job_id: UUID | str) -> Receipt:
        """Delete a job, its recording and its analysis. Deleted again, the receipt is the same."""
        return self._run(self._core.delete(job_id))

    def trends(self, user_id: UUID | str = "me", days: int = 7) -> Trend:
        """The last `days` days of your stress history, or of someone who granted you access to theirs."""
        return self._run(self._core.trends(user_id, days))

    def _run(self, flow: Flow[T]) -> T:
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = self._perform(effect)
                except Exception as error:  # noqa: BLE001 - the flow decides
                    effect = flow.throw(error)
                else:
                    effect = flow.send(outcome)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            flow.close()

    def _perform(self, effect: Effect) -> object:
        match effect:
            case Send():
                return self._send(effect)
            case Authorize(stale):
                return self._tokens.get(stale)
            case Sleep(seconds):
                self._clock.sleep(seconds)
                return None
            case Blocking(run):
                return run()

    def _send(self, effect: Send) -> Reply:
        outgoing = wire.request(self._base_url, effect, timeout=self._timeout)
        with wire.connection_errors(outgoing):
            return wire.reply(self._http.send(outgoing))


class _Tokens:
    def __init__(self, source: str | Callable[[], str]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._current = None if callable(source) else checked_token(source)

    def get(self, stale: str | None) -> str:
        """Return the token; a new one if this one is stale, unless another thread got one meanwhile."""
        with self._lock:
            if callable(self._source) and (self._current is None or self._current == stale):
                self._current = checked_token(self._source())
            assert self._current is not None  # noqa: S101 - a string was checked when it was given
            return self._current
