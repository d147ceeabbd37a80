"""Bombs and lies: each recording says one thing and is another.

`CASES` names them with what they claim, what they are and what must become of them. Where the truth is
harmless, the recording must be analysed at its true length.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import cast

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream

from hostile.containers import (
    UNKNOWN_SIZE,
    box,
    chunk,
    ebml,
    element,
    flac,
    ogg,
    opus_silence,
    patched,
    silent_frames,
    stream_info,
    wave,
    wave_format,
    with_edits,
)
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.jobs import RejectionCode
from unit.inference.recordings import Format, encode, sweep, video, voice

UNREADABLE, TOO_SHORT, TOO_LONG = RejectionCode.UNREADABLE, RejectionCode.TOO_SHORT, RejectionCode.TOO_LONG
MOSTLY_SILENCE, NO_AUDIO = RejectionCode.MOSTLY_SILENCE, RejectionCode.NO_AUDIO
#: Seconds of the voice in what is harmless.
VOICE = 6.0
HOUR = 3600.0
MIB = 1 << 20
PAYLOAD = b"<svg xmlns='http://www.w3.org/2000/svg' onload='fetch(\"http://127.0.0.1:9\")'></svg>"
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile 'file:///etc/hostname'\n"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
DASH = (
    b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><AdaptationSet>"
    b"<Representation id='1'><BaseURL>http://127.0.0.1:9/a.mp4</BaseURL></Representation></AdaptationSet>"
    b"</Period></MPD>"
)


@dataclass(frozen=True)
class Case:
    name: str
    claims: str
    truth: str
    make: Callable[[], bytes]
    #: The code with which it is refused; or the seconds to which it decodes, if it is harmless.
    end: RejectionCode | float


@cache
def spoken(container: str, codec: str, rate: int, channels: int = 1, **muxer: str) -> bytes:
    """Six seconds of a voice."""
    signal = voice()[: round(VOICE * SAMPLE_RATE)]
    resampled = np.asarray(soxr.resample(signal, SAMPLE_RATE, rate), np.float32)
    return encode(resampled, Format(container, codec, rate, channels, muxer))


def pcm() -> bytes:
    return (voice()[: round(VOICE * SAMPLE_RATE)] * 32_767).astype("<i2").tobytes()


def wav() -> bytes:
    return wave(wave_format(), chunk(b"data", pcm()))


def floats(value: float) -> bytes:
    samples = voice()[: round(VOICE * SAMPLE_RATE)].copy()
    samples[1_000] = value
    return wave(wave_format(tag=3, bits=32), chunk(b"data", samples.astype("<f4").tobytes()))


def mp3() -> bytes:
    return spoken("mp3", "libmp3lame", 16_000)


def m4a() -> bytes:
    return spoken("ipod", "aac", 16_000)


def webm() -> bytes:
    return spoken("webm", "libopus", 48_000)


def opus() -> bytes:
    return spoken("ogg", "libopus", 48_000)


def voice_flac() -> bytes:
    return spoken("flac", "flac", 16_000)


# FLAC


def flac_of(seconds: float, *, stated: float, block: int = 65_535) -> bytes:
    return flac(stream_info(round(stated * SAMPLE_RATE), block=block), frames=silent_frames(seconds, block))


def flac_with(*blocks: tuple[int, bytes]) -> bytes:
    """A voice in FLAC, with more metadata."""
    source = voice_flac()
    return flac((0, source[8:42]), *blocks, frames=source[source.index(b"\xff\xf8", 42) :])


def flac_stating(seconds: float) -> bytes:
    source = voice_flac()
    packed = int.from_bytes(source[18:26], "big") >> 36 << 36 | round(seconds * SAMPLE_RATE)
    return source[:18] + packed.to_bytes(8, "big") + source[26:]


def picture(size: int) -> tuple[int, bytes]:
    fields = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIIII", 0, 64, 64, 24, 0, size)
    return 6, fields + bytes(size)


# MPEG audio


def repeated_frame(container: str, codec: str, times: int, rate: int, bit_rate: int) -> bytes:
    """One frame of silence, again and again."""
    file = io.BytesIO()
    options = {"write_xing": "0", "id3v2_version": "0"} if container == "mp3" else {}
    with av.open(file, "w", format=container, options=options) as output:
        stream = cast("AudioStream", output.add_stream(codec, rate=rate))
        stream.bit_rate = bit_rate
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate
        packets = [*stream.encode(frame), *stream.encode(None)]
        output.mux(packets)
    smallest = min((bytes(packet) for packet in packets[2:-1]), key=len)
    coded = file.getvalue()
    place = coded.index(smallest)
    start = coded.rindex(b"\xff", 0, place + 1) if container == "mp3" else place - 7
    return coded[start : place + len(smallest)] * times


def id3(body: bytes, *, size: int | None = None) -> bytes:
    stated = len(body) if size is None else size
    return b"ID3\x03\0\0" + bytes(stated >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def id3_with_picture(size: int) -> bytes:
    body = b"\0image/png\0\x03\0" + bytes(size)
    return id3(b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body) + mp3()


def xing_stating(frames: int) -> bytes:
    """Two hours of an MP3 of 8 kbit/s, whose first frame says that it has so few frames."""
    source = mp3_hours()
    place = 4 + 9  # after the header and the side information of MPEG 2.5, mono
    return source[:place] + b"Info" + struct.pack(">II", 1, frames) + source[place + 12 :]


@cache
def mp3_hours() -> bytes:
    return repeated_frame("mp3", "libmp3lame", round(2 * HOUR / 0.072), 8_000, 8_000)


# Ogg


def ogg_damaged() -> bytes:
    """Opus with every second page's checksum broken."""
    source = bytearray(opus())
    for page in [found.start() for found in re.finditer(b"OggS", bytes(source))][2::2]:
        source[page + 22] ^= 0xFF
    return bytes(source)


