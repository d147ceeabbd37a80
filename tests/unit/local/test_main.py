from __future__ import annotations

import socket
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from mindtrack_local import environment
from mindtrack_local.__main__ import app
from mindtrack_local.config import Layout
from mindtrack_local.lock import VarLock
from mindtrack_local.ports import HOST


@pytest.fixture
def run() -> CliRunner:
    return CliRunner()


def test_token_speaks_for_whom_it_was_asked(run: CliRunner, tmp_path: Path) -> None:
    asked = ["token", "--var", str(tmp_path), "--subject", "dr-who", "--role", "clinician", "--hours", "2"]

    result = run.invoke(app, asked)

    claims = jwt.decode(result.output.strip(), options={"verify_signature": False})
    assert claims["sub"] == "dr-who"
    assert claims["roles"] == ["clinician"]
    assert claims["exp"] - claims["iat"] == 7200


def test_token_knows_only_three_roles(run: CliRunner, tmp_path: Path) -> None:
    assert run.invoke(app, ["token", "--var", str(tmp_path), "--role", "admin"]).exit_code == 2


def test_env_prints_lines_a_shell_can_read(run: CliRunner, tmp_path: Path) -> None:
    Layout(tmp_path).create()
    variables = {"MINDTRACK_DATABASE_URL": "postgresql://postgres@/mindtrack?host=/a b&c"}
    environment.save(Layout(tmp_path).environment, variables)

    result = run.invoke(app, ["env", "--var", str(tmp_path)])

    assert result.output == "export MINDTRACK_DATABASE_URL='postgresql://postgres@/mindtrack?host=/a b&c'\n"


def test_env_without_a_stack_says_how_to_start_one(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["env", "--var", str(tmp_path)])

    assert result.exit_code == 1
    assert "mindtrack-local up" in result.output


@pytest.mark.parametrize("command", ["up", "demo"])
def test_an_ordered_port_that_is_taken_ends_the_start(run: CliRunner, tmp_path: Path, command: str) -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]

        result = run.invoke(app, [command, "--var", str(tmp_path), "--port", str(port)])

    assert result.exit_code == 1
    assert f"port {port} is taken" in result.output


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_refused_start_leaves_the_running_stack_its_environment(
    run: CliRunner, tmp_path: Path, command: str
) -> None:
    layout = Layout(tmp_path)
    layout.create()
    environment.save(layout.environment, {"MINDTRACK_QUEUE_URL": "redis://"})
    held = VarLock(layout.lock)

    result = run.invoke(app, [command, "--var", str(tmp_path)])

    assert result.exit_code == 1
    assert "another stack" in result.output
    assert environment.load(layout.environment) == {"MINDTRACK_QUEUE_URL": "redis://"}
    held.release()
