"""HTTP towards one server: authentication, retries, and errors turned into this package's own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import httpx2
from pydantic import ValidationError

from mindtrack_client.clock import Clock, Deadline
from mindtrack_client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    ProblemError,
    UnexpectedAnswerError,
)
from mindtrack_client.models import Model, Problem
from mindtrack_client.upload import RecordingFile, content_type
from mindtrack_client.version import __version__

#: Answers that say "not now" rather than "no".
TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
#: Upper bound of the first pause before asking again; it doubles up to the longest. Seconds.
FIRST_BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 8.0
#: Enough to step over a dropped connection within 4 s without keeping a person at a prompt.
READ_RETRIES = 4
#: A server that asks for a longer pause than this (seconds) gets no retry; the caller decides.
LONGEST_RETRY_AFTER = 60.0

Body = TypeVar("Body", bound=Model)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Body]):
    body: Body
    #: Seconds the server would like us to pause before asking again.
    retry_after: float | None


class Connection:
    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float,
        clock: Clock,
        transport: httpx2.BaseTransport | None,
    ) -> None:
        self._base_url = _checked_url(base_url)
        self._clock = clock
        self._http = httpx2.Client(
            base_url=self._base_url,
            headers={
                "Authorization": f"Bearer {_checked_token(token)}",
                "Accept": "application/json, application/problem+json",
                "User-Agent": f"mindtrack-client/{__version__}",
            },
            timeout=timeout,
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def get(
        self,
        path: str,
        body: type[Body],
        *,
        params: Mapping[str, str | int] | None = None,
        retries: int = READ_RETRIES,
        deadline: Deadline | None = None,
    ) -> Answer[Body]:
        """Ask, and ask again while the trouble looks transient and the deadline leaves room for the pause."""
        pauses = _backoff(retries)
        while True:
            try:
                return self._send(self._http.build_request("GET", path, params=params), body)
            except (ConnectionFailedError, ProblemError) as error:
                pause = _pause_before_retry(error, next(pauses, None))
                if pause is None or (deadline is not None and pause > deadline.remaining()):
                    raise
            self._clock.sleep(pause)

    def post(
        self, path: str, body: type[Body], *, file: RecordingFile, name: str, fields: dict[str, str]
    ) -> Answer[Body]:
        """Send once: a second upload would be a second recording."""
        part = (name, file, content_type(name))
        return self._send(self._http.build_request("POST", path, data=fields, files={"file": part}), body)

    def _send(self, request: httpx2.Request, body: type[Body]) -> Answer[Body]:
        try:
            response = self._http.send(request)
        except httpx2.RequestError as error:
            reason = str(error) or type(error).__name__
            raise ConnectionFailedError(f"no answer from {self._base_url}: {reason}") from error
        retry_after = self._clock.parse_retry_after(response.headers.get("Retry-After"))
        if response.is_error:
            raise ProblemError(_problem(response), retry_after)
        if not response.is_success:
            target = response.headers.get("Location", "somewhere else")
            raise UnexpectedAnswerError(f"{request.url} redirects to {target}: use the final base URL")
        try:
            return Answer(body.model_validate_json(response.content), retry_after)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            raise UnexpectedAnswerError(
                f"{request.url} does not answer as MindTrack does: {where}: {first['msg']}",
            ) from error


def _checked_url(base_url: str) -> httpx2.URL:
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"not a URL: {base_url!r} ({error})") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(
            f"the base URL must start with http:// or https:// and a host, got {base_url!r}"
        )
    return url


def _checked_token(token: str) -> str:
    # Never quote the token: messages end up in logs.
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError("the token must be one word of printable ASCII characters")
    return token


def _backoff(retries: int) -> Iterator[float]:
    for attempt in range(retries):
        bound = min(FIRST_BACKOFF_SECONDS * 2**attempt, LONGEST_BACKOFF_SECONDS)
        yield random.uniform(bound / 2, bound)  # noqa: S311 - spreads clients out, guards nothing


def _pause_before_retry(error: ConnectionFailedError | ProblemError, backoff: float | None) -> float | None:
    """Seconds to pause, or None when asking again is pointless or unwelcome."""
    if backoff is None:
        return None
    if isinstance(error, ConnectionFailedError):
        return backoff
    if error.problem.status not in TRANSIENT_STATUSES:
        return None
    pause = max(backoff, error.retry_after or 0.0)
    return pause if pause <= LONGEST_RETRY_AFTER else None


def _problem(response: httpx2.Response) -> Problem:
    """The server's problem document, or one made from the status line when something else answered."""
    bare = Problem(title=response.reason_phrase or "Error", status=response.status_code)
    try:
        document: object = response.json()
    except ValueError:
        return bare
    if not isinstance(document, dict):
        return bare
    given = {name: value for name, value in document.items() if value is not None}
    try:
        return Problem.model_validate(bare.model_dump() | given)
    except ValidationError:
        return bare
