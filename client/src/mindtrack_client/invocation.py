"""One run of the command: what was asked for globally, where output goes, and how it ends on an error."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import typer
from rich.console import Console

from mindtrack_client import exits
from mindtrack_client.client import MindTrack
from mindtrack_client.errors import MindTrackError, ProblemError
from mindtrack_client.models import Model


@dataclass(frozen=True, slots=True)
class Globals:
    """The options before the command's name."""

    url: str | None
    token: str | None = field(repr=False)
    as_json: bool


@dataclass(frozen=True, slots=True)
class Invocation:
    mindtrack: MindTrack
    #: Results, and nothing else.
    out: Console
    #: Progress, errors and hints.
    err: Console
    as_json: bool

    def print_json(self, model: Model) -> None:
        """One line of ASCII, so that no pipe's encoding can break it."""
        sys.stdout.write(json.dumps(model.model_dump(mode="json")) + "\n")

    def complain(self, error: MindTrackError | OSError, label: str | None = None) -> None:
        complain(self.err, error, label)

    def hint_resume(self, job_id: UUID) -> None:
        self.err.print(f"Resume with: mindtrack watch {job_id}", soft_wrap=True)


@contextmanager
def invocation(context: typer.Context, *, as_json: bool) -> Iterator[Invocation]:
    """Connect; turn expected errors into a message on stderr and an exit code.

    Raises:
        typer.BadParameter: the URL or the token is missing.
        typer.Exit: an expected error was reported.

    """
    options = context.find_object(Globals)
    assert options is not None  # noqa: S101 - the app's callback always sets it
    url = _required(options.url, "--url", "MINDTRACK_URL", "the server's address")
    token = _required(options.token, "--token", "MINDTRACK_TOKEN", "your bearer token")
    _tolerate_narrow_encodings()
    out, err = _console(), _console(stderr=True)
    try:
        with MindTrack(url, token) as mindtrack:
            yield Invocation(mindtrack, out, err, as_json or options.as_json)
    except MindTrackError as error:
        complain(err, error)
        raise typer.Exit(exits.for_error(error)) from error


def complain(console: Console, error: MindTrackError | OSError, label: str | None = None) -> None:
    prefix = f"{label}: " if label else ""
    console.print(f"{prefix}{error}", soft_wrap=True)
    parts = error.problem.errors if isinstance(error, ProblemError) else ()
    for part in parts:
        console.print(f"  {part}", soft_wrap=True)


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
