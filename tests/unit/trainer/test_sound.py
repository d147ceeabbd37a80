from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.evaluation import FORMATS
from mindtrack_trainer.sound import Samples, decode, encode, read_wav, round_trip, write_wav


def tone(seconds: float = 1.5) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_keeps_pitch_level_and_length(name: str) -> None:
    heard = round_trip(tone(), FORMATS[name])
    assert len(heard) == len(tone())
    middle = heard[SAMPLE_RATE // 4 : SAMPLE_RATE // 4 + SAMPLE_RATE]  # one second: bins are hertz
    assert int(np.abs(np.fft.rfft(middle)).argmax()) == 440
    assert float(np.sqrt(np.mean(middle**2))) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_encoding_is_reproducible() -> None:
    def encoded() -> bytes:
        buffer = io.BytesIO()
        encode(tone(), buffer, FORMATS["webm 32k"])
        return buffer.getvalue()

    assert encoded() == encoded()


def test_wav_round_trip_is_exact_to_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    write_wav(path, tone())
    np.testing.assert_array_equal(read_wav(path), np.round(tone() * 32767).astype(np.int16))
    np.testing.assert_allclose(decode(path), tone(), atol=1e-4)


def wav(rate: int = SAMPLE_RATE, channels: int = 1, width: int = 2, frames: int = 100) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setframerate(rate)
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.writeframes(bytes(frames * channels * width))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no WAV file"),
        (b"no sound at all", "is no WAV file"),
        (wav()[:30], "is no WAV file"),
        (wav(rate=8_000), "has 8000 Hz, 1 channels and 16 bits, not 16000 Hz, 1 and 16"),
        (wav(channels=2), "has 16000 Hz, 2 channels"),
        (wav(width=1), "has 16000 Hz, 1 channels and 8 bits"),
        (wav()[:-3], "is cut short: it holds 98 of 100 samples"),
    ],
    ids=["empty", "text", "header", "rate", "stereo", "8-bit", "cut-short"],
)
def test_wav_that_nobody_here_wrote_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.wav {message}"):
        read_wav(path)


@pytest.mark.parametrize(
    "content", [b"", b"no sound at all", wav(frames=0)], ids=["empty", "text", "silence"]
)
def test_what_holds_no_sound_is_not_decoded(content: bytes) -> None:
    with pytest.raises(DatasetError, match="unreadable: "):
        decode(io.BytesIO(content))
