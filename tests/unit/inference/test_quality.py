from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from mindtrack_inference import speech
from mindtrack_inference.audio import Waveform, decode
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.quality import LEVEL_FLOOR, SNR_FLOOR, check, measure
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.domain.quality import Quality
from unit.inference.recordings import WAV, Format, encode, rms_db, voice, white_noise

THRESHOLDS = QualitySettings()
NO_SPEECH = np.empty((0, 2), np.intp)
WINDOW_SECONDS = 4.0

GOOD = Quality(
    speech_seconds=8.0,
    speech_ratio=0.8,
    snr_db=30.0,
    clipping_ratio=0.002,
    level_dbfs=-20.0,
    bandwidth_hz=7_000.0,
    dc_offset=0.001,
)
#: A number that fails, the code it fails with, and what it would take; in the order in which they are asked.
FAULTS = [
    ("level_dbfs", -70.0, RejectionCode.TOO_QUIET, -60.0),
    ("dc_offset", 0.2, RejectionCode.OFFSET, 0.1),
    ("speech_seconds", 0.5, RejectionCode.TOO_LITTLE_SPEECH, 1.0),
    ("speech_ratio", 0.1, RejectionCode.MOSTLY_SILENCE, 0.2),
    ("clipping_ratio", 0.3, RejectionCode.DISTORTED, 0.1),
    ("snr_db", 2.0, RejectionCode.TOO_NOISY, 6.0),
    ("bandwidth_hz", 1_000.0, RejectionCode.MUFFLED, 1_900.0),
]


