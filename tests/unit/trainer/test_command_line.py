from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_group
from typer.testing import CliRunner

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.windows import split
from mindtrack_shared.bundles import SAMPLE_RATE, BundleManifest
from mindtrack_trainer.__main__ import app
from mindtrack_trainer.calibration import Calibration
from mindtrack_trainer.samples import WEEK, narrator
from mindtrack_trainer.scoring import Scorer
from mindtrack_trainer.sound import decode


def test_help_needs_no_torch() -> None:
    code = "import sys, mindtrack_trainer.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", sorted(get_group(app).commands))
def test_every_command_explains_itself(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_refusal_is_one_line_and_status_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synthesise", "--out", str(tmp_path), "--clips-per-speaker", "7"])
    assert result.exit_code == 1
    assert "multiple of 5" in result.stderr
    assert "Traceback" not in result.output


def test_refusal_shows_paths_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "[red]" / "[/closed]"
    result = CliRunner().invoke(app, ["calibrate", str(path), str(tmp_path)])
    assert result.exit_code == 1
    assert f"error: {path} holds no finished training" in result.stderr


def test_refused_options_are_one_line_too(tmp_path: Path) -> None:
    options = ["--out", str(tmp_path / "out"), "--window-seconds", "2", "--hop-seconds", "3"]
    result = CliRunner().invoke(app, ["train", str(tmp_path), *options])
    assert result.exit_code == 1
    assert "choose a hop no longer than the window" in result.stderr
    assert "Traceback" not in result.output


def test_each_step_names_the_one_before_it(tmp_path: Path) -> None:
    for command, needed in (("calibrate", "train"), ("evaluate", "calibrate")):
        result = CliRunner().invoke(app, [command, str(tmp_path), str(tmp_path)])
        assert result.exit_code == 1
        assert f"mindtrack-trainer {needed}" in " ".join(result.stderr.split())
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--out", str(tmp_path / "b"), "--id", "toy"])
    assert result.exit_code == 1
    assert "mindtrack-trainer train" in " ".join(result.stderr.split())


def test_commands_lead_from_nothing_to_a_bundle(tmp_path: Path) -> None:
    data, checkpoint, bundle = (str(tmp_path / name) for name in ("corpus", "checkpoint", "bundle"))
    commands = [
        ["synthesise", "--out", data, "--speakers", "3", "--clips-per-speaker", "5", "--workers", "1"],
        ["train", data, "--out", checkpoint, "--epochs", "1", "--batch", "5"],
        ["calibrate", checkpoint, data],
        ["evaluate", checkpoint, data, "--recordings", f"{data}/s000"],
        ["export", checkpoint, "--out", bundle, "--id", "from-nothing"],
    ]
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    manifest = BundleManifest.read(tmp_path / "bundle")
    assert manifest.id == "from-nothing"
    measured = json.loads((tmp_path / "bundle" / "evaluation.json").read_text())
    assert manifest.evaluation["uar"] == measured["uar"]
    assert manifest.temperature == Calibration.read(tmp_path / "checkpoint").temperature
    assert "webm 16k" in (tmp_path / "bundle" / "evaluation.md").read_text()
    served = load_bundle(tmp_path / "bundle")
    scorer = Scorer.read(tmp_path / "checkpoint")
    samples = decode(tmp_path / "corpus" / "s000" / "c000.wav")
    starts, windows = split(samples, window_samples=served.window_samples, hop_samples=served.hop_samples)
    assert starts.tolist() == [0, 24_000]
    # What the trainer measured is what the worker serves.
    here = Calibration.read(tmp_path / "checkpoint").serve([scorer.recording(samples)]).probabilities[0]
    there = Classifier.load(served, precision="fp32", threads=1).score(windows).probabilities.mean(axis=0)
    np.testing.assert_allclose(there, here, atol=1e-4)


def test_samples_are_a_week_in_seven_formats_by_an_unheard_voice(tmp_path: Path) -> None:
    assert narrator().split == "test"
    result = CliRunner().invoke(app, ["samples", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    seconds = {path.name: len(decode(path)) / SAMPLE_RATE for path in tmp_path.iterdir()}
    assert sorted(seconds) == sorted(day.name for day in WEEK)
    assert all(8 <= length <= 15.2 for length in seconds.values()), seconds
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_500_000
