from __future__ import annotations

import numpy as np
import pytest

from mindtrack_inference.audio import SAMPLE_RATE, Waveform
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.quality import MIN_LEVEL_DBFS, check, level_dbfs
from mindtrack_shared.domain.jobs import RejectionCode
from unit.inference.recordings import sweep

WINDOW = 2 * SAMPLE_RATE


def noise(level: float, seconds: float = 5.0) -> Waveform:
    """White noise at a level in dBFS."""
    hiss = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))
    return np.asarray(hiss * 10 ** (level / 20), np.float32)


def refusal(waveform: Waveform) -> RecordingRejectedError:
    with pytest.raises(RecordingRejectedError) as caught:
        check(waveform, window_samples=WINDOW)
    return caught.value


def test_one_window_of_sound_passes() -> None:
    check(sweep(2.0, SAMPLE_RATE), window_samples=WINDOW)


def test_one_sample_less_is_too_short() -> None:
    error = refusal(sweep(2.0, SAMPLE_RATE)[:-1])
    assert error.code is RejectionCode.TOO_SHORT
    assert error.detail == "2.00 s do not fill a window of 2 s"


def test_length_is_judged_before_level() -> None:
    assert refusal(np.zeros(100, np.float32)).code is RejectionCode.TOO_SHORT


@pytest.mark.parametrize("level", [MIN_LEVEL_DBFS - 1.5, -80, -120])
def test_near_silence_is_too_quiet(level: float) -> None:
    assert refusal(noise(level)).code is RejectionCode.TOO_QUIET


@pytest.mark.parametrize("level", [MIN_LEVEL_DBFS + 1.5, -40, -26])
def test_quiet_sound_passes(level: float) -> None:
    check(noise(level), window_samples=WINDOW)


def test_digital_silence_is_too_quiet() -> None:
    error = refusal(np.zeros(5 * SAMPLE_RATE, np.float32))
    assert error.code is RejectionCode.TOO_QUIET
    assert error.detail == "its level is -inf dBFS, below -60"


def test_an_offset_is_no_sound() -> None:
    assert refusal(np.full(5 * SAMPLE_RATE, 0.25, np.float32)).code is RejectionCode.TOO_QUIET


def test_a_click_is_no_sound() -> None:
    waveform = np.zeros(5 * SAMPLE_RATE, np.float32)
    waveform[1_000:1_010] = 1.0
    assert refusal(waveform).code is RejectionCode.TOO_QUIET


def test_pauses_do_not_make_a_voice_quiet() -> None:
    waveform = np.zeros(20 * SAMPLE_RATE, np.float32)
    waveform[: 2 * SAMPLE_RATE] = noise(-30, 2.0)
    assert level_dbfs(waveform) == pytest.approx(-30, abs=1)


def test_level_of_a_full_scale_sine() -> None:
    sine = np.sin(2 * np.pi * 1_000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    assert level_dbfs(sine) == pytest.approx(-3.01, abs=0.01)


def test_less_than_a_frame_has_no_level() -> None:
    assert level_dbfs(np.ones(10, np.float32)) == -np.inf
