"""Every format a phone sends comes out with the right length, level, pitch and order."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mindtrack_inference.audio import decode
from mindtrack_shared.bundles import SAMPLE_RATE
from unit.inference.recordings import (
    WAV,
    Format,
    dominant_frequency,
    encode,
    pitch_at,
    rms_db,
    sweep,
    video,
)

SECONDS = 3.0
LIMIT = 30.0

FORMATS = [
    WAV,
    Format("wav", "pcm_s16le", 44_100, 2),
    Format("wav", "pcm_u8", 8_000),
    Format("wav", "pcm_s24le", 96_000, 2),
    Format("wav", "pcm_s32le", 22_050),
    Format("wav", "pcm_f32le", 11_025),
    Format("wav", "pcm_f64le", 192_000, 2),
    Format("wav", "pcm_alaw", 8_000),
    Format("wav", "pcm_mulaw", 8_000),
    Format("flac", "flac", 16_000),
    Format("flac", "flac", 44_100, 6),
    Format("mp3", "libmp3lame", 22_050),
    Format("mp3", "libmp3lame", 44_100, 2),
    Format("ogg", "libopus", 16_000),
    Format("ogg", "libopus", 48_000, 2),
    Format("ogg", "vorbis", 44_100, 2),
    Format("ipod", "aac", 44_100),  # FFmpeg's name for m4a
    Format("ipod", "alac", 44_100, 2),
    Format("mp4", "aac", 48_000, 2),
    Format("mp4", "aac", 44_100, 1, {"movflags": "frag_keyframe+empty_moov"}),  # MediaRecorder in Safari
    Format("mov", "aac", 44_100, 2),
    Format("adts", "aac", 16_000),
    Format("webm", "libopus", 48_000),
    Format("webm", "libopus", 48_000, 2, {"live": "1"}),  # MediaRecorder in Chrome: no length, no index
    Format("amr", "libopencore_amrnb", 8_000),
    Format("3gp", "libopencore_amrnb", 8_000),
]


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_sweep_survives_its_format(form: Format) -> None:
    signal = sweep(SECONDS, form.rate)
    waveform = decode(encode(signal, form), max_seconds=LIMIT)

    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    # AAC's encoder delays by a frame and pads up to another: 2 x 1024 samples at 16 kHz.
    assert 0 <= waveform.size / SAMPLE_RATE - SECONDS <= 0.13
    assert rms_db(waveform) == pytest.approx(rms_db(signal), abs=0.5)
    assert abs(waveform.mean()) < 1e-3
    for share in (0.25, 0.5, 0.75):
        middle = round(share * SECONDS * SAMPLE_RATE)
        heard = dominant_frequency(waveform[middle - 2000 : middle + 2000], SAMPLE_RATE)
        assert heard == pytest.approx(pitch_at(share), abs=6)  # Hz; the delay shifts the glide


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 88_200])
@pytest.mark.parametrize("samples", [11, 999, 44_101])
def test_length_is_that_of_the_recording_to_one_sample(rate: int, samples: int) -> None:
    waveform = decode(
        encode(sweep(samples / rate, rate), Format("wav", "pcm_s16le", rate)), max_seconds=LIMIT
    )
    assert abs(waveform.size - samples * SAMPLE_RATE / rate) <= 1


def test_16_khz_pcm_passes_unchanged() -> None:
    signal = sweep(1.0, SAMPLE_RATE)
    waveform = decode(encode(signal, Format("wav", "pcm_f32le")), max_seconds=LIMIT)
    assert np.array_equal(waveform, signal)


def test_resampling_lets_nothing_alias() -> None:
    # 10 kHz would fold to 6 kHz.
    hiss = 0.5 * np.sin(2 * np.pi * 10_000 * np.arange(48_000) / 48_000).astype(np.float32)
    waveform = decode(encode(hiss, Format("wav", "pcm_f32le", 48_000)), max_seconds=LIMIT)
    assert rms_db(waveform[2_000:-2_000]) < -90


def test_channels_are_averaged() -> None:
    left = sweep(1.0, SAMPLE_RATE)
    right = np.zeros_like(left)
    waveform = decode(
        encode(np.stack([left, right]), Format("wav", "pcm_f32le", channels=2)), max_seconds=LIMIT
    )
    assert np.array_equal(waveform, left / 2)


def test_file_objects_decode_like_bytes() -> None:
    recording = encode(sweep(1.0, 44_100), Format("ipod", "aac", 44_100))
    from_file = decode(io.BytesIO(recording), max_seconds=LIMIT)
    assert np.array_equal(from_file, decode(recording, max_seconds=LIMIT))


def test_sound_of_a_video_is_decoded() -> None:
    signal = sweep(2.0, SAMPLE_RATE)
    waveform = decode(video(signal), max_seconds=LIMIT)
    assert waveform.size / SAMPLE_RATE == pytest.approx(2.0, abs=0.13)
    assert rms_db(waveform) == pytest.approx(rms_db(signal), abs=0.5)


@pytest.mark.parametrize(
    ("container", "codec"), [("adts", "aac"), ("mp3", "libmp3lame")], ids=["adts", "mp3"]
)
def test_rate_may_change_on_the_way(container: str, codec: str) -> None:
    halves = [encode(sweep(2.0, rate), Format(container, codec, rate)) for rate in (22_050, 44_100)]
    waveform = decode(b"".join(halves), max_seconds=LIMIT)

    assert waveform.size / SAMPLE_RATE == pytest.approx(4.0, abs=0.2)
    for half in np.array_split(waveform, 2):
        middle = half[half.size // 2 - 2000 : half.size // 2 + 2000]
        assert dominant_frequency(middle, SAMPLE_RATE) == pytest.approx(pitch_at(0.5), abs=8)
