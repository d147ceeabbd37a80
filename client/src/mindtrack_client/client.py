"""The SDK: a recording in, a typed result out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
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
    Listing,
    Options,
    Submission,
    Table,
    accesses_listing,
    analyses_listing,
    checked_token,
    checked_url,
    grants_listing,
    history_listing,
    invitation_document,
    invitations_listing,
    jobs_listing,
    notes_listing,
    patients_listing,
)
from mindtrack_client.exchange import Authorize, Blocking, Effect, Flow, Reply, Send, Sleep
from mindtrack_client.models import (
    Access,
    Erasure,
    Grant,
    HistoryDay,
    Invitation,
    Item,
    Job,
    JobStatus,
    Note,
    NoteWithRevisions,
    Overview,
    Patient,
    Receipt,
    RecordedAnalysis,
    Scope,
    Trend,
    UseContext,
)
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
        listing = jobs_listing(status, created_after, created_before, page_size)
        return self._each(listing)

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

    def erase_everything(self) -> Erasure:
        """Erase your recordings and all else about you, for good. Asked again, the receipt is the same.

        What you wrote about others as a clinician stays. Thousands of recordings take a while.
        """
        return self._run(self._core.erase_everything())

    def trends(self, user_id: UUID | str = "me", days: int = 7, *, measures: Iterable[str] = ()) -> Trend:
        """The last `days` days of your history, or of someone who granted you access to theirs.

        Each of the measures (the stress score, unless some are named) is compared with what is usual for the
        person: `Trend.measures`.
        """
        return self._run(self._core.trends(user_id, days, measures))

    def analyses(
        self,
        user_id: UUID | str = "me",
        *,
        recorded_after: datetime | None = None,
        recorded_before: datetime | None = None,
        page_size: int = 50,
    ) -> Iterator[RecordedAnalysis]:
        """Your analyses, newest recording first, or of someone who granted you access; without windows."""
        listing = analyses_listing(user_id, recorded_after, recorded_before, page_size)
        return self._each(listing)

    def invite(
        self,
        scopes: Iterable[Scope | str],
        *,
        purpose: str,
        use_context: UseContext | str,
        grant_days: int | None = None,
        code_days: int | None = None,
    ) -> Invitation:
        """Invite a clinician; tell them the `code` of what comes back, which is shown this once.

        Args:
            scopes: what the grant will open.
            purpose: what it is for, in words that both sides see.
            use_context: where what is read is used.
            grant_days: how long the grant will hold; the server's default otherwise.
            code_days: how long the code can be redeemed; the server's default otherwise.

        Raises:
            UseContextProhibitedError: emotions must not be inferred there.
            ConflictError: there are as many open invitations as one person may have.

        """
        document = invitation_document(scopes, purpose, use_context, grant_days, code_days)
        return self._run(self._core.invite(document))

    def invitations(self, page_size: int = 50) -> Iterator[Invitation]:
        """Your invitations, newest first; without their codes."""
        return self._each(invitations_listing(page_size))

    def withdraw(self, invitation_id: UUID | str) -> Invitation:
        """Make an invitation's code worthless.

        Raises:
            InvitationRedeemedError: it has become a grant: `revoke` that.

        """
        return self._run(self._core.withdraw(invitation_id))

    def redeem(self, code: str) -> Grant:
        """Turn a person's code into a grant, as a clinician. Sent again, the grant is the same.

        Raises:
            NotFoundError: the code opens nothing; it is not told why.

        """
        return self._run(self._core.redeem(code))

    def grants(self, *, live: bool = False, page_size: int = 50) -> Iterator[Grant]:
        """The grants you gave and, as a clinician, those you were given, newest first; also former ones."""
        return self._each(grants_listing(page_size, live=live))

    def revoke(self, grant_id: UUID | str) -> Grant:
        """End a grant, at once: take it back, or give it back as a clinician."""
        return self._run(self._core.revoke(grant_id))

    def accesses(self, page_size: int = 50) -> Iterator[Access]:
        """Who read, or tried to read, what of yours, newest first."""
        return self._each(accesses_listing(page_size))

    def patients(  # noqa: PLR0913 - one for each filter
        self,
        *,
        sort: str = "status",
        order: str = "desc",
        statuses: Iterable[str] = (),
        open_alerts: bool | None = None,
        search: str | None = None,
        page_size: int = 100,
    ) -> Iterator[Patient]:
        """As a clinician, who granted you something. Each of them can see that you looked.

        Args:
            sort: `status` (by urgency), `last_recorded` or `seven_day_z`.
            order: `desc`, the most urgent, the latest or the highest first; or `asc`.
            statuses: only those who stand so.
            open_alerts: only those who have open alerts, or who have none.
            search: only whose label holds these characters, in either case, or whose id this is.
            page_size: up to 1000.

        """
        return self._each(
            patients_listing(sort, order, statuses, page_size, open_alerts=open_alerts, search=search)
        )

    def patients_overview(self, silent_days: int | None = None) -> Overview:
        """As a clinician, how many of those who granted you something stand how."""
        return self._run(self._core.overview(silent_days))

    def label_patient(self, user_id: UUID | str, label: str | None) -> None:
        """As a clinician, call somebody something; nobody but you is shown it. None takes it away."""
        self._run(self._core.label(user_id, label))

    def notes(
        self, user_id: UUID | str = "me", *, deleted: bool = False, page_size: int = 50
    ) -> Iterator[Note]:
        """What clinicians wrote about you; or as a clinician, what you wrote about somebody. Newest first."""
        return self._each(notes_listing(user_id, page_size, deleted=deleted))

    def note(self, user_id: UUID | str, note_id: UUID | str) -> NoteWithRevisions:
        """A note, also a deleted one, with what it said before."""
        return self._run(self._core.note(user_id, note_id))

    def write_note(self, user_id: UUID | str, text: str) -> Note:
        """As a clinician, write something down about a person. They may read it."""
        return self._run(self._core.write_note(user_id, text))

    def change_note(self, user_id: UUID | str, note_id: UUID | str, text: str) -> Note:
        """Have a note of yours say something else. What it said before is kept."""
        return self._run(self._core.change_note(user_id, note_id, text))

    def delete_note(self, user_id: UUID | str, note_id: UUID | str) -> None:
        """Take a note of yours out of the list. It stays on record for you and the person."""
        self._run(self._core.delete_note(user_id, note_id))

    def history(
        self,
        user_id: UUID | str = "me",
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        page_size: int = 100,
    ) -> Iterator[HistoryDay]:
        """Your days, newest first, or of someone who granted you access. Days without are absent."""
        return self._each(history_listing(user_id, first_day, last_day, page_size))

    def export_csv(self, user_id: UUID | str = "me", table: Table | str = Table.ANALYSES) -> bytes:
        """All `analyses` or `days` as CSV (RFC 4180, UTF-8), as the server writes it."""
        return self._run(self._core.export_csv(user_id, table))

    def export_fhir(self, user_id: UUID | str = "me", page_size: int = 100) -> Iterator[dict[str, Any]]:
        """Analyses as FHIR R4 Observations, newest recording first."""
        cursor = None
        while True:
            resources, cursor = self._run(self._core.observations(user_id, page_size, cursor))
            yield from resources
            if cursor is None:
                return

    def _each(self, listing: Listing[Item]) -> Iterator[Item]:
        """Go through a list, page by page."""
        cursor = None
        while True:
            page = self._run(self._core.page(listing, cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

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