@pytest.mark.parametrize("name", QualitySettings.model_fields)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_thresholds_are_numbers(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MINDTRACK_QUALITY_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        QualitySettings()


def measured(waveform: Waveform) -> Quality:
    return measure(waveform, speech.detect(waveform))


def judge(quality: Quality, *, seconds: float = 10.0, thresholds: QualitySettings = THRESHOLDS) -> None:
    check(quality, thresholds, seconds=seconds, window_seconds=WINDOW_SECONDS)


def refusal(quality: Quality, *, seconds: float = 10.0) -> RecordingRejectedError:
    with pytest.raises(RecordingRejectedError) as caught:
        judge(quality, seconds=seconds)
    return caught.value


def spoken_part(waveform: Waveform) -> Waveform:
    return np.concatenate([waveform[first:end] for first, end in speech.detect(waveform)])


def low_pass(waveform: Waveform, hertz: float) -> Waveform:
    spectrum = np.fft.rfft(waveform)
    spectrum[np.fft.rfftfreq(waveform.size, 1 / SAMPLE_RATE) > hertz] = 0
    return np.asarray(np.fft.irfft(spectrum, waveform.size), np.float32)


def resampled(waveform: Waveform, source: int, target: int) -> Waveform:
    return np.asarray(soxr.resample(waveform, source, target), np.float32)


# What is measured.


def test_speech_is_what_lies_in_its_segments() -> None:
    segments = np.array([[0, SAMPLE_RATE], [2 * SAMPLE_RATE, round(3.5 * SAMPLE_RATE)]])
    quality = measure(white_noise(5 * SAMPLE_RATE, -20), segments)
    assert quality.speech_seconds == pytest.approx(2.5)
    assert quality.speech_ratio == pytest.approx(0.5)


@pytest.mark.parametrize("snr", [20, 10, 5, 0])
def test_steady_noise_is_measured_without_a_pause(snr: float) -> None:
    words = spoken_part(voice())
    noisy = words + white_noise(words.size, rms_db(words) - snr)
    quality = measure(noisy, np.array([[0, noisy.size]]))
    assert quality.snr_db == pytest.approx(snr, abs=1.0)


def test_without_speech_there_is_no_snr_and_no_bandwidth() -> None:
    quality = measure(white_noise(5 * SAMPLE_RATE, -20), NO_SPEECH)
    assert (quality.snr_db, quality.bandwidth_hz, quality.speech_seconds) == (None, None, 0.0)


def test_unclipped_speech_hardly_touches_its_extremes() -> None:
    assert measured(voice()).clipping_ratio < 0.01


@pytest.mark.parametrize(
    "form",
    [WAV, Format("wav", "pcm_s16le", 48_000), Format("flac", "flac", 44_100), Format("ipod", "aac", 48_000)],
    ids=str,
)
def test_clipping_is_seen_through_resamplers_and_codecs(form: Format) -> None:
    loud = resampled(voice(), SAMPLE_RATE, form.rate) * np.float32(4 / np.abs(voice()).max())
    clipped = decode(encode(np.clip(loud, -0.99, 0.99), form), max_seconds=20)
    ratio = measure(clipped, NO_SPEECH).clipping_ratio
    assert ratio > 8 * measure(voice(), NO_SPEECH).clipping_ratio


def test_clipping_grows_with_the_overload() -> None:
    unit = voice() / np.abs(voice()).max()
    ratios = [measure(np.clip(gain * unit, -1, 1), NO_SPEECH).clipping_ratio for gain in (1, 2, 4, 8, 16)]
    assert ratios == sorted(ratios)
    assert ratios[-1] > THRESHOLDS.max_clipping_ratio


def test_bandwidth_ends_where_the_band_does() -> None:
    widths = [measured(low_pass(voice(), hertz)).bandwidth_hz for hertz in (1_500, 3_000, 8_000)]
    assert widths[0] == pytest.approx(1_500, rel=0.1)
    assert widths[1] == pytest.approx(3_000, rel=0.1)
    assert widths[2] is not None
    assert widths[2] > 5_000


def test_telephone_speech_has_a_telephones_bandwidth() -> None:
    called = resampled(resampled(voice(), SAMPLE_RATE, 8_000), 8_000, SAMPLE_RATE)
    quality = measured(called)
    assert quality.bandwidth_hz == pytest.approx(3_700, rel=0.1)
    judge(quality)


@pytest.mark.parametrize("offset", [-0.2, 0.05])
def test_the_offset_is_the_mean(offset: float) -> None:
    quality = measure(white_noise(5 * SAMPLE_RATE, -40) + np.float32(offset), NO_SPEECH)
    assert quality.dc_offset == pytest.approx(offset, abs=1e-3)


def test_an_offset_is_no_sound() -> None:
    assert measure(np.full(5 * SAMPLE_RATE, 0.25, np.float32), NO_SPEECH).level_dbfs == LEVEL_FLOOR


def test_a_click_is_no_sound() -> None:
    waveform = np.zeros(5 * SAMPLE_RATE, np.float32)
    waveform[1_000:1_010] = 1.0
    assert measure(waveform, NO_SPEECH).level_dbfs == LEVEL_FLOOR


def test_pauses_do_not_make_a_voice_quiet() -> None:
    waveform = np.zeros(20 * SAMPLE_RATE, np.float32)
    waveform[: 2 * SAMPLE_RATE] = white_noise(2 * SAMPLE_RATE, -30)
    assert measure(waveform, NO_SPEECH).level_dbfs == pytest.approx(-30, abs=1)


def test_level_of_a_full_scale_sine() -> None:
    sine = np.sin(2 * np.pi * 1_000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    assert measure(sine, NO_SPEECH).level_dbfs == pytest.approx(-3.01, abs=0.01)


@st.composite
def waveforms(draw: st.DrawFn) -> tuple[Waveform, NDArray[np.intp]]:
    """Noise, constants and silence of any level up to what `decode` lets through, with any segments."""
    size = draw(st.integers(0, 6_000))
    level = draw(st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 100.0]))
    sound = draw(st.sampled_from([np.zeros, np.ones, np.random.default_rng(size).standard_normal]))
    edges = sorted(draw(st.sets(st.integers(0, size), max_size=8)))
    segments = np.array(edges[: len(edges) // 2 * 2], np.intp).reshape(-1, 2)
    return np.clip(level * sound(size), -100, 100).astype(np.float32), segments


@given(waveforms())
def test_every_number_is_finite(case: tuple[Waveform, NDArray[np.intp]]) -> None:
    quality = measure(*case)
    known = [value for value in asdict(quality).values() if value is not None]
    assert all(math.isfinite(value) for value in known)
    assert 0 <= quality.speech_ratio <= 1
    assert 0 <= quality.clipping_ratio <= 1
    assert quality.level_dbfs >= LEVEL_FLOOR
    assert quality.snr_db is None or quality.snr_db >= SNR_FLOOR


# What is refused.


def test_a_good_recording_passes() -> None:
    judge(GOOD)
    judge(measured(voice()))


def test_a_recording_as_long_as_a_window_passes_and_a_shorter_one_does_not() -> None:
    judge(GOOD, seconds=WINDOW_SECONDS)
    error = refusal(GOOD, seconds=3.99)
    assert (error.code, error.measured, error.needed) == (RejectionCode.TOO_SHORT, 3.99, 4.0)
    assert error.detail == "measured 3.99 s, needed at least 4"


@pytest.mark.parametrize(("field", "value", "code", "needed"), FAULTS)
def test_each_number_has_its_code(field: str, value: float, code: RejectionCode, needed: float) -> None:
    quality = replace(GOOD, **{field: value})
    error = refusal(quality)
    assert (error.code, error.measured, error.needed, error.quality) == (code, value, needed, quality)
    assert code.unit is not None
    assert code.unit in error.detail


@pytest.mark.parametrize("index", range(len(FAULTS)))
def test_the_first_fault_decides(index: int) -> None:
    quality = replace(GOOD, **{field: value for field, value, _, _ in FAULTS[index:]})
    assert refusal(quality).code is FAULTS[index][2]
    assert refusal(quality, seconds=1.0).code is RejectionCode.TOO_SHORT


@pytest.mark.parametrize(("field", "value", "code", "needed"), FAULTS)
def test_what_just_meets_a_threshold_passes(
    field: str, value: float, code: RejectionCode, needed: float
) -> None:
    judge(replace(GOOD, **{field: needed}))


def test_an_offset_to_either_side_is_refused() -> None:
    assert refusal(replace(GOOD, dc_offset=-0.2)).measured == 0.2


def test_what_was_not_measured_is_not_held_against_a_recording() -> None:
    judge(replace(GOOD, snr_db=None, bandwidth_hz=None))


def test_thresholds_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDTRACK_QUALITY_MIN_SNR_DB", "40")
    with pytest.raises(RecordingRejectedError, match="too_noisy: measured 30 dB, needed at least 40"):
        judge(GOOD, thresholds=QualitySettings())
