"""What every call does, without I/O: requests as data, answers parsed once, retries and waiting as flows.

`MindTrack` and `AsyncMindTrack` run the same flows; neither knows anything that the other does not.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import Any, Generic, Self, TypedDict, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from pydantic import ValidationError

from mindtrack_client.clock import Clock, Deadline
from mindtrack_client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    MindTrackError,
    NotFoundError,
    ProblemError,
    UnexpectedAnswerError,
    UploadsNotConfiguredError,
    WaitTimeoutError,
    problem_class,
    problem_document,
)
from mindtrack_client.exchange import Authorize, Blocking, Flow, Params, Reply, Request, Send, Sleep
from mindtrack_client.models import (
    Access,
    Bundle,
    Erasure,
    Grant,
    HistoryDay,
    Invitation,
    Item,
    Job,
    JobStatus,
    Model,
    Note,
    NoteWithRevisions,
    Overview,
    Page,
    Patient,
    Priority,
    Receipt,
    RecordedAnalysis,
    Scope,
    Standing,
    Trend,
    Upload,
    UseContext,
)
from mindtrack_client.retry import Retry, was_refused
from mindtrack_client.upload import (
    UNTYPED,
    FileContent,
    RecordingFile,
    UploadProgress,
    content_type,
    form,
    form_fields,
)

#: Seconds that waiting allows unless told otherwise.
WAIT_TIMEOUT = 600.0
#: Seconds for which the server is asked to hold an answer; below what proxies cut.
HOLD_SECONDS = 25
#: Seconds between polls when the server names no pause, and the shortest pause whatever it says.
POLL_SECONDS = 1.0
SHORTEST_POLL_SECONDS = 0.1
#: Attempts while waiting: whoever waits for a job also waits out a server's restart.
WAIT_ATTEMPTS = 9
#: From this size on a recording goes to storage directly, where the server offers that.
DIRECT_FROM_BYTES = 16 * 1024 * 1024
#: The most jobs that one request may ask the standing of.
MOST_STATUSES = 100

METHOD_NOT_ALLOWED = 405
NOT_MODIFIED = 304
UNAUTHORIZED = 401

Body = TypeVar("Body", bound=Model)
JobChange = Callable[[Job], None]

_KEY = re.compile(r"[!-~]{1,255}")


class Table(StrEnum):
    """What can be had as a table."""

    DAYS = "days"
    ANALYSES = "analyses"


class Options(TypedDict, total=False):
    """What may be said of a recording as it is submitted, and how to send it."""

    #: When it began, with a UTC offset; the server takes the time of upload otherwise.
    recorded_at: datetime | None
    #: IANA name of the speaker's zone: it decides the day the recording counts for. UTC otherwise.
    time_zone: str | None
    #: When the prompt that the speaker answers had ended, by the clock of `recorded_at`; no response latency
    #: is measured without it.
    prompt_ended_at: datetime | None
    #: `bulk` lets recordings go first whose result somebody waits for; `interactive` otherwise.
    priority: Priority | str | None
    #: Your own name for this submission, to repeat it in another process; a new UUID otherwise.
    idempotency_key: str | None
    #: Whether the recording goes to storage directly; by its size otherwise.
    direct: bool | None
    #: Called with (bytes so far, bytes in all); after a failed attempt, from the start again.
    on_upload_progress: UploadProgress | None


@dataclass(frozen=True, slots=True)
class Submission:
    """A recording to send, and all that goes along."""

    path: Path
    fields: Mapping[str, str]
    idempotency_key: str
    direct: bool | None
    on_progress: UploadProgress | None

    @classmethod
    def of(cls, path: str | PathLike[str], options: Options) -> Self:
        """Check what is said of a recording.

        Raises:
            TypeError: there is no such option.
            ValueError: a time has no UTC offset, `prompt_ended_at` comes without `recorded_at`, there is no
                such priority, or the key is none.

        """
        if unknown := set(options) - set(Options.__annotations__):
            raise TypeError(f"unexpected: {', '.join(sorted(unknown))}")
        key = options.get("idempotency_key")
        key = str(uuid.uuid4()) if key is None else key
        if not _KEY.fullmatch(key):
            raise ValueError("an idempotency key is 1 to 255 visible ASCII characters")
        fields = form_fields(
            options.get("recorded_at"),
            options.get("time_zone"),
            options.get("prompt_ended_at"),
            options.get("priority"),
        )
        return cls(Path(path), fields, key, options.get("direct"), options.get("on_upload_progress"))

    @property
    def headers(self) -> dict[str, str]:
        """The key, as a string of structured fields (RFC 9651)."""
        escaped = self.idempotency_key.replace("\\", "\\\\").replace('"', '\\"')
        return {"Idempotency-Key": f'"{escaped}"'}


def checked_url(base_url: str) -> str:
    """Return a base URL without a slash at its end.

    Raises:
        ConfigurationError: it is none.

    """
    try:
        parts = urlsplit(base_url)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError as error:
        raise ConfigurationError(f"not a URL: {base_url!r} ({error})") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"the base URL must start with http:// or https:// and a host, got {base_url!r}"
        )
    return base_url.rstrip("/")


def checked_token(token: object) -> str:
    """Return a token that can go into a header.

    Raises:
        ConfigurationError: it cannot. The message does not quote it: messages end up in logs.

    """
    good = isinstance(token, str) and token and token.isascii() and token.isprintable() and " " not in token
    if not good:
        raise ConfigurationError("the token must be one word of printable ASCII characters")
    return str(token)


class Core:
    """The calls, as flows."""

    def __init__(self, clock: Clock, retry: Retry, direct_from: int = DIRECT_FROM_BYTES) -> None:
        self._clock = clock
        self._retry = retry
        # Who wants no second attempt gets none here, either.
        patient = max(retry.attempts, WAIT_ATTEMPTS) if retry.attempts > 1 else 1
        self._retry_while_waiting = replace(retry, attempts=patient)
        self._direct_from = direct_from

    def submit(self, submission: Submission) -> Flow[Job]:
        file = yield Blocking(lambda: RecordingFile(submission.path, submission.on_progress))
        with closing(file):
            direct = submission.direct
            if direct or (direct is None and file.size_bytes >= self._direct_from):
                job = yield from self._submit_directly(submission, file)
                if job is not None:
                    return job
            content = form(file, submission.path.name, submission.fields)
            headers = {**submission.headers, "Content-Digest": (yield Blocking(content.digest))}
            request = Request("POST", "v1/jobs", headers=headers, content=content)
            return parsed((yield from self._exchange(request)), Job)

    def _submit_directly(self, submission: Submission, file: RecordingFile) -> Flow[Job | None]:
        """Put the recording into storage and submit it from there; None where there is no such way."""
        kind = content_type(submission.path.name)
        content = FileContent(file, kind)
        said = {"size_bytes": file.size_bytes, "content_digest": (yield Blocking(content.digest))}
        if kind != UNTYPED:
            said["content_type"] = kind
        try:
            upload = parsed((yield from self._exchange(json_request("POST", "v1/uploads", said))), Upload)
        except ProblemError as error:
            if submission.direct or not _offers_no_uploads(error):
                raise
            return None
        # A URL of storage is its own permission; a token is nothing that storage should see.
        put = Request(upload.method, upload.url, headers=upload.headers, content=content, authorized=False)
        refuse_redirect((yield from self._exchange(put)))
        document = {"upload_id": str(upload.id), **submission.fields}
        request = json_request("POST", "v1/jobs", document, headers=submission.headers)
        return parsed((yield from self._exchange(request)), Job)

    def analyze(
        self, submission: Submission, timeout: float | None, on_change: JobChange | None
    ) -> Flow[Job]:
        job = yield from self.submit(submission)
        return job if job.is_finished else (yield from self.wait(job.id, timeout, on_change))

    def job(self, job_id: UUID | str) -> Flow[Job]:
        return parsed((yield from self._exchange(Request("GET", job_path(job_id)))), Job)

    def document(self, job_id: UUID | str) -> Flow[dict[str, Any]]:
        reply = yield from self._exchange(Request("GET", job_path(job_id)))
        parsed(reply, Job)  # whatever else it is, it is a job
        document: dict[str, Any] = json.loads(reply.body)
        return document

    def wait(
        self, job_id: UUID | str, timeout: float | None, on_change: JobChange | None = None
    ) -> Flow[Job]:
        job_id = UUID(str(job_id))
        try:
            return (yield from self._follow(job_id, timeout, on_change))
        except MindTrackError as error:
            error.job_id = job_id
            raise

    def _follow(self, job_id: UUID, timeout: float | None, on_change: JobChange | None) -> Flow[Job]:
        deadline = self._clock.deadline(timeout)
        job: Job | None = None
        etag: str | None = None
        while True:
            hold = round(max(0, min(HOLD_SECONDS, deadline.remaining())))
            asked_at = self._clock.now()
            request = Request("GET", job_path(job_id), headers=_wishes(hold, etag), hold=hold)
            reply = yield from self._exchange(request, deadline, self._retry_while_waiting)
            if reply.status != NOT_MODIFIED or job is None:
                before, job = job, parsed(reply, Job)
                etag = reply.headers.get("etag")
                if on_change is not None and _differs(before, job):
                    on_change(job)
            if job.is_finished:
                return job
            if timeout is not None and deadline.remaining() <= 0:
                raise WaitTimeoutError(job, timeout)
            # A held answer was the pause already, unless the server let go of it early.
            held = "wait" in reply.headers.get("preference-applied", "") and hold > 0
            if not held or self._clock.now() - asked_at < hold / 2:
                yield Sleep(self._pause(reply, deadline))

    def _pause(self, reply: Reply, deadline: Deadline) -> float:
        """Return the pause that the server would like, but wake at the deadline for one last look."""
        named = self._clock.parse_retry_after(reply.headers.get("retry-after"))
        wanted = self._retry.spread(POLL_SECONDS if named is None else max(named, SHORTEST_POLL_SECONDS))
        return max(0.0, min(wanted, deadline.remaining()))

    def page(self, listing: Listing[Item], cursor: str | None) -> Flow[Page[Item]]:
        params = {**listing.params, **({"cursor": cursor} if cursor is not None else {})}
        return parsed((yield from self._exchange(Request("GET", listing.path, params))), listing.page)

    def statuses(self, job_ids: list[UUID | str]) -> Flow[dict[UUID, JobStatus | None]]:
        wanted = [UUID(str(job_id)) for job_id in job_ids]
        found: dict[UUID, JobStatus | None] = dict.fromkeys(wanted)
        for start in range(0, len(wanted), MOST_STATUSES):
            some = [str(job_id) for job_id in wanted[start : start + MOST_STATUSES]]
            request = json_request("POST", "v1/jobs/status", {"ids": some})
            standing = parsed((yield from self._exchange(request)), Standing)
            found.update((item.id, item.status) for item in standing.items)
        return found

    def cancel(self, job_id: UUID | str) -> Flow[Job]:
        request = Request("POST", f"{job_path(job_id)}/cancel")
        return parsed((yield from self._exchange(request)), Job)

    def delete(self, job_id: UUID | str) -> Flow[Receipt]:
        return parsed((yield from self._exchange(Request("DELETE", job_path(job_id)))), Receipt)

    def erase_everything(self) -> Flow[Erasure]:
        request = json_request("DELETE", "v1/users/me", {"confirm": "erase everything"})
        return parsed((yield from self._exchange(request)), Erasure)

    def trends(self, user_id: UUID | str, days: int, measures: Iterable[str]) -> Flow[Trend]:
        params: dict[str, str | list[str]] = {"days": str(days), "measure": list(measures)}
        request = Request("GET", f"{person_path(user_id)}/trends", params)
        return parsed((yield from self._exchange(request)), Trend)

    def invite(self, document: Mapping[str, object]) -> Flow[Invitation]:
        # A second one would be another invitation, beside one whose code nobody knows.
        request = replace(json_request("POST", "v1/invitations", document), repeatable=False)
        return parsed((yield from self._exchange(request)), Invitation)

    def withdraw(self, invitation_id: UUID | str) -> Flow[Invitation]:
        request = Request("DELETE", f"v1/invitations/{UUID(str(invitation_id))}")
        return parsed((yield from self._exchange(request)), Invitation)

    def redeem(self, code: str) -> Flow[Grant]:
        return parsed((yield from self._exchange(json_request("POST", "v1/grants", {"code": code}))), Grant)

    def revoke(self, grant_id: UUID | str) -> Flow[Grant]:
        request = Request("DELETE", f"v1/grants/{UUID(str(grant_id))}")
        return parsed((yield from self._exchange(request)), Grant)

    def overview(self, silent_days: int | None) -> Flow[Overview]:
        params = {} if silent_days is None else {"silent_days": str(silent_days)}
        return parsed((yield from self._exchange(Request("GET", "v1/patients/overview", params))), Overview)

    def label(self, user_id: UUID | str, label: str | None) -> Flow[None]:
        request = json_request("PUT", f"v1/patients/{UUID(str(user_id))}/label", {"label": label})
        refuse_redirect((yield from self._exchange(request)))

    def write_note(self, user_id: UUID | str, text: str) -> Flow[Note]:
        # So that it stays one note, however often it is sent.
        key = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
        request = json_request("POST", f"{person_path(user_id)}/notes", {"text": text}, headers=key)
        return parsed((yield from self._exchange(request)), Note)

    def note(self, user_id: UUID | str, note_id: UUID | str) -> Flow[NoteWithRevisions]:
        request = Request("GET", note_path(user_id, note_id))
        return parsed((yield from self._exchange(request)), NoteWithRevisions)

    def change_note(self, user_id: UUID | str, note_id: UUID | str, text: str) -> Flow[Note]:
        request = json_request("PATCH", note_path(user_id, note_id), {"text": text})
        return parsed((yield from self._exchange(request)), Note)

    def delete_note(self, user_id: UUID | str, note_id: UUID | str) -> Flow[None]:
        refuse_redirect((yield from self._exchange(Request("DELETE", note_path(user_id, note_id)))))

    def export_csv(self, user_id: UUID | str, table: Table | str) -> Flow[bytes]:
        name = {Table.DAYS: "history.csv", Table.ANALYSES: "analyses.csv"}[Table(table)]
        request = Request("GET", f"{person_path(user_id)}/{name}", headers={"Accept": "text/csv"})
        reply = yield from self._exchange(request)
        refuse_redirect(reply)
        return reply.body

    def observations(
        self, user_id: UUID | str, page_size: int, cursor: str | None
    ) -> Flow[tuple[list[dict[str, Any]], str | None]]:
        """A page of FHIR Observations, and the cursor of the next."""
        params = {"_count": str(page_size)} | ({} if cursor is None else {"cursor": cursor})
        request = Request("GET", f"{person_path(user_id)}/fhir/observations", params)
        bundle = parsed((yield from self._exchange(request)), Bundle)
        following = [link.url for link in bundle.link if link.relation == "next"]
        # Only its place is taken from the link: the token goes where it went before.
        places = parse_qs(urlsplit(following[0]).query).get("cursor") if following else None
        return [entry.resource for entry in bundle.entry], places[0] if places else None

    def _exchange(
        self, request: Request, deadline: Deadline | None = None, retry: Retry | None = None
    ) -> Flow[Reply]:
        """Ask, and ask again while the trouble looks transient and there is time for the pause."""
        schedule = (retry or self._retry).begin(self._clock)
        while True:
            error: MindTrackError
            try:
                reply: Reply = yield from _authorized(request)
            except ConnectionFailedError as lost:
                error = lost
            else:
                if reply.status < 400:  # noqa: PLR2004 - HTTP's
                    return reply
                error = self._problem(reply)
            pause = schedule.pause(error) if request.repeatable or was_refused(error) else None
            if pause is None or (deadline is not None and pause > deadline.remaining()):
                raise error
            yield Sleep(pause)

    def _problem(self, reply: Reply) -> ProblemError:
        problem = problem_document(reply.status, reply.reason, reply.body)
        return problem_class(problem)(
            problem,
            self._clock.parse_retry_after(reply.headers.get("retry-after")),
            reply.headers.get("x-request-id"),
        )


def _authorized(request: Request) -> Flow[Reply]:
    """Send a request; with a fresh token again, once, if the first was not accepted."""
    token: str | None = (yield Authorize()) if request.authorized else None
    reply: Reply = yield Send(request, token)
    if reply.status == UNAUTHORIZED and request.authorized:
        fresh: str = yield Authorize(stale=token)
        if fresh != token:
            reply = yield Send(request, fresh)
    return reply


def parsed(reply: Reply, body: type[Body]) -> Body:
    """Read an answer.

    Raises:
        UnexpectedAnswerError: it is none of MindTrack's.

    """
    refuse_redirect(reply)
    try:
        return body.model_validate_json(reply.body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise UnexpectedAnswerError(
            f"{reply.url} does not answer as MindTrack does: {where}: {first['msg']}",
        ) from error


def refuse_redirect(reply: Reply) -> None:
    if reply.status >= 300:  # noqa: PLR2004 - HTTP's
        target = reply.headers.get("location", "somewhere else")
        raise UnexpectedAnswerError(f"{reply.url} redirects to {target}: use the final base URL")


def json_request(
    method: str, target: str, document: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Request:
    headers = {"Content-Type": "application/json", **(headers or {})}
    return Request(method, target, headers=headers, content=json.dumps(document).encode())


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """A list that is fetched page by page."""

    path: str
    page: type[Page[Item]]
    params: Params

    @classmethod
    def of(
        cls, path: str, page: type[Page[Item]], page_size: int, **filters: str | datetime | None
    ) -> Listing[Item]:
        """Narrow a list; a filter that is None is left out.

        Raises:
            ValueError: a time has no UTC offset.

        """
        given = {name: value for name, value in filters.items() if value is not None}
        params = {
            name: _aware(name, value).isoformat() if isinstance(value, datetime) else value
            for name, value in given.items()
        }
        return cls(path, page, {"limit": str(page_size), **params})


def jobs_listing(
    status: JobStatus | str | None,
    created_after: datetime | None,
    created_before: datetime | None,
    page_size: int,
) -> Listing[Job]:
    return Listing.of(
        "v1/jobs",
        Page[Job],
        page_size,
        status=None if status is None else JobStatus(status).value,
        created_after=created_after,
        created_before=created_before,
    )


def analyses_listing(
    user_id: UUID | str,
    recorded_after: datetime | None,
    recorded_before: datetime | None,
    page_size: int,
) -> Listing[RecordedAnalysis]:
    return Listing.of(
        f"{person_path(user_id)}/analyses",
        Page[RecordedAnalysis],
        page_size,
        recorded_after=recorded_after,
        recorded_before=recorded_before,
    )


def invitations_listing(page_size: int) -> Listing[Invitation]:
    return Listing.of("v1/invitations", Page[Invitation], page_size)


def grants_listing(page_size: int, *, live: bool) -> Listing[Grant]:
    return Listing.of("v1/grants", Page[Grant], page_size, live="true" if live else None)


def accesses_listing(page_size: int) -> Listing[Access]:
    return Listing.of("v1/users/me/accesses", Page[Access], page_size)


def patients_listing(  # noqa: PLR0913 - one for each filter
    sort: str,
    order: str,
    statuses: Iterable[str],
    page_size: int,
    *,
    open_alerts: bool | None,
    search: str | None,
) -> Listing[Patient]:
    listing = Listing.of(
        "v1/patients",
        Page[Patient],
        page_size,
        sort=sort,
        order=order,
        open_alerts=None if open_alerts is None else str(open_alerts).lower(),
        search=search,
    )
    found = tuple(statuses)
    return replace(listing, params={**listing.params, "status": found}) if found else listing


def notes_listing(user_id: UUID | str, page_size: int, *, deleted: bool) -> Listing[Note]:
    wanted = "true" if deleted else None
    return Listing.of(f"{person_path(user_id)}/notes", Page[Note], page_size, deleted=wanted)


def history_listing(
    user_id: UUID | str, first_day: date | None, last_day: date | None, page_size: int
) -> Listing[HistoryDay]:
    period = {"from": first_day, "to": last_day}
    told = {name: day.isoformat() for name, day in period.items() if day is not None}
    return Listing.of(f"{person_path(user_id)}/history", Page[HistoryDay], page_size, **told)


def invitation_document(
    scopes: Iterable[Scope | str],
    purpose: str,
    use_context: UseContext | str,
    grant_days: int | None,
    code_days: int | None,
) -> dict[str, object]:
    """Say what is granted; how long it holds is the server's to say unless it is given."""
    days = {"grant_days": grant_days, "code_days": code_days}
    return {
        "scopes": [str(scope) for scope in scopes],
        "purpose": purpose,
        "use_context": str(use_context),
        **{name: number for name, number in days.items() if number is not None},
    }


def person_path(user_id: UUID | str) -> str:
    return f"v1/users/{user_id if user_id == 'me' else UUID(str(user_id))}"


def job_path(job_id: UUID | str) -> str:
    return f"v1/jobs/{UUID(str(job_id))}"


def note_path(user_id: UUID | str, note_id: UUID | str) -> str:
    return f"{person_path(user_id)}/notes/{UUID(str(note_id))}"


def _wishes(hold: int, etag: str | None) -> dict[str, str]:
    wishes = {"Prefer": f"wait={hold}"} if hold else {}
    if etag is not None:
        wishes["If-None-Match"] = etag
    return wishes


def _differs(before: Job | None, job: Job) -> bool:
    return before is None or (before.status, before.attempt) != (job.status, job.attempt)


def _offers_no_uploads(error: ProblemError) -> bool:
    """Tell a server that knows no direct uploads, or cannot sign URLs."""
    return isinstance(error, NotFoundError | UploadsNotConfiguredError) or error.status == METHOD_NOT_ALLOWED


def _aware(name: str, moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"{name} needs a UTC offset, got {moment.isoformat()}")
    return moment
