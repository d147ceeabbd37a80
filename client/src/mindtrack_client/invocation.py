"""One run of the command: what was asked for globally, where output goes, and how it ends on an error."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import typer
from rich.console import Console

from mindtrack_client import exits
from mindtrack_client.client import MindTrack
from mindtrack_client.errors import MindTrackError, ProblemError, ServerError
from mindtrack_client.models import Model
from mindtrack_client.retry import Retry


@dataclass(frozen=True, slots=True)
class Globals:
    """The options before the command's name."""

    url: str | None
    token: str | None = field(repr=False)
    as_json: bool
    #: At most, of each request.
    attempts: int


@dataclass(frozen=True, slots=True)
class Output:
    #: Results, and nothing else.
    out: Console
    #: Progress, errors and hints.
    err: Console
    as_json: bool

    def print_json(self, model: Model) -> None:
        self.print_document(model.model_dump(mode="json"))

    def print_document(self, document: dict[str, Any]) -> None:
        """One line of ASCII, so that no pipe's encoding can break it."""
        sys.stdout.write(json.dumps(document) + "\n")

    def complain(self, error: MindTrackError | OSError, label: str | None = None) -> None:
        """One line, whatever happened."""
        notes = list(map(str, error.errors)) if isinstance(error, ProblemError) else []
        if isinstance(error, ServerError) and error.request_id is not None:
            notes.append(f"request {error.request_id}")
        text = f"{label}: {error}" if label else str(error)
        if notes:
            text += f" ({'; '.join(notes)})"
        self.err.print(" ".join(text.split()), soft_wrap=True)

    def hint_resume(self, job_id: UUID) -> None:
        self.err.print(f"Resume with: mindtrack watch {job_id}", soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Invocation(Output):
    mindtrack: MindTrack
    url: str


@contextmanager
def invocation(context: typer.Context, *, as_json: bool) -> Iterator[Invocation]:
    """Connect; turn expected errors into a message on stderr and an exit code.

    Raises:
        typer.BadParameter: the URL or the token is missing.
        typer.Exit: an expected error was reported.

    """
    options = _globals(context)
    url = _required(options.url, "--url", "MINDTRACK_URL", "the server's address")
    token = _required(options.token, "--token", "MINDTRACK_TOKEN", "your bearer token")
    with (
        local(context, as_json=as_json) as output,
        MindTrack(url, token, retry=Retry(attempts=options.attempts)) as mindtrack,
    ):
        yield Invocation(output.out, output.err, output.as_json, mindtrack, url)


@contextmanager
def local(context: typer.Context, *, as_json: bool) -> Iterator[Output]:
    """As `invocation`, for what needs no server."""
    _tolerate_narrow_encodings()
    output = Output(_console(), _console(stderr=True), as_json or _globals(context).as_json)
    try:
        yield output
    except BrokenPipeError:
        raise
    except (MindTrackError, OSError) as error:
        output.complain(error)
        raise typer.Exit(exits.for_error(error)) from error


def _globals(context: typer.Context) -> Globals:
    options = context.find_object(Globals)
    assert options is not None  # noqa: S101 - the app's callback always sets it
    return options


def _required(value: str | None, option: str, variable: str, meaning: str) -> str:
    if not value:
        raise typer.BadParameter(f"give {meaning} with {option} or {variable}", param_hint=option)
    return value


def _console(*, stderr: bool = False) -> Console:
    # What servers and file systems say is text, never markup.
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def _tolerate_narrow_encodings() -> None:
    """A character the terminal cannot show becomes a question mark instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
