"""Audio in and out: resampling, encoding and decoding through PyAV, 16-bit WAV."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.errors import DatasetError

Samples = NDArray[np.float32]  # mono, in [-1, 1]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a phone might store speech."""

    container: str
    codec: str
    bit_rate: int | None  # bits per second; None for lossless
    sample_rate: int  # hertz


def resample(samples: Samples, source: float, target: float) -> Samples:
    if source == target:
        return samples
    resampled: Samples = soxr.resample(samples, source, target).astype(np.float32, copy=False)
    return resampled


def encode(samples: Samples, target: BinaryIO | Path, encoding: Encoding) -> None:
    """Write mono speech at `SAMPLE_RATE` as the encoding says, to a path or a seekable file."""
    rate = encoding.sample_rate
    pcm = np.clip(resample(samples, SAMPLE_RATE, rate), -1.0, 1.0)
    quantised = np.round(pcm * 32767).astype(np.int16)[np.newaxis, :]  # (channel, samples)
    file = str(target) if isinstance(target, Path) else target
    # Bit-exact: no random track ids, so the same speech gives the same file.
    options = {"fflags": "+bitexact"}
    with av.open(file, "w", format=encoding.container, options=options) as output:
        stream = output.add_stream(encoding.codec, rate=rate)
        assert isinstance(stream, av.AudioStream)  # noqa: S101 - PyAV types it by the codec's name
        stream.layout = "mono"
        if encoding.bit_rate is not None:
            stream.bit_rate = encoding.bit_rate
        frame = av.AudioFrame.from_ndarray(quantised, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def decode(source: BinaryIO | Path) -> Samples:
    """Read the first audio stream of any container, mixed to mono at `SAMPLE_RATE`.

    Raises:
        DatasetError: there is none, or it cannot be decoded.

    """
    try:
        return _decode(str(source) if isinstance(source, Path) else source)
    # No audio stream is an IndexError, and a stream without a single frame a ValueError.
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise DatasetError(f"unreadable: {error}") from error


def _decode(file: BinaryIO | str) -> Samples:
    chunks: list[Samples] = []
    with av.open(file, mode="r") as container:
        stream = container.streams.audio[0]
        to_mono = av.AudioResampler(format="flt", layout="mono", rate=stream.rate)
        for frame in [*container.decode(stream), None]:
            chunks += [part.to_ndarray()[0].astype(np.float32) for part in to_mono.resample(frame)]
        rate = stream.rate
    return resample(np.concatenate(chunks), rate, SAMPLE_RATE)


def round_trip(samples: Samples, encoding: Encoding) -> Samples:
    """What is left of the speech after encoding and decoding it; same length as the input."""
    buffer = io.BytesIO()
    encode(samples, buffer, encoding)
    buffer.seek(0)
    heard = decode(buffer)[: len(samples)]
    return np.pad(heard, (0, len(samples) - len(heard)))


def write_wav(path: Path, samples: Samples) -> None:
    """Write 16-bit mono at `SAMPLE_RATE`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())


def read_wav(path: Path) -> NDArray[np.int16]:
    """Read back what `write_wav` wrote, as 16-bit integers.

    Raises:
        DatasetError: it is no WAV file, of another format, or cut short.

    """
    try:
        with wave.open(str(path), "rb") as file:
            found = file.getframerate(), file.getnchannels(), 8 * file.getsampwidth()
            length = file.getnframes()
            frames = file.readframes(length)
    except (wave.Error, EOFError) as error:
        raise DatasetError(f"{path} is no WAV file ({error!r})") from error
    if found != (SAMPLE_RATE, 1, 16):
        rate, channels, bits = found
        raise DatasetError(
            f"{path} has {rate} Hz, {channels} channels and {bits} bits, not {SAMPLE_RATE} Hz, 1 and 16"
        )
    if len(frames) != 2 * length:
        raise DatasetError(f"{path} is cut short: it holds {len(frames) // 2} of {length} samples")
    return np.frombuffer(frames, dtype="<i2").astype(np.int16, copy=False)