def ogg_stating(seconds: float) -> bytes:
    """A voice in Opus whose last page states another position."""
    source = opus()
    packets = list(_packets(source))
    sound = [
        (packet, round((place + 1) * seconds * 48_000 / len(packets))) for place, packet in enumerate(packets)
    ]
    head = struct.pack("<8sBBHIHB", b"OpusHead", 1, 1, 312, 48_000, 0, 0)
    return ogg([(head, 0), (b"OpusTags" + bytes(8), 0), *((p, at) for p, at in sound if len(p) < 255)])


def _packets(source: bytes) -> list[bytes]:
    with av.open(io.BytesIO(source), "r") as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def chained() -> bytes:
    return spoken("ogg", "vorbis", 44_100, 2) + spoken("ogg", "vorbis", 22_050, 2)


# MP4


def m4a_cut() -> bytes:
    source = m4a()
    return source[: source.index(b"moov") - 4]


def m4a_stating(seconds: float) -> bytes:
    """Its media header, and its edit list, say another length."""
    source = m4a().replace(b"edts", b"free", 1)
    return patched(source, b"mdhd", 16, struct.pack(">I", round(seconds * 16_000)))


def m4a_ticking(step: int) -> bytes:
    """Each of its samples lasts `step` ticks of 1/16,000 s."""
    source = m4a().replace(b"edts", b"free", 1)
    return patched(source, b"stts", 12, struct.pack(">I", step))


def nested(kind: bytes, depth: int) -> bytes:
    head = [struct.pack(">I", 8 * (depth - level)) + kind for level in range(depth)]
    return box(b"ftyp", b"M4A \0\0\0\0M4A ") + b"".join(head)


