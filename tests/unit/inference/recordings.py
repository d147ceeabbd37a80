"""Signals with known length, level and pitch, encoded the way phones encode them; and a voice."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from mindtrack_inference.audio import decode

#: Debian's package asterisk-core-sounds-en-wav: a professional speaker at 8 kHz.
PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
#: The first of the demo's voice logs, synthesised by rule: 10.8 s at 16 kHz.
VOICE = "day-1.wav"

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
SWEEP_FROM, SWEEP_TO = 200.0, 400.0  # Hz


@dataclass(frozen=True)
class Format:
    """How to encode a signal."""

    container: str
    codec: str
    rate: int = 16_000
    channels: int = 1
    #: Options of FFmpeg's muxer.
    muxer: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.container, self.codec, str(self.rate), str(self.channels), *self.muxer])


WAV = Format("wav", "pcm_s16le")


def sweep(seconds: float, rate: int, *, amplitude: float = 0.3) -> NDArray[np.float32]:
    """Return a tone with three harmonics whose pitch glides from SWEEP_FROM to SWEEP_TO. (samples,)"""
    time = np.arange(round(seconds * rate)) / rate
    cycles = SWEEP_FROM * time + (SWEEP_TO - SWEEP_FROM) / seconds * time**2 / 2
    partials = np.arange(1, 4)[:, np.newaxis]
    tone = (np.sin(2 * np.pi * partials * cycles) / 2.0 ** (partials - 1)).sum(axis=0)
    return np.asarray(amplitude * tone, np.float32)


def voice_log() -> bytes:
    """A recording that holds speech, as the demo submits it."""
    return (files("mindtrack_local") / "samples" / VOICE).read_bytes()


@cache
def voice() -> NDArray[np.float32]:
    """What `voice_log` sounds like; not to be written to. (samples,)"""
    waveform = decode(voice_log(), max_seconds=60)
    waveform.flags.writeable = False
    return waveform


def white_noise(samples: int, level: float, seed: int = 0) -> NDArray[np.float32]:
    """White noise at a level in dBFS. (samples,)"""
    hiss = np.random.default_rng(seed).standard_normal(samples)
    return np.asarray(hiss * 10 ** (level / 20), np.float32)


def pitch_at(share: float) -> float:
    """Pitch of the sweep after a share of its length, Hz."""
    return SWEEP_FROM + share * (SWEEP_TO - SWEEP_FROM)


def encode(signal: NDArray[np.float32], form: Format = WAV) -> bytes:
    """Encode a signal (samples,) or (channels, samples); a single channel is copied to all others."""
    file = io.BytesIO()
    with av.open(file, "w", format=form.container, options=form.muxer) as container:
        _write(container, _add_stream(container, form), signal)
    return file.getvalue()


def video(sound: NDArray[np.float32] | None = None) -> bytes:
    """Return an mp4 with one second of grey pictures, and AAC at 16 kHz if there is a sound (samples,)."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        pictures = container.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        audio = None if sound is None else _add_stream(container, Format("mp4", "aac"))
        grey = np.full((64, 64, 3), 128, np.uint8)
        for _ in range(10):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(pictures.encode(None))
        if sound is not None and audio is not None:
            _write(container, audio, sound)
    return file.getvalue()


def _add_stream(container: OutputContainer, form: Format) -> AudioStream:
    stream = cast("AudioStream", container.add_stream(form.codec, rate=form.rate))
    stream.layout = LAYOUTS[form.channels]
    stream.codec_context.options = {"strict": "experimental"}  # FFmpeg's own Vorbis encoder asks for it
    stream.codec_context.open()
    return stream


def _write(container: OutputContainer, stream: AudioStream, signal: NDArray[np.float32]) -> None:
    channels = np.broadcast_to(np.atleast_2d(signal), (stream.channels, signal.shape[-1]))
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=stream.layout)
    frame.sample_rate = stream.rate
    frame.pts = 0  # or Vorbis's encoder would count from anywhere
    resampler = av.AudioResampler(
        format=stream.format,
        layout=stream.layout,
        rate=stream.rate,
        frame_size=stream.codec_context.frame_size or None,
    )
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def dominant_frequency(waveform: NDArray[np.float32], rate: int) -> float:
    """Frequency of the strongest partial, Hz."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(waveform.size), n=8 * waveform.size))
    return float(np.argmax(spectrum)) * rate / (8 * waveform.size)


def rms_db(waveform: NDArray[np.float32]) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))))
