"""Recordings to waveforms: whatever a phone sends in, float32 mono 16 kHz out.

PyAV decodes because FFmpeg reads every container and codec that phones produce; soxr resamples because its HQ
filter is the one librosa applies to training data, so models hear in service what they heard in training.

Recordings are hostile until decoded:

- Headers are never believed. Decoded samples are counted, and decoding stops at the limit: an hour of
  silence fits into 20 KiB of FLAC. What a header says of the length, or the packets where none does, may
  refuse a recording before that; one that turns out to be longer or shorter than its header says is refused.
  Nor is room made for what it says has hundreds of megabytes (`cap_pieces`, `_Recording`).
- Demuxers and decoders come from the lists below, and FFmpeg may open nothing beside the bytes given, so a
  playlist or an external track reference leads nowhere.
- Neither FFmpeg's messages nor a recording's tags reach a log: PyAV discards the former, we read none of
  the latter.

Damage. A packet that its decoder refuses is skipped, as long as few are (`MAX_DAMAGED_SHARE`); more make the
recording UNREADABLE. So is a recording cut short that says how long it was, as a score of half of it would
pass for one of the whole. One that says nothing (MP3, AAC, AMR, whatever is recorded as a stream) decodes to
what is there, because the words before the cut are still that person's. Some damage nobody can see: PCM
carries no checksum, and FFmpeg takes a WAV's length from the bytes that are left. That the bytes are those
the client sent is for the upload's checksum to prove, not for a decoder.
"""

from __future__ import annotations

import ctypes
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import BinaryIO, NamedTuple, TypeAlias

import av
import numpy as np
import soxr
from av import _core as libraries
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.preparation import MIN_BYTES_PER_SECOND
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.jobs import RejectionCode

#: (samples,) float32, mono, 16 kHz, full scale at ±1.
Waveform: TypeAlias = NDArray[np.float32]

#: FFmpeg's names. `mov` also reads mp4, m4a and 3gp, `matroska` webm, and `aac` bare ADTS streams.
DEMUXERS = ("wav", "flac", "ogg", "mp3", "mov", "matroska", "amr", "aac")
DECODERS = (
    "aac",
    "alac",
    "amrnb",
    "amrwb",
    "flac",
    "mp3float",
    "opus",
    "pcm_alaw",
    "pcm_f32le",
    "pcm_f64le",
    "pcm_mulaw",
    "pcm_s16le",
    "pcm_s24le",
    "pcm_s32le",
    "pcm_u8",
    "vorbis",
)

#: In up to 5 MB of a WAV's samples, FFmpeg looks for other formats, none of which we would take. This is what
#: it may look at instead: 0.3 ms for 5 s of speech in place of 3.5.
PROBE_BYTES = "4096"
#: Where a WAV says what it is.
_RIFF, _WAV = slice(4), slice(8, 12)
#: Bytes: more than FFmpeg holds in one piece of whatever we would take. The largest is the picture in a FLAC
#: file, up to 16 MiB (RFC 9639, section 8.1).
MAX_PIECE = 64 << 20
#: FFmpeg prepares a decoder for each. A phone's video has up to seven, most of them no sound.
MAX_STREAMS = 16
#: What FFmpeg calls the containers that say how long their sound is. AMR and ADTS do not, and of an MP3
#: nobody can tell whether FFmpeg read that or guessed it.
_CLAIMING = frozenset({"wav", "flac", "ogg", "mov", "matroska"})
#: Seconds by which a recording may differ from what it says: 2 %, at most 1 s, and no less than what codecs
#: add at both ends.
MIN_SLACK, MAX_SLACK, SLACK_SHARE = Fraction(1, 4), Fraction(1), Fraction(2, 100)
#: Hz. Below telephone speech the model hears nothing useful; above, no phone records.
MIN_RATE, MAX_RATE = 8_000, 192_000
#: 7.1. A second of 255 channels would take hundreds of megabytes.
MAX_CHANNELS = 8
#: Share of packets that may be damaged: 2 % of a minute is about a second of speech lost.
MAX_DAMAGED_SHARE = 0.02
#: One more may always be: a cut recording ends in a torn packet.
FREE_DAMAGED_PACKETS = 1
#: Full scale is 1. Float formats may overshoot it, yet beyond +40 dB the numbers are no sound pressure.
MAX_AMPLITUDE = 100.0
#: Samples: 10 s, the least by which a waveform grows while it is decoded.
_GROWTH = 10 * SAMPLE_RATE
#: What integer samples are divided by, and the float formats beside them.
_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "flt": 1.0, "dbl": 1.0}


class _Block(NamedTuple):
    """Consecutive mono samples at the rate they were decoded at."""

    rate: int
    samples: Waveform


@dataclass(slots=True)
class _Damage:
    """What was skipped of a recording."""

    packets: int = 0
    damaged: int = 0
    seconds: Fraction = Fraction(0)


