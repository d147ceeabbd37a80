"""`mindtrack record` from a microphone to its analysis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from e2e import pulse
from mindtrack_client.microphone import level_of
from mindtrack_local.stack import Stack
from samples import SAMPLES
from unit.client.command import json_lines, run
from unit.client.fake_portaudio import FakePortAudio

SAMPLE = SAMPLES / "day-1.wav"


@pytest.fixture(scope="module")
def speech() -> tuple[bytes, int]:
    with wave.open(str(SAMPLE)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.readframes(file.getnframes()), file.getframerate()


@pytest.mark.skipif(pulse.missing() is not None, reason=str(pulse.missing()))
def test_through_portaudio(stack: Stack, tmp_path: Path, speech: tuple[bytes, int]) -> None:
    kept, folder = tmp_path / "kept.wav", tmp_path / "pulse"
    folder.mkdir()
    samples, rate = speech
    with pulse.microphone(folder) as microphone, microphone.speaking(samples * 20, rate):
        environment = os.environ | microphone.environment
        environment |= {"MINDTRACK_URL": stack.base_url, "MINDTRACK_TOKEN": stack.token("speaks")}

        def mindtrack(*arguments: str) -> str:
            command = [str(Path(sys.executable).with_name("mindtrack")), "record", *arguments]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=90
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        listed = [json.loads(line) for line in mindtrack("--list-devices", "--json").splitlines()]
        assert "pulse" in {device["name"] for device in listed}
        job = json.loads(mindtrack("--seconds", "8", "--save", str(kept), "--json"))
    assert job["status"] == "succeeded", job["problem"]
    assert job["quality"]["speech_seconds"] > 3
    assert job["analysis"]["audio_seconds"] == pytest.approx(8, abs=0.05)
    with wave.open(str(kept)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 128_000)
        assert level_of(file.readframes(128_000)) == pytest.approx(level_of(samples), abs=3)
    assert kept.stat().st_size == job["recording"]["size_bytes"]


def test_through_a_stand_in_for_portaudio(
    stack: Stack, tmp_path: Path, speech: tuple[bytes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, rate = speech
    fake = FakePortAudio(sound=samples * 3, rates=(rate,))
    monkeypatch.setitem(sys.modules, "sounddevice", fake.module())
    result = run(
        "record",
        "--json",
        env={"MINDTRACK_URL": stack.base_url, "MINDTRACK_TOKEN": stack.token("speaks-too")},
    )
    assert result.exit_code == 0, result.output
    (job,) = json_lines(result)
    assert job["status"] == "succeeded"
    assert job["analysis"]["audio_seconds"] == pytest.approx(5, abs=0.05)
