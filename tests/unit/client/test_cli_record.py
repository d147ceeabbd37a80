from __future__ import annotations

import math
import struct
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from mindtrack_client import batch, microphone
from mindtrack_client.microphone import SILENCE, level_of
from unit.client import documents
from unit.client.command import Command, json_lines, run
from unit.client.documents import JOB_ID
from unit.client.fake_gateway import FakeGateway, Reply
from unit.client.fake_portaudio import FakePortAudio

JOB_PATH = f"/v1/jobs/{JOB_ID}"

Plug = Callable[[FakePortAudio], FakePortAudio]


def tone(seconds: float, peak: float = 0.5, rate: int = 16_000) -> bytes:
    samples = (
        round(peak * 32_767 * math.sin(2 * math.pi * 200 * at / rate)) for at in range(round(seconds * rate))
    )
    return b"".join(struct.pack("<h", sample) for sample in samples)


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    def into(fake: FakePortAudio) -> FakePortAudio:
        monkeypatch.setitem(sys.modules, "sounddevice", fake.module())
        return fake

    return into


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_record_submits_what_the_microphone_heard(
    command: Command, accepted: FakeGateway, plug: Plug, tmp_path: Path, temporary: Path
) -> None:
    fake = plug(FakePortAudio(sound=tone(1)))
    accepted.on("GET", JOB_PATH, Reply(200, documents.job("succeeded")))
    kept = tmp_path / "kept.wav"
    result = command("record", "--seconds", "1", "--save", str(kept), MINDTRACK_TIME_ZONE="Asia/Tokyo")
    assert result.exit_code == 0, result.output
    assert "Analysed  kept.wav" in result.stdout
    assert result.stderr == ""
    with wave.open(str(kept)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(20_000) == tone(1)
    assert kept.read_bytes() in accepted.asked[0].body
    assert b'name="recorded_at"' in accepted.asked[0].body
    assert b"Asia/Tokyo" in accepted.asked[0].body
    assert fake.opened == [{"samplerate": 16_000, "device": None, "channels": 1, "dtype": "int16"}]
    assert list(temporary.iterdir()) == []


def test_five_seconds_unless_told_otherwise(
    command: Command, accepted: FakeGateway, plug: Plug, tmp_path: Path, temporary: Path
) -> None:
    plug(FakePortAudio(sound=tone(5)))
    result = command("record", "--no-wait", "--json", FORCE_COLOR="1")
    assert [document["status"] for document in json_lines(result)] == ["queued"]
    assert "Level" in result.stderr
    assert "dBFS" in result.stderr
    assert tone(5) in accepted.asked[0].body
    assert [asked.method for asked in accepted.asked] == ["POST"]
    assert list(temporary.iterdir()) == []


def test_a_device_that_cannot_do_16_khz_records_at_its_own_rate(
    command: Command, accepted: FakeGateway, plug: Plug, tmp_path: Path
) -> None:
    plug(FakePortAudio(sound=tone(1, rate=48_000), rates=(48_000,)))
    kept = tmp_path / "kept.wav"
    assert command("record", "--no-wait", "--seconds", "0.25", "--save", str(kept)).exit_code == 0
    with wave.open(str(kept)) as file:
        assert (file.getframerate(), file.getnframes()) == (48_000, 12_000)


@pytest.mark.parametrize(("device", "opened"), [("1", 1), ("USB", "USB")])
def test_a_device_is_chosen_by_number_or_name(
    command: Command, accepted: FakeGateway, plug: Plug, device: str, opened: int | str
) -> None:
    fake = plug(FakePortAudio(sound=tone(1), names=("Built-in", "USB Microphone")))
    assert command("record", "--no-wait", "--seconds", "0.1", "--device", device).exit_code == 0
    assert fake.opened[0]["device"] == opened


def test_a_muted_microphone_and_gaps_are_told(command: Command, accepted: FakeGateway, plug: Plug) -> None:
    plug(FakePortAudio(overflows=frozenset({1, 2})))
    result = command("record", "--no-wait", "--seconds", "0.5")
    assert "heard next to nothing (-96 dBFS): is it muted?" in result.stderr
    assert "The recording has 2 gaps" in result.stderr


@pytest.mark.parametrize(("trouble", "code"), [("refusal", 3), ("interruption", 130)])
@pytest.mark.parametrize("saved", [False, True])
def test_what_could_not_be_submitted_is_kept(  # noqa: PLR0913 - fixtures
    command: Command,
    gateway: FakeGateway,
    plug: Plug,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    trouble: str,
    code: int,
    saved: bool,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    plug(FakePortAudio(sound=tone(1)))
    gateway.on("POST", "/v1/jobs", Reply(500, documents.problem(500, "Internal Server Error")))
    if trouble == "interruption":
        monkeypatch.setattr(batch, "upload", interrupt)
    options = ("--save", str(tmp_path / "kept.wav")) if saved else ()
    result = command("record", "--seconds", "1", *options)
    assert result.exit_code == code
    (path,) = tmp_path.glob("kept.wav" if saved else "temporary/*/*.wav")
    assert len(list(tmp_path.glob("temporary/*"))) == (not saved)
    assert f"The recording is kept: {path}" in result.stderr
    with wave.open(str(path)) as file:
        assert file.readframes(20_000) == tone(1)


def test_an_interrupted_recording_leaves_nothing(
    command: Command, gateway: FakeGateway, plug: Plug, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(FakePortAudio(sound=tone(1)))

    def interrupt(_: bytes) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(microphone, "level_of", interrupt)
    assert command("record").exit_code == 130
    assert gateway.asked == []
    assert list(temporary.iterdir()) == []


def test_an_existing_file_is_not_overwritten(plug: Plug, command: Command, recording: Path) -> None:
    plug(FakePortAudio())
    result = command("record", "--save", str(recording))
    assert result.exit_code == 2
    assert result.stderr == f"{recording} is there already\n"
    assert recording.read_bytes() == b"not really audio"


def test_devices_are_listed_without_a_server(plug: Plug) -> None:
    plug(FakePortAudio(names=("Built-in", "USB [Microphone]")))
    result = run("record", "--list-devices")
    assert result.stdout.splitlines() == [
        "*  1  Built-in (48000 Hz)",
        "   2  USB [Microphone] (48000 Hz)",
    ]
    (first, second) = json_lines(run("record", "--list-devices", "--json"))
    assert first == {
        "index": 1,
        "name": "Built-in",
        "channels": 1,
        "sample_rate": 48_000.0,
        "is_default": True,
    }
    assert not second["is_default"]


class TestWithoutAMicrophone:
    @pytest.fixture(params=[[], ["--list-devices"]], ids=["record", "list"])
    def arguments(self, request: pytest.FixtureRequest) -> list[str]:
        chosen: list[str] = request.param
        return ["record", *chosen]

    def test_no_device(self, command: Command, plug: Plug, arguments: list[str]) -> None:
        plug(FakePortAudio(names=()))
        result = command(*arguments)
        assert result.exit_code == 6
        assert result.stderr == f"{microphone.NO_DEVICE}\n"

    def test_no_extra(self, command: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        result = command(*arguments)
        assert result.exit_code == 6
        assert "pip install 'mindtrack-client[record]'" in result.stderr

    def test_no_portaudio(
        self, command: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
        monkeypatch.syspath_prepend(tmp_path)
        result = command(*arguments)
        assert result.exit_code == 6
        assert "apt-get install libportaudio2" in result.stderr
        assert len(result.stderr.splitlines()) == 1

    def test_no_such_device(self, command: Command, plug: Plug) -> None:
        plug(FakePortAudio())
        result = command("record", "--device", "USB")
        assert result.exit_code == 6
        assert "cannot record from 'USB': No input device matching 'USB'" in result.stderr

    def test_a_device_that_delivers_nothing(
        self, command: Command, plug: Plug, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(microphone, "PATIENCE", 0.1)
        plug(FakePortAudio(mute=True))
        result = command("record")
        assert result.exit_code == 6
        assert "delivered nothing for 0.1 s" in result.stderr

    def test_the_server_is_asked_for_before_anybody_speaks(self, plug: Plug) -> None:
        fake = plug(FakePortAudio())
        assert run("record").exit_code == 2
        assert fake.opened == []


@pytest.mark.parametrize(
    ("block", "level"),
    [
        (b"", SILENCE),
        (bytes(3200), SILENCE),
        (struct.pack("<h", -32_768) * 1600, 0.0),
        (tone(0.1, peak=1.0), -3.01),
        (tone(0.1, peak=0.1), -23.01),
    ],
)
def test_levels_are_root_mean_squares(block: bytes, level: float) -> None:
    assert level_of(block) == pytest.approx(level, abs=0.01)
