from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mindtrack_inference.__main__ import USAGE_ERROR, main
from unit.inference.models import listening_model, write_bundle
from unit.inference.recordings import encode, voice_log


@pytest.fixture
def _bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_bundle(tmp_path / "tiny", listening_model(), abstention_threshold=0.0)
    monkeypatch.setenv("MINDTRACK_INFERENCE_BUNDLE", str(bundle))


@pytest.fixture
def voice_file(tmp_path: Path) -> Path:
    file = tmp_path / "voice.wav"
    file.write_bytes(voice_log())
    return file


@pytest.mark.usefixtures("_bundle")
def test_each_recording_is_one_line(
    voice_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silence, junk = tmp_path / "silence.wav", tmp_path / "junk.wav"
    silence.write_bytes(encode(np.zeros(32_000, np.float32)))
    junk.write_bytes(b"no sound")

    main(["analyse", str(voice_file), str(silence), str(junk)])

    heard, quiet, unreadable = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [line["file"] for line in (heard, quiet, unreadable)] == [str(voice_file), str(silence), str(junk)]
    assert heard["status"] == "succeeded"
    assert heard["indeterminate_reason"] == "uncertain"
    assert heard["stress_score"] == pytest.approx(
        heard["probabilities"]["anxious"] + heard["probabilities"]["stressed"]
    )
    assert heard["quality"]["snr_db"] > 20
    assert heard["biomarkers"]["f0_median_hz"] > 50
    assert len(heard["windows"]) > 10
    assert quiet["status"] == unreadable["status"] == "rejected"
    assert (quiet["code"], quiet["measured"], quiet["needed"], quiet["unit"]) == (
        "too_quiet",
        -120.0,
        -60.0,
        "dBFS",
    )
    assert quiet["quality"]["speech_seconds"] == 0
    assert (unreadable["code"], unreadable["quality"]) == ("unreadable", None)


@pytest.mark.usefixtures("_bundle")
def test_a_path_that_leads_nowhere_stops_everything(
    voice_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["analyse", str(voice_file), str(tmp_path / "gone.wav"), str(tmp_path)])
    output = capsys.readouterr()
    assert caught.value.code == USAGE_ERROR
    assert output.out == ""
    assert f"{tmp_path / 'gone.wav'}, {tmp_path}" in output.err


@pytest.mark.usefixtures("_bundle")
def test_thresholds_reach_the_gate(
    voice_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINDTRACK_QUALITY_MIN_SPEECH_SECONDS", "60")
    main(["analyse", str(voice_file)])
    rejection = json.loads(capsys.readouterr().out)
    assert (rejection["code"], rejection["needed"]) == ("too_little_speech", 60.0)


def test_a_bundle_that_cannot_be_served_is_named(voice_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDTRACK_INFERENCE_BUNDLE", "nonesuch")
    with pytest.raises(SystemExit, match="no bundle 'nonesuch' is packaged"):
        main(["analyse", str(voice_file)])


def test_a_threshold_that_makes_no_sense_stops_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDTRACK_QUALITY_MIN_SPEECH_RATIO", "2")
    with pytest.raises(SystemExit, match="MINDTRACK_QUALITY\nmin_speech_ratio"):
        main([])


def test_help_is_there_without_any_settings() -> None:
    command = [sys.executable, "-m", "mindtrack_inference", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={})
    assert "analyse" in shown.stdout
    assert "run the worker" in shown.stdout
