"""What is broken, lying or no audio at all is refused with the right code, cheaply and quietly."""

from __future__ import annotations

import logging
import struct
import time
import traceback
import tracemalloc
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindtrack_inference.audio import Waveform, decode
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.jobs import RejectionCode
from unit.inference.recordings import WAV, Format, encode, sweep, video

LIMIT = 10.0
SECONDS = 6.0

M4A = Format("ipod", "aac", 44_100)
MP3 = Format("mp3", "libmp3lame", 44_100)
OPUS = Format("ogg", "libopus", 48_000)
WEBM = Format("webm", "libopus", 48_000)
FLAC = Format("flac", "flac", 44_100)
AMR = Format("amr", "libopencore_amrnb", 8_000)
ADTS = Format("adts", "aac", 44_100)
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile '/etc/hostname'\n"


def recording(form: Format) -> bytes:
    return encode(sweep(SECONDS, form.rate), form)


def refusal(source: bytes, *, max_seconds: float = LIMIT) -> RejectionCode:
    with pytest.raises(RecordingRejectedError) as caught:
        decode(source, max_seconds=max_seconds)
    return caught.value.code


def seconds(waveform: Waveform) -> float:
    return waveform.size / SAMPLE_RATE


def with_hole(source: bytes, size: int) -> bytes:
    middle = len(source) // 2
    return source[:middle] + Random(1).randbytes(size) + source[middle + size :]


@pytest.mark.parametrize(
    "source",
    [b"", b"\0", b"\0" * 50_000, b"Dear diary, " * 5_000, b"RIFF", PLAYLIST, CONCAT, b"\xff\xfb" * 20_000],
    ids=["empty", "one-byte", "zeros", "text", "magic-only", "playlist", "concat", "mp3-syncs"],
)
def test_no_recording_at_all(source: bytes) -> None:
    assert refusal(source) is RejectionCode.UNREADABLE


@pytest.mark.parametrize("seed", range(20))
def test_noise_bytes_are_unreadable(seed: int) -> None:
    assert refusal(Random(seed).randbytes(50_000)) is RejectionCode.UNREADABLE


@pytest.mark.parametrize(
    "form",
    [
        Format("aiff", "pcm_s16be"),
        Format("caf", "pcm_s16le"),
        Format("mpegts", "aac"),
        Format("wav", "adpcm_ima_wav"),
        Format("matroska", "mp2"),
        Format("wav", "pcm_s16le", 4_000),
    ],
    ids=str,
)
def test_formats_beyond_the_lists_are_unreadable(form: Format) -> None:
    assert refusal(recording(form)) is RejectionCode.UNREADABLE


def test_video_without_sound_has_no_audio() -> None:
    assert refusal(video()) is RejectionCode.NO_AUDIO


def test_headers_without_a_sample_are_unreadable() -> None:
    source = recording(WAV)
    assert refusal(source[: source.index(b"data") + 8]) is RejectionCode.UNREADABLE


