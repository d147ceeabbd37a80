"""Recordings to waveforms: whatever a phone sends in, float32 mono 16 kHz out.

PyAV decodes because FFmpeg reads every container and codec that phones produce; soxr resamples because its HQ
filter is the one librosa applies to training data, so models hear in service what they heard in training.

Recordings are hostile until decoded:

- Headers are never believed. Decoded samples are counted, and decoding stops at the limit: an hour of
  silence fits into 20 KiB of FLAC.
- Demuxers and decoders come from the lists below, and FFmpeg may open nothing beside the bytes given, so a
  playlist or an external track reference leads nowhere.
- Neither FFmpeg's messages nor a recording's tags reach a log: PyAV discards the former, we read none of
  the latter.

Damage. A packet that its decoder refuses is skipped, as long as few are (`MAX_DAMAGED_SHARE`); more make the
recording UNREADABLE. A recording cut short decodes to what is there, because the words before the cut are
still that person's; only what cannot be read without its end (m4a with the index there) is UNREADABLE.
Some damage nobody can see: PCM carries no checksum, and a broken Ogg page vanishes without a trace. That
the bytes are those the client sent is for the upload's checksum to prove, not for a decoder.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby
from typing import BinaryIO, NamedTuple, TypeAlias

import av
import numpy as np
import soxr
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from mindtrack_inference.errors import RecordingRejectedError
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
#: Hz. Below telephone speech the model hears nothing useful; above, no phone records.
MIN_RATE, MAX_RATE = 8_000, 192_000
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


def decode(source: bytes | BinaryIO, *, max_seconds: float) -> Waveform:
    """Decode the first audio stream of a recording, mixed down to mono at 16 kHz.

    `source` as a file must be seekable: an m4a keeps its index at the end.

    Raises:
        RecordingRejectedError: UNREADABLE, NO_AUDIO, or TOO_LONG once more than `max_seconds` were decoded.

    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with _open(file) as container:
            blocks = _blocks(_frames(container, _first_audio(container)))
            waveform = joined(_resample(_limit(blocks, max_seconds)))  # (samples,)
    except av.FFmpegError as error:
        # The chain is cut because the error would carry the file's name into a traceback.
        raise _unreadable(f"FFmpeg gave up with {type(error).__name__}") from None
    if not waveform.size:
        raise _unreadable("no sample could be decoded")
    return waveform


def _unreadable(detail: str) -> RecordingRejectedError:
    return RecordingRejectedError(RejectionCode.UNREADABLE, detail)


def _open(file: BinaryIO) -> InputContainer:
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


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decode packet by packet, skipping the few that are damaged."""
    packets = damaged = 0
    for packet in container.demux(stream):
        packets += 1
        try:
            yield from packet.decode()
        except av.FFmpegError:  # not only InvalidDataError: decoders leak stray codes on damaged input
            damaged += 1
    if damaged > FREE_DAMAGED_PACKETS + MAX_DAMAGED_SHARE * packets:
        raise _unreadable(f"{damaged} of {packets} packets are damaged")


def _blocks(frames: Iterable[AudioFrame]) -> Iterator[_Block]:
    """Gather frames to blocks of about a second: a codec's frames are so short that handling each would cost
    more than decoding it.
    """
    for (rate, _, _), run in groupby(
        frames, key=lambda frame: (frame.rate, frame.format.name, frame.layout.name)
    ):
        if not MIN_RATE <= rate <= MAX_RATE:
            raise _unreadable(f"its sampling rate is {rate} Hz")
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


def _limit(blocks: Iterable[_Block], max_seconds: float) -> Iterator[_Block]:
    seconds = Fraction(0)  # floats would drift past a limit that the recording just meets
    for block in blocks:
        seconds += Fraction(block.samples.size, block.rate)
        if seconds > max_seconds:
            raise RecordingRejectedError(
                RejectionCode.TOO_LONG, f"it is longer than {max_seconds:g} s", needed=max_seconds
            )
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
