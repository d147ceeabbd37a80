"""What the benchmarks hear: one synthesised voice, repeated to every length and encoded as phones do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]  # ships no types
import numpy as np
import soxr
from numpy.typing import NDArray

from mindtrack_inference.audio import Waveform, decode
from mindtrack_shared.bundles import SAMPLE_RATE
from unit.inference.recordings import PROMPTS, VOICE, WAV, Format, encode, voice

#: By the names people know them under. The m4a is fragmented, or no pipe could carry it.
CODECS = {
    "wav": WAV,
    "mp3": Format("mp3", "libmp3lame", 44_100),
    "opus": Format("ogg", "libopus", 48_000),
    "m4a": Format("ipod", "aac", 44_100, muxer={"movflags": "frag_keyframe+delay_moov"}),
    "webm": Format("webm", "libopus", 48_000),
}
#: 30 s long.
_PROMPT = "demo-congrats"
_SEED = 9
#: Seconds: median and bounds of a lognormal, and the deviation of its logarithm.
_MEDIAN, _SHORTEST, _LONGEST, _SPREAD = 8.0, 2.0, 60.0, 0.8


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording yet to be encoded."""

    seconds: float
    codec: str
    #: Which part of the voice it begins with, seconds.
    offset: float

    def recording(self) -> bytes:
        return encoded(speech(self.seconds, self.offset), self.codec)


def real_speech() -> tuple[str, Waveform]:
    """Name and hear human speech where Debian's prompts are installed, else the demo's synthesised voice."""
    prompt = PROMPTS / f"{_PROMPT}.wav"
    if prompt.exists():
        return _PROMPT, decode(prompt.read_bytes(), max_seconds=60)
    return VOICE, voice()


def speech(seconds: float, offset: float = 0.0) -> Waveform:
    """Return the demo's voice, repeated to fill that long. (samples,)"""
    return np.resize(np.roll(voice(), -round(offset * SAMPLE_RATE)), round(seconds * SAMPLE_RATE))


def encoded(waveform: Waveform, codec: str) -> bytes:
    form = CODECS[codec]
    signal: NDArray[np.float32] = soxr.resample(waveform, SAMPLE_RATE, form.rate)
    return encode(signal, form)


def clips(count: int, *, shortest: float = _SHORTEST) -> list[Clip]:
    """Draw clips of lognormal lengths from `shortest` to 60 s, in ascending order, in all codecs alike."""
    rng = np.random.default_rng(_SEED)
    drawn = rng.lognormal(np.log(_MEDIAN), _SPREAD, 20 * count)
    lengths = np.sort(drawn[(drawn >= shortest) & (drawn <= _LONGEST)][:count])
    codecs = rng.permutation(np.resize(list(CODECS), count))
    offsets = rng.uniform(0, 10, count)
    return [Clip(*parts) for parts in zip(lengths.tolist(), codecs.tolist(), offsets.tolist(), strict=True)]


def stratum(ordered: Sequence[Clip], number: int, count: int) -> list[Clip]:
    """Take every n-th clip, in random order: a small corpus with the lengths of the large one."""
    step = len(ordered) // count
    rng = np.random.default_rng(number)
    return [ordered[index] for index in rng.permutation(np.arange(number % step, len(ordered), step))[:count]]


def ffmpeg(folder: Path) -> Path:
    """Put an ffmpeg of that name into a folder: the system's, or the one in imageio-ffmpeg's wheel.

    Raises:
        SystemExit: there is none.

    """
    try:
        found = shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise SystemExit("no ffmpeg: `apt install ffmpeg`, or put one on PATH") from error
    link = folder / "ffmpeg"
    link.symlink_to(found)
    return link