@pytest.mark.parametrize("form", [M4A, Format("3gp", "libopencore_amrnb", 8_000)], ids=str)
def test_cut_recording_without_its_index_is_unreadable(form: Format) -> None:
    source = recording(form)
    assert refusal(source[: len(source) // 2]) is RejectionCode.UNREADABLE


@pytest.mark.parametrize("form", [WAV, FLAC, MP3, OPUS, WEBM, AMR, ADTS], ids=str)
def test_cut_recording_decodes_to_what_is_there(form: Format) -> None:
    source = recording(form)
    waveform = decode(source[: len(source) // 2], max_seconds=LIMIT)
    assert seconds(waveform) == pytest.approx(SECONDS / 2, abs=0.5)  # compression is not even


@pytest.mark.parametrize("form", [M4A, MP3, ADTS], ids=str)
def test_few_damaged_packets_are_skipped(form: Format) -> None:
    waveform = decode(with_hole(recording(form), 400), max_seconds=LIMIT)
    assert SECONDS - 0.3 <= seconds(waveform) <= SECONDS + 0.1


def test_a_packet_refused_with_a_stray_code_is_skipped_too() -> None:
    source = recording(AMR)
    frame = 13  # bytes at the lowest rate, after a header of 6
    silence = b"\x44" + bytes(5)  # a comfort noise frame, which FFmpeg's decoder calls "not yet implemented"
    waveform = decode(source[: 6 + 50 * frame] + silence + source[6 + 51 * frame :], max_seconds=LIMIT)
    assert seconds(waveform) == pytest.approx(SECONDS, abs=0.03)


@pytest.mark.parametrize("form", [M4A, AMR, ADTS], ids=str)
def test_many_damaged_packets_are_unreadable(form: Format) -> None:
    source = recording(form)
    torn = bytearray(source)
    for place in range(len(source) // 4, 3 * len(source) // 4, len(source) // 200):
        torn[place : place + 3] = b"\xff\x00\xaa"
    assert refusal(bytes(torn)) is RejectionCode.UNREADABLE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e9])
@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_f64le"])
def test_samples_that_are_no_sound_are_unreadable(codec: str, value: float) -> None:
    signal = sweep(1.0, SAMPLE_RATE)
    signal[8_000] = value
    assert refusal(encode(signal, Format("wav", codec))) is RejectionCode.UNREADABLE


def test_doubles_beyond_float32_are_unreadable() -> None:
    source = bytearray(encode(sweep(1.0, SAMPLE_RATE), Format("wav", "pcm_f64le")))
    source[-8:] = struct.pack("<d", 1e300)
    assert refusal(bytes(source)) is RejectionCode.UNREADABLE


def test_float_samples_may_overshoot_full_scale() -> None:
    signal = sweep(1.0, SAMPLE_RATE, amplitude=3.0)
    assert np.array_equal(decode(encode(signal, Format("wav", "pcm_f32le")), max_seconds=LIMIT), signal)


def test_limit_counts_what_was_decoded() -> None:
    source = recording(WAV)
    assert seconds(decode(source, max_seconds=SECONDS)) == SECONDS
    assert refusal(source, max_seconds=SECONDS - 0.001) is RejectionCode.TOO_LONG


def flac_of_silence(hours: float) -> bytes:
    """Silence in FLAC's largest blocks, so that its size is next to nothing."""
    samples = round(hours * 3600 * SAMPLE_RATE)
    block = 65_535
    head = b"fLaC" + b"\x80" + (34).to_bytes(3, "big") + struct.pack(">HH", block, block) + bytes(6)
    info = head + (SAMPLE_RATE << 44 | 15 << 36 | samples).to_bytes(8, "big") + bytes(16)
    source = bytearray(info)
    for number in range(samples // block):
        source += _silent_frame(number, block)
    return bytes(source)


def _silent_frame(number: int, block: int) -> bytes:
    """One mono 16-bit frame at 16 kHz holding a constant zero (RFC 9639, section 9)."""
    coded = chr(number).encode("utf-8", "surrogatepass")
    header = b"\xff\xf8" + b"\x75" + b"\x08" + coded + (block - 1).to_bytes(2, "big")
    header += bytes([_crc(header, 8, 0x07)])
    frame = header + b"\x00\x00\x00"  # subframe header: constant; then the 16-bit value
    return frame + _crc(frame, 16, 0x8005).to_bytes(2, "big")


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    value = 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ polynomial if value >> (bits - 1) & 1 else value << 1
            value &= (1 << bits) - 1
    return value


def test_silence_that_decodes_to_hours_stops_at_the_limit() -> None:
    bomb = flac_of_silence(hours=5)
    assert len(bomb) < 100_000
    little = flac_of_silence(hours=0.5)
    assert seconds(decode(little, max_seconds=1e9)) == pytest.approx(1800, abs=5)  # it is what it seems
    tracemalloc.start()
    started = time.process_time()
    try:
        assert refusal(bomb, max_seconds=60) is RejectionCode.TOO_LONG
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 2
    assert peak < 16e6  # bytes; a minute of float32 is 3.8 MB, the whole would be 1.1 GB


def test_header_that_claims_one_second_is_not_believed() -> None:
    bomb = bytearray(flac_of_silence(hours=0.1))
    bomb[18:26] = (SAMPLE_RATE << 44 | 15 << 36 | SAMPLE_RATE).to_bytes(8, "big")
    assert refusal(bytes(bomb)) is RejectionCode.TOO_LONG


def test_header_that_claims_hours_is_not_believed() -> None:
    source = bytearray(recording(WAV))
    size = source.index(b"data") + 4
    source[size : size + 4] = (0xFFFF_FFF0).to_bytes(4, "little")
    assert seconds(decode(bytes(source), max_seconds=LIMIT)) == SECONDS


def test_tags_in_a_broken_encoding_do_no_harm() -> None:
    text = b"\x03caf\xe9 \xff\xfe\xc3\x28"  # announces UTF-8
    frame = b"TIT2" + len(text).to_bytes(4, "big") + b"\0\0" + text
    tagged = b"ID3\x03\0\0" + bytes([0, 0, 0, len(frame)]) + frame + recording(MP3)
    assert seconds(decode(tagged, max_seconds=LIMIT)) == pytest.approx(SECONDS, abs=0.1)


def test_neither_ffmpeg_nor_names_reach_logs_or_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "jane-doe-session.m4a"
    path.write_bytes(recording(M4A)[:20_000])
    with path.open("rb") as file, pytest.raises(RecordingRejectedError) as caught:
        decode(file, max_seconds=LIMIT)
    decode(with_hole(recording(MP3), 400), max_seconds=LIMIT)

    assert "jane" not in "".join(traceback.format_exception(caught.value))
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


SEEDS = [encode(sweep(1.0, form.rate), form) for form in (WAV, FLAC, MP3, OPUS, WEBM, M4A, AMR)]


@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=20
    ),
    share=st.floats(0.1, 1),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_damage_ends_in_a_waveform_or_a_refusal(
    seed: bytes, edits: list[tuple[float, bytes]], share: float
) -> None:
    source = bytearray(seed[: round(share * len(seed))])
    for place, replacement in edits:
        start = int(place * len(source))
        source[start : start + len(replacement)] = replacement
    try:
        waveform = decode(bytes(source), max_seconds=5)
    except RecordingRejectedError:
        return
    assert waveform.size > 0
    assert seconds(waveform) <= 5.001
    assert np.isfinite(waveform).all()


def test_pyav_keeps_ffmpeg_quiet() -> None:
    """The promise above rests on PyAV's default, which another library could change."""
    assert av.logging.get_level() is None
