"""Decoding and resampling to 16 kHz, beside one ffmpeg process per clip, in five codecs, 2 to 10 s long.

Both read what is in the page cache: ours bytes in memory, ffmpeg a file.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bench import bundles, corpus
from bench.model import THREADS, load, use_threads
from bench.outcome import report, require
from bench.sides import Side, in_turns, rate, ratio, rounds_wanted
from mindtrack_inference.audio import decode
from mindtrack_inference.engines import Precision
from mindtrack_shared.bundles import SAMPLE_RATE

TARGET, CORRELATION = 3.0, 0.999
#: Decoding's share of inference time that it may take at most.
SHARE = 0.03
PER_CODEC = 10
SHORTEST, LONGEST = 2.0, 10.0
#: Samples by which the two may be apart: a codec's delay is trimmed to the millisecond.
MAX_LAG = 16
#: Samples of difference in length, for the same reason: 0.1 s.
MAX_TAIL = SAMPLE_RATE // 10


def by_ffmpeg(ffmpeg: Path, recording: Path) -> NDArray[np.float32]:
    options = ["-nostdin", "-v", "error", "-i", str(recording), "-ac", "1", "-ar", str(SAMPLE_RATE)]
    command = [str(ffmpeg), *options, "-f", "f32le", "pipe:1"]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return np.frombuffer(done.stdout, np.float32)


def correlation(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Correlate at the best lag of at most MAX_LAG samples."""
    size = min(ours.size, theirs.size) - 2 * MAX_LAG
    middle = ours[MAX_LAG : MAX_LAG + size]
    return max(float(np.corrcoef(middle, theirs[lag : lag + size])[0, 1]) for lag in range(2 * MAX_LAG + 1))


def main() -> int:
    rounds = rounds_wanted(__doc__)
    with TemporaryDirectory() as name:
        folder = Path(name)
        return measure(corpus.ffmpeg(folder), folder, rounds)


def measure(ffmpeg: Path, folder: Path, rounds: int) -> int:
    lengths = np.linspace(SHORTEST, LONGEST, PER_CODEC)
    bodies = {
        codec: [corpus.encoded(corpus.speech(seconds, seconds), codec) for seconds in lengths]
        for codec in corpus.CODECS
    }
    files = {codec: [folder / f"{number}.{codec}" for number in range(PER_CODEC)] for codec in bodies}
    agreement: dict[str, float] = {}
    for codec, recordings in bodies.items():
        worst = 1.0
        for body, path in zip(recordings, files[codec], strict=True):
            path.write_bytes(body)
            ours, theirs = decode(body, max_seconds=60), by_ffmpeg(ffmpeg, path)
            require_length(codec, ours.size, theirs.size)
            worst = min(worst, correlation(ours, theirs))
        require(worst >= CORRELATION, f"{codec}: samples correlate with ffmpeg's by {worst:.5f}")
        agreement[codec] = round(worst, 5)

    def decoding(codec: str) -> Callable[[], object]:
        return lambda: [decode(body, max_seconds=60) for body in bodies[codec]]

    def ffmpegs(codec: str) -> Callable[[], object]:
        return lambda: [by_ffmpeg(ffmpeg, path) for path in files[codec]]

    sides: dict[str, Side] = {}
    for codec in bodies:
        sides[f"ours_{codec}"] = partial(_rate_of, decoding(codec))
        sides[f"ffmpeg_{codec}"] = partial(_rate_of, ffmpegs(codec))
    rates = in_turns(sides, rounds=rounds)
    share = _seconds_per_second(rates, "ours", float(lengths.mean())) / _inference()
    report(
        "decode",
        ratio(_mixed(rates, "ours"), _mixed(rates, "ffmpeg")),
        TARGET,
        ours="decode and resample, clips/s",
        theirs="one ffmpeg per clip, clips/s",
        rounds=rounds,
        threads=THREADS,
        details={
            "ratio_by_codec": {
                codec: round(ratio(rates[f"ours_{codec}"], rates[f"ffmpeg_{codec}"]).median, 2)
                for codec in bodies
            },
            "correlation": {**agreement},
            "milliseconds_per_clip": {
                side: round(1000 / median(_mixed(rates, side)), 2) for side in ("ours", "ffmpeg")
            },
            "share_of_inference": round(share, 4),
            "share_target": SHARE,
            "share_met": share <= SHARE,
        },
    )
    return 0


def _rate_of(work: Callable[[], object], _: int) -> float:
    return rate(PER_CODEC, work)


def require_length(codec: str, ours: int, theirs: int) -> None:
    if abs(ours - theirs) > MAX_TAIL:
        require(holds=False, what=f"{codec}: {ours} samples beside ffmpeg's {theirs}")


def _mixed(rates: Mapping[str, list[float]], side: str) -> list[float]:
    """Clips per second of a mix with equally many clips of each codec, round by round."""
    seconds = 1 / np.array([rates[f"{side}_{codec}"] for codec in corpus.CODECS])  # (codecs, rounds)
    mixed: list[float] = (1 / seconds.mean(axis=0)).tolist()
    return mixed


def _seconds_per_second(rates: Mapping[str, list[float]], side: str, clip_seconds: float) -> float:
    """Seconds spent per second of audio."""
    return 1 / median(_mixed(rates, side)) / clip_seconds


def _inference() -> float:
    """Seconds that a wav2vec2-base in float32 spends per second of audio."""
    use_threads()
    classifier = load(bundles.base(), Precision.FP32)
    cut = np.stack([corpus.speech(bundles.WINDOW, offset) for offset in range(4)])
    classifier.logits(cut)
    return 1 / median(rate(len(cut) * bundles.WINDOW, lambda: classifier.logits(cut)) for _ in range(3))


if __name__ == "__main__":
    sys.exit(main())
