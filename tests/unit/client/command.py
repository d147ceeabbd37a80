"""The command, run in this process against a fake gateway on a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner, Result

from mindtrack_client.cli import app

#: Runs `mindtrack` with these arguments and, by keyword, environment variables.
Command = Callable[..., Result]


def run(*arguments: str, env: dict[str, str | None] | None = None) -> Result:
    clean: dict[str, str | None] = {
        "MINDTRACK_URL": None,
        "MINDTRACK_TOKEN": None,
        "MINDTRACK_TIME_ZONE": None,
        "MINDTRACK_ATTEMPTS": None,
        "MINDTRACK_WEBHOOK_SECRET": None,
        "COLUMNS": "80",
    }
    return CliRunner(env=clean | (env or {})).invoke(app, list(arguments), catch_exceptions=False)


def json_lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]
