from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mindtrack_shared.bundles import BundleManifest
from mindtrack_trainer.__main__ import app
from mindtrack_trainer.samples import WEEK, narrator
from mindtrack_trainer.sound import SAMPLE_RATE, decode


def test_help_needs_no_torch() -> None:
    code = "import sys, mindtrack_trainer.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", ["synthesise", "train", "evaluate", "export", "samples"])
def test_every_command_explains_itself(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_refusal_is_one_line_and_status_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synthesise", "--out", str(tmp_path), "--clips-per-speaker", "7"])
    assert result.exit_code == 1
    assert "multiple of 5" in result.stderr
    assert "Traceback" not in result.output


def test_unmeasured_checkpoint_is_not_exported(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--out", str(tmp_path / "b"), "--id", "toy"])
    assert result.exit_code == 1
    assert "evaluate" in result.stderr


def test_commands_lead_from_nothing_to_a_bundle(tmp_path: Path) -> None:
    data, checkpoint, bundle = (str(tmp_path / name) for name in ("corpus", "checkpoint", "bundle"))
    commands = [
        ["synthesise", "--out", data, "--speakers", "3", "--clips-per-speaker", "5", "--workers", "1"],
        ["train", data, "--out", checkpoint, "--epochs", "1", "--batch", "5"],
        ["evaluate", checkpoint, data, "--recordings", f"{data}/s000"],
        ["export", checkpoint, "--out", bundle, "--id", "from-nothing"],
    ]
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    manifest = BundleManifest.read(tmp_path / "bundle")
    assert manifest.id == "from-nothing"
    assert 0 <= float(str(manifest.evaluation["uar"])) <= 1
    assert manifest.temperature == manifest.evaluation["temperature"]
    assert "webm 16k" in (tmp_path / "bundle" / "README.md").read_text()


def test_samples_are_a_week_in_seven_formats_by_an_unheard_voice(tmp_path: Path) -> None:
    assert narrator().split == "test"
    result = CliRunner().invoke(app, ["samples", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    seconds = {path.name: len(decode(path)) / SAMPLE_RATE for path in tmp_path.iterdir()}
    assert sorted(seconds) == sorted(day.name for day in WEEK)
    assert all(8 <= length <= 15.2 for length in seconds.values()), seconds
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_500_000
