from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from mindtrack_trainer.evaluation import FORMATS
from mindtrack_trainer.sound import SAMPLE_RATE, Samples, decode, encode, read_wav, round_trip, write_wav


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