def cap_pieces() -> None:
    """Have FFmpeg refuse, in all of this process, to make room for more than `MAX_PIECE` at once.

    A tag that says it has 800 MiB would take them, whether they are there or not.
    """
    cap = ctypes.CDLL(libraries.__file__).av_max_alloc
    cap.argtypes, cap.restype = (ctypes.c_size_t,), None
    cap(MAX_PIECE)


def decode(source: bytes | BinaryIO, *, max_seconds: float) -> Waveform:
    """Decode the first audio stream of a recording, mixed down to mono at 16 kHz.

    `source` as a file must be seekable: an m4a keeps its index at the end.

    Raises:
        RecordingRejectedError: UNREADABLE; NO_AUDIO; TOO_LONG if it says that it is longer than
            `max_seconds`, or once more were decoded; MOSTLY_SILENCE if it has too few bytes for that.

    """
    file = _Recording(io.BytesIO(source) if isinstance(source, bytes) else source)
    size = file.size
    try:
        with _open(file) as container:
            bounds = _Bounds(_claimed(container, _first_audio(container)), size, max_seconds)
            if bounds.promised is not None:
                return _decoded(container, bounds)
            _count(container, bounds)
        with _open(file) as container:
            return _decoded(container, bounds)
    except av.FFmpegError as error:
        # The chain is cut because the error would carry the file's name into a traceback.
        raise _unreadable(f"FFmpeg gave up with {type(error).__name__}") from None


