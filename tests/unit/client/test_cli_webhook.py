from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mindtrack_client.cli import app
from unit.client.command import json_lines, run
from unit.client.test_webhooks import BODY, HEADERS, ID, SECRET

LINES = [f"{name.title()}: {value}" for name, value in HEADERS.items()]
FOREVER = ("--tolerance", str(time.time()))


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body"
    path.write_bytes(BODY)
    return path


def given(*lines: str) -> list[str]:
    return [part for line in lines for part in ("-H", line)]


def test_a_body_in_a_file(body: Path) -> None:
    result = run("webhook", "verify", *given(*LINES), "--secret", SECRET, *FOREVER, str(body))
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Verified: job.succeeded, {ID}, 2023-01-19T00:13:51+00:00\n"


def test_a_body_on_stdin_and_headers_in_a_file(tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("POST / HTTP/1.1\r\nHost: me\r\n" + "\r\n".join(LINES) + "\r\n\r\n")
    arguments = ["webhook", "verify", "--headers", str(headers), *FOREVER, "--json"]
    env = {"MINDTRACK_WEBHOOK_SECRET": SECRET}
    result = CliRunner(env=env).invoke(app, arguments, input=BODY, catch_exceptions=False)
    (event,) = json_lines(result)
    assert event["id"] == ID
    assert event["type"] == "job.succeeded"


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (LINES, (), "s old; 300 s are allowed"),
        (LINES[:-1], FOREVER, "the header webhook-signature is missing"),
        ([*LINES[:-1], "webhook-signature: v1,AAAA"], FOREVER, "no signature fits"),
    ],
)
def test_one_that_does_not_verify(body: Path, lines: list[str], options: tuple[str, ...], words: str) -> None:
    result = run("webhook", "verify", *given(*lines), "--secret", SECRET, *options, str(body))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_wrong_usage(body: Path) -> None:
    assert run("webhook", "verify", "--secret", SECRET, "no-such-file").exit_code == 2
    assert run("webhook", "verify", str(body)).exit_code == 2
    result = run("webhook", "verify", "--secret", "whsec_!", *given(*LINES), str(body))
    assert result.exit_code == 2
    assert "!" not in result.stderr, "secrets are not quoted"