def many_streams(count: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        streams = [container.add_stream("aac", rate=16_000, layout="mono") for _ in range(count)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4_096), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


# Matroska


def webm_stating(seconds: float) -> bytes:
    """Its segment's duration, in milliseconds as a double, is another."""
    source = webm()
    place = source.index(b"\x44\x89\x88") + 3
    return source[:place] + struct.pack(">d", seconds * 1000) + source[place + 8 :]


def webm_jumping() -> bytes:
    """Its clusters lie years apart."""
    source = spoken("webm", "libopus", 48_000, live="1", cluster_time_limit="500")
    years = 0
    parts = re.split(rb"(?=\x1f\x43\xb6\x75)", source)
    jumped = parts[0]
    for part in parts[1:]:
        place = part.index(b"\xe7")
        size = part[place + 1] & 0x7F
        time = element(b"\xe7", struct.pack(">Q", years * 31_557_600_000))
        body = part[:place] + time + part[place + 2 + size :]
        jumped += b"\x1f\x43\xb6\x75" + UNKNOWN_SIZE + body[body.index(time) :]
        years += 3
    return jumped


def webm_with_attachment(size: int) -> bytes:
    source = spoken("webm", "libopus", 48_000, live="1")
    attached = element(
        b"\x19\x41\xa4\x69",
        element(
            b"\x61\xa7",
            element(b"\x46\x6e", b"a.ttf"),
            element(b"\x46\x60", b"font/ttf"),
            element(b"\x46\xae", b"\x01"),
            element(b"\x46\x5c", bytes(size)),
        ),
    )
    place = source.index(b"\x1f\x43\xb6\x75")  # the first cluster
    return source[:place] + attached + source[place:]


def webm_nested(depth: int) -> bytes:
    """Tags in tags in tags, none of which says where it ends."""
    tag = b"\x67\xc8" + UNKNOWN_SIZE
    return ebml() + element(
        b"\x18\x53\x80\x67", element(b"\x12\x54\xc3\x67", b"\x73\x73" + UNKNOWN_SIZE + tag * depth)
    )


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("zeros", bytes(10 * MIB))
    return file.getvalue()


FLAC_CASES = (
    Case(
        "flac-hour-in-64k-blocks", "1 h", "1 h of silence", lambda: flac_of(HOUR, stated=HOUR), MOSTLY_SILENCE
    ),
    Case(
        "flac-hour-in-4k-blocks",
        "1 h",
        "1 h of silence",
        lambda: flac_of(HOUR, stated=HOUR, block=4_096),
        MOSTLY_SILENCE,
    ),
    Case(
        "flac-unknown-length",
        "nothing",
        "10 h of silence",
        lambda: flac_of(10 * HOUR, stated=0),
        MOSTLY_SILENCE,
    ),
    Case("flac-claims-a-second", "1 s", "1 h of silence", lambda: flac_of(HOUR, stated=1), UNREADABLE),
    Case("flac-claims-five-minutes", "5 min", "6 s of a voice", lambda: flac_stating(300), UNREADABLE),
    Case("flac-claims-ten-hours", "10 h", "6 s of a voice", lambda: flac_stating(10 * HOUR), MOSTLY_SILENCE),
    Case("flac-picture", "a cover of 9 MiB", "6 s of a voice", lambda: flac_with(picture(9 * MIB)), VOICE),
    Case(
        "flac-seek-table",
        "half a million seek points",
        "6 s of a voice",
        lambda: flac_with((3, bytes(9 * MIB))),
        VOICE,
    ),
    Case(
        "flac-metadata-beyond-end",
        "16 MiB of padding",
        "24 bytes",
        lambda: b"fLaC\x00\x00\x00\x22" + stream_info(0)[1] + b"\x81\xff\xff\xff" + bytes(24),
        UNREADABLE,
    ),
    Case(
        "flac-655-khz",
        "655,350 Hz",
        "random bytes",
        lambda: flac(stream_info(0, rate=655_350), frames=Random(1).randbytes(50_000)),
        UNREADABLE,
    ),
)
WAV_CASES = (
    Case(
        "wav-ima-adpcm-lie",
        "74 h",
        "a block of 16 samples",
        lambda: wave(
            wave_format(tag=0x11, bits=4, more=struct.pack("<HH", 2, 505)),
            chunk(b"fact", struct.pack("<I", 0xFFFF_FFF0)),
            chunk(b"data", bytes(12), size=0xFFFF_FFF0),
        ),
        UNREADABLE,
    ),
    Case(
        "wav-claims-4-gib",
        "4 GiB, 37 h",
        "32 samples",
        lambda: wave(wave_format(), chunk(b"data", pcm()[:64], size=0xFFFF_FFF0)),
        TOO_SHORT,
    ),
    Case(
        "wav-streamed",
        "4 GiB, as whoever streams it writes",
        "6 s of a voice",
        lambda: wave(wave_format(), chunk(b"data", pcm(), size=0xFFFF_FFFF), size=0xFFFF_FFFF),
        VOICE,
    ),
    Case(
        "wav-claims-less",
        "5 s, and bytes behind them",
        "6 s of a voice, of which 5 are sound",
        lambda: wave(wave_format(), chunk(b"data", pcm(), size=160_000)),
        5.0,
    ),
    Case("wav-empty", "0 s", "nothing", lambda: wave(wave_format(), chunk(b"data", b"")), UNREADABLE),
    Case(
        "wav-endless-chunk",
        "a list of 4 GiB before the sound",
        "6 s of a voice",
        lambda: wave(wave_format(), chunk(b"LIST", b"", size=-1), chunk(b"data", pcm())),
        UNREADABLE,
    ),
    Case(
        "wav-overlapping-chunks",
        "a list that ends within the sound",
        "6 s of a voice",
        lambda: wave(wave_format(), chunk(b"LIST", b"INFO", size=4_096), chunk(b"data", pcm())),
        UNREADABLE,
    ),
    Case(
        "wav-long-tag",
        "a tag of 800 MiB before the sound",
        "6 s of a voice",
        lambda: wave(
            wave_format(),
            chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"", size=800 * MIB), size=900 * MIB),
            chunk(b"data", pcm()),
        ),
        UNREADABLE,
    ),
    Case(
        "wav-no-format",
        "sound of no format",
        "6 s of a voice",
        lambda: wave(chunk(b"data", pcm())),
        UNREADABLE,
    ),
    Case(
        "wav-endless-format",
        "a format of 2 GiB",
        "6 s of a voice",
        lambda: wave(chunk(b"fmt ", bytes(16), size=0x7FFF_FFFF), chunk(b"data", pcm())),
        UNREADABLE,
    ),
    Case(
        "wav-bad-guid",
        "a codec of random bytes (WAVE_FORMAT_EXTENSIBLE)",
        "6 s of a voice",
        lambda: wave(
            wave_format(tag=0xFFFE, more=struct.pack("<HHI", 22, 16, 4) + Random(1).randbytes(16)),
            chunk(b"data", pcm()),
        ),
        UNREADABLE,
    ),
    *(
        Case(
            f"wav-{rate}-hz",
            f"{rate:,} Hz",
            "6 s of a voice",
            lambda rate=rate: wave(wave_format(rate=rate), chunk(b"data", pcm())),  # type: ignore[misc]
            end,
        )
        for rate, end in ((0, UNREADABLE), (1, MOSTLY_SILENCE), (384_000, UNREADABLE), (2**31, UNREADABLE))
    ),
    *(
        Case(
            f"wav-{channels}-channels",
            f"{channels:,} channels",
            "6 s of a voice",
            lambda channels=channels: wave(wave_format(channels=channels), chunk(b"data", 20 * pcm())),  # type: ignore[misc]
            UNREADABLE,
        )
        for channels in (0, 255, 65_535)
    ),
    *(
        Case(
            f"wav-float-{value}",
            "6 s of a voice",
            f"a voice with a sample of {value}",
            lambda value=value: floats(value),  # type: ignore[misc]
            UNREADABLE,
        )
        for value in (float("nan"), float("inf"), 1e30)
    ),
    Case(
        "wav-dc",
        "6 s",
        "a constant",
        lambda: wave(wave_format(), chunk(b"data", struct.pack("<h", 32_000) * 96_000)),
        RejectionCode.TOO_QUIET,
    ),
)
MPEG_CASES = (
    Case("mp3-hours", "nothing", "2 h of silence at 8 kbit/s", mp3_hours, TOO_LONG),
    Case("mp3-claims-a-second", "1 s", "2 h of silence at 8 kbit/s", lambda: xing_stating(14), TOO_LONG),
    Case("mp3-picture", "a cover of 9 MiB", "6 s of a voice", lambda: id3_with_picture(9 * MIB), VOICE),
    Case(
        "mp3-endless-tag",
        "a tag of 256 MiB",
        "6 s of a voice",
        lambda: id3(b"", size=(1 << 28) - 1) + mp3(),
        UNREADABLE,
    ),
    Case(
        "mp3-syncs", "10 MiB of frames", "their first two bytes", lambda: b"\xff\xfb" * (5 * MIB), UNREADABLE
    ),
    Case(
        "aac-hours",
        "nothing",
        "2 h of silence",
        lambda: repeated_frame("adts", "aac", round(2 * HOUR / 0.128), 8_000, 8_000),
        TOO_LONG,
    ),
    Case(
        "aac-latm",
        "frames of LATM",
        "random bytes",
        lambda: b"".join(b"\x56\xe1\x00" + Random(n).randbytes(256) for n in range(400)),
        UNREADABLE,
    ),
    Case(
        "amr-hour",
        "nothing",
        "1 h of which nothing was sent",
        lambda: b"#!AMR\n" + b"\x7c" * 180_000,
        MOSTLY_SILENCE,
    ),
)
OGG_CASES = (
    Case("opus-hour", "1 h", "1 h of which nothing was sent", lambda: opus_silence(HOUR), MOSTLY_SILENCE),
    Case(
        "opus-claims-a-second",
        "1 s",
        "1 h of which nothing was sent",
        lambda: opus_silence(HOUR, stated=1),
        UNREADABLE,
    ),
    Case("opus-claims-five-minutes", "5 min", "6 s of a voice", lambda: ogg_stating(300), UNREADABLE),
    Case("ogg-damaged", "6 s", "6 s of a voice, every second page damaged", ogg_damaged, UNREADABLE),
    Case("ogg-chained", "6 s", "6 s at 44,100 Hz and 6 s at 22,050", chained, UNREADABLE),
)
MP4_CASES = (
    Case("m4a-no-index", "6 s", "its index is missing", m4a_cut, UNREADABLE),
    Case("m4a-index-at-end", "6 s", "6 s of a voice", m4a, VOICE),
    Case("m4a-claims-a-second", "1 s", "6 s of a voice", lambda: m4a_stating(1), UNREADABLE),
    Case("m4a-claims-five-minutes", "5 min", "6 s of a voice", lambda: m4a_stating(300), VOICE),
    Case("m4a-samples-of-days", "frames of 37 h", "6 s of a voice", lambda: m4a_ticking(2**31), VOICE),
    Case("m4a-samples-of-nothing", "6 s", "samples that last 0 s", lambda: m4a_ticking(0), UNREADABLE),
    Case(
        "m4a-edits-repeat",
        "6 s, a thousand times",
        "6 s of a voice",
        lambda: with_edits(m4a(), [(6_000, 0)] * 1_000),
        VOICE,
    ),
    Case(
        "m4a-edits-beyond-end",
        "a stretch after its end",
        "6 s of a voice",
        lambda: with_edits(m4a(), [(6_000, 2**30)]),
        UNREADABLE,
    ),
    Case(
        "m4a-edits-many",
        "700,000 stretches of 1 ms",
        "6 s of a voice",
        lambda: with_edits(m4a(), [(1, n % 90_000) for n in range(700_000)]),
        VOICE,
    ),
    Case(
        "m4a-billions-of-samples",
        "4 billion samples",
        "6 s of a voice",
        lambda: patched(m4a(), b"stsz", 4, struct.pack(">II", 1, 0xFFFF_FFFF)),
        UNREADABLE,
    ),
    Case(
        "m4a-samples-elsewhere",
        "samples at 4 GiB",
        "6 s of a voice",
        lambda: patched(m4a(), b"stco", 8, struct.pack(">I", 0xFFFF_FF00)),
        UNREADABLE,
    ),
    Case(
        "m4a-elsewhere",
        "sound in file:///etc/hostname",
        "6 s of a voice",
        lambda: patched(m4a(), b"dref", 8, box(b"url ", bytes(4) + b"file:///etc/hostname\0")[:12]),
        VOICE,
    ),
    Case(
        "m4a-says-encrypted",
        "encrypted sound",
        "6 s of a voice",
        lambda: m4a().replace(b"mp4a", b"enca", 1),
        VOICE,
    ),
    Case(
        "m4a-nested",
        "30,000 boxes, each in the one before",
        "nothing",
        lambda: nested(b"moov", 30_000),
        UNREADABLE,
    ),
    Case("mp4-no-sound", "a video", "a video without sound", video, NO_AUDIO),
    Case("mp4-200-streams", "200 sounds", "200 sounds", lambda: many_streams(200), UNREADABLE),
)
WEBM_CASES = (
    Case(
        "webm-no-index",
        "nothing",
        "6 s of a voice",
        lambda: spoken("webm", "libopus", 48_000, live="1"),
        VOICE,
    ),
    Case("webm-claims-a-second", "1 s", "6 s of a voice", lambda: webm_stating(1), UNREADABLE),
    Case("webm-claims-five-minutes", "5 min", "6 s of a voice", lambda: webm_stating(300), UNREADABLE),
    Case("webm-claims-nan", "NaN", "6 s of a voice", lambda: webm_stating(float("nan")), VOICE),
    Case("webm-years-apart", "clusters that lie years apart", "6 s of a voice", webm_jumping, VOICE),
    Case(
        "webm-attachment", "a font of 9 MiB", "6 s of a voice", lambda: webm_with_attachment(9 * MIB), VOICE
    ),
    Case(
        "webm-nested",
        "a million tags, each in the one before",
        "nothing",
        lambda: webm_nested(MIB),
        UNREADABLE,
    ),
    Case(
        "webm-endless-element",
        "a header of 2^56 bytes",
        "6 s of a voice",
        lambda: webm()[:4] + b"\x01" + b"\xff" * 6 + b"\xfe" + webm()[5:],
        UNREADABLE,
    ),
    Case("mka-mp2", "WebM", "MP2", lambda: encode(sweep(6.0, 16_000), Format("matroska", "mp2")), UNREADABLE),
)
OTHER_CASES = (
    Case("empty", "nothing", "nothing", lambda: b"", UNREADABLE),
    Case("one-byte", "nothing", "one byte", lambda: b"\xff", UNREADABLE),
    Case("random", "nothing", "10 MiB of random bytes", lambda: Random(1).randbytes(10 * MIB), UNREADABLE),
    Case("zeros", "nothing", "10 MiB of zeros", lambda: bytes(10 * MIB), UNREADABLE),
    Case(
        "gzip",
        "nothing",
        "100 MiB of zeros, compressed",
        lambda: gzip.compress(bytes(100 * MIB), 1),
        UNREADABLE,
    ),
    Case("zip", "nothing", "10 MiB of zeros, compressed", archive, UNREADABLE),
    Case("hls", "file:///etc/hostname", "a playlist", lambda: PLAYLIST, UNREADABLE),
    Case("concat", "file:///etc/hostname", "a script for FFmpeg", lambda: CONCAT, UNREADABLE),
    Case("sdp", "a stream from 127.0.0.1", "a session description", lambda: SDP, UNREADABLE),
    Case("dash", "http://127.0.0.1", "a manifest", lambda: DASH, UNREADABLE),
    Case(
        "elf", "a program", "64 KiB", lambda: b"\x7fELF\x02\x01\x01" + Random(1).randbytes(65_536), UNREADABLE
    ),
    Case("json", "nothing", "100,000 nested lists", lambda: b"[" * 100_000, UNREADABLE),
    *(
        Case(
            f"{name}-svg",
            f"{name.upper()}, by its first bytes",
            "SVG with a script",
            lambda head=head: head + PAYLOAD * 50,  # type: ignore[misc]
            UNREADABLE,
        )
        for name, head in (
            ("id3", id3(b"")),
            ("wav", b"RIFF\xff\xff\xff\x7fWAVE"),
            ("flac", b"fLaC"),
            ("ogg", b"OggS\0\x02"),
            ("mp4", b"\0\0\0\x20ftypM4A "),
            ("webm", b"\x1aE\xdf\xa3"),
            ("amr", b"#!AMR\n"),
        )
    ),
    Case("mp3-playlist", "MP3, by its first bytes", "a playlist", lambda: id3(b"") + PLAYLIST, UNREADABLE),
    Case("mp3-and-zip", "a voice", "a voice, and a ZIP archive behind it", lambda: mp3() + archive(), VOICE),
    Case(
        "json-and-wav",
        "JSON",
        "6 s of a voice after it",
        lambda: json.dumps({"a": 1}).encode() + wav(),
        UNREADABLE,
    ),
)
CASES = (*FLAC_CASES, *WAV_CASES, *MPEG_CASES, *OGG_CASES, *MP4_CASES, *WEBM_CASES, *OTHER_CASES)