class _Recording:
    """A file of which no more is read at once than there is.

    A file makes room for all that it is asked for, and FFmpeg asks for what a header says: gigabytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.size = file.seek(0, os.SEEK_END)
        self.seek, self.tell = file.seek, file.tell
        self._read = file.read

    def read(self, size: int) -> bytes:
        return self._read(min(size, max(self.size - self.tell(), 0)))


class _Bounds:
    """How long a recording may turn out to be, from what it promises, its size and what is accepted.

    Raises:
        RecordingRejectedError: it promises too much.

    """

    def __init__(self, promised: Fraction | None, size: int, max_seconds: float) -> None:
        self.promised = promised
        self._max_seconds = max_seconds
        self._densest = Fraction(size, MIN_BYTES_PER_SECOND)
        if promised is not None:
            self._check_accepted(promised)

    def check(self, seconds: Fraction) -> None:
        """Refuse a recording of which so much was decoded, and more may follow."""
        if self.promised is not None and seconds > self.promised + self._slack:
            raise _unreadable("it is longer than it says")
        self._check_accepted(seconds)

    def check_end(self, seconds: Fraction) -> None:
        """Refuse a recording that ended after so many seconds."""
        if self.promised is not None and seconds < self.promised - self._slack:
            raise _unreadable("it is shorter than it says")

    @property
    def _slack(self) -> Fraction:
        return max(MIN_SLACK, min(MAX_SLACK, SLACK_SHARE * (self.promised or 0)))

    def _check_accepted(self, seconds: Fraction) -> None:
        if seconds > self._densest:
            raise RecordingRejectedError(
                RejectionCode.MOSTLY_SILENCE, f"it has less than {MIN_BYTES_PER_SECOND} bytes per second"
            )
        if seconds > self._max_seconds:
            raise RecordingRejectedError(
                RejectionCode.TOO_LONG, f"it is longer than {self._max_seconds:g} s", needed=self._max_seconds
            )


def _decoded(container: InputContainer, bounds: _Bounds) -> Waveform:
    damage = _Damage()
    blocks = _blocks(_frames(container, _first_audio(container), damage))
    waveform = joined(_resample(_limit(blocks, bounds)))  # (samples,)
    if not waveform.size:
        raise _unreadable("no sample could be decoded")
    bounds.check_end(Fraction(waveform.size, SAMPLE_RATE) + damage.seconds)
    return waveform


def _unreadable(detail: str) -> RecordingRejectedError:
    return RecordingRejectedError(RejectionCode.UNREADABLE, detail)


def _open(file: _Recording) -> InputContainer:
    file.seek(0)
    head = file.read(_WAV.stop)
    file.seek(0)
    return av.open(
        file,
        mode="r",
        options={
            **({"probesize": PROBE_BYTES} if head[_RIFF] == b"RIFF" and head[_WAV] == b"WAVE" else {}),
            "format_whitelist": ",".join(DEMUXERS),
            "codec_whitelist": ",".join(DECODERS),
            "protocol_whitelist": "",
            "max_streams": str(MAX_STREAMS),
            # Or each stretch that an edit list plays would copy the index: 700,000 of them took 250 MiB.
            "advanced_editlist": "0",
        },
        metadata_errors="replace",  # a tag in an odd encoding is no reason to refuse a voice
    )


def _first_audio(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise RecordingRejectedError(RejectionCode.NO_AUDIO, "the recording has no audio stream")
    stream = container.streams.audio[0]
    # FFmpeg's own list binds only while it probes: the decoder PyAV opens afterwards is checked here.
    codec: AudioCodecContext | None = stream.codec_context
    if codec is None or codec.codec.name not in DECODERS:
        raise _unreadable("its codec is not accepted")
    codec.thread_count = 1
    return stream


def _claimed(container: InputContainer, stream: AudioStream) -> Fraction | None:
    """Return the seconds that a header gives to the sound; None if it does not say, or not of the sound."""
    if _CLAIMING.isdisjoint(container.format.name.split(",")):
        return None
    if stream.duration is not None and stream.time_base is not None:
        seconds = stream.duration * stream.time_base
    elif container.duration is not None and len(container.streams) == 1:
        seconds = Fraction(container.duration, av.time_base)
    else:
        return None
    return seconds if seconds > 0 else None


def _count(container: InputContainer, bounds: _Bounds) -> None:
    """Refuse a recording whose packets say that they are too long together. Decodes nothing."""
    seconds = Fraction(0)
    for packet in container.demux(_first_audio(container)):
        seconds += _seconds(packet)
        bounds.check(seconds)


def _seconds(packet: Packet[AudioStream]) -> Fraction:
    return (packet.duration or 0) * packet.time_base


def _frames(container: InputContainer, stream: AudioStream, damage: _Damage) -> Iterator[AudioFrame]:
    """Decode packet by packet, skipping the few that are damaged."""
    for packet in container.demux(stream):
        damage.packets += 1
        try:
            yield from packet.decode()
        except av.FFmpegError:  # not only InvalidDataError: decoders leak stray codes on damaged input
            damage.damaged += 1
            damage.seconds += _seconds(packet)
    if damage.damaged > FREE_DAMAGED_PACKETS + MAX_DAMAGED_SHARE * damage.packets:
        raise _unreadable(f"{damage.damaged} of {damage.packets} packets are damaged")


def _blocks(frames: Iterable[AudioFrame]) -> Iterator[_Block]:
    """Gather frames to blocks of about a second: a codec's frames are so short that handling each would cost
    more than decoding it.
    """
    for (rate, channels, _, _), run in groupby(
        frames,
        key=lambda frame: (frame.rate, frame.layout.nb_channels, frame.format.name, frame.layout.name),
    ):
        if not MIN_RATE <= rate <= MAX_RATE:
            raise _unreadable(f"its sampling rate is {rate} Hz")
        if channels > MAX_CHANNELS:
            raise _unreadable(f"it has {channels} channels")
        gathered = AudioFifo()
        for frame in run:
            frame.pts = None  # or gaps would be refused
            gathered.write(frame)
            if gathered.samples >= rate and (second := gathered.read()) is not None:
                yield _Block(rate, _to_mono(second))
        if (rest := gathered.read()) is not None:
            yield _Block(rate, _to_mono(rest))


def _to_mono(frame: AudioFrame) -> Waveform:
    """Scale a block to ±1 and average its channels."""
    full_scale = _FULL_SCALE.get(frame.format.packed.name)
    if full_scale is None:
        raise _unreadable(f"its samples are {frame.format.name}")
    with np.errstate(all="ignore"):  # a hostile float overflows here and is refused below
        samples = frame.to_ndarray().astype(np.float32) / np.float32(full_scale)
    if frame.format.is_packed:
        samples = samples.reshape(frame.samples, -1).T  # (channels, samples)
    if frame.format.packed.name == "u8":
        samples -= 1.0
    if not np.abs(samples).max(initial=0.0) <= MAX_AMPLITUDE:  # also false for NaN
        raise _unreadable("a sample is not finite, or far beyond full scale")
    mono: Waveform = samples.mean(axis=0, dtype=np.float32)  # (samples,)
    return mono


def _limit(blocks: Iterable[_Block], bounds: _Bounds) -> Iterator[_Block]:
    seconds = Fraction(0)  # floats would drift past a limit that the recording just meets
    for block in blocks:
        seconds += Fraction(block.samples.size, block.rate)
        bounds.check(seconds)
        yield block


def _resample(blocks: Iterable[_Block]) -> Iterator[Waveform]:
    """Bring every run of blocks with one rate to 16 kHz, in memory bounded by the resampler's delay."""
    for rate, run in groupby(blocks, key=lambda block: block.rate):
        if rate == SAMPLE_RATE:
            yield from (block.samples for block in run)
            continue
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, num_channels=1, dtype="float32", quality="HQ")
        for block in run:
            yield resampler.resample_chunk(block.samples)
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def joined(parts: Iterable[Waveform]) -> Waveform:
    """Join parts into one waveform while they come: an hour of it must not exist twice."""
    waveform, size = np.empty(0, np.float32), 0
    for part in parts:
        needed = size + part.size
        if needed > waveform.size:
            # In place: the allocator moves the pages of what is large, and copies nothing.
            waveform.resize(needed + max(_GROWTH, needed // 8), refcheck=False)
        waveform[size:needed] = part
        size = needed
    waveform.resize(size, refcheck=False)
    return waveform
