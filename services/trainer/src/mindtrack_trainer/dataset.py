"""A corpus in memory, and the windows the model sees of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.sound import SAMPLE_RATE, read_wav
from mindtrack_trainer.synthesis import MANIFEST, Clip
from mindtrack_trainer.voices import Split

WINDOW_SECONDS = 4.0
HOP_SECONDS = 2.0
WINDOW = round(WINDOW_SECONDS * SAMPLE_RATE)  # samples

#: How far the two views of a clip may start apart: more than any codec's delay.
_MISALIGNMENT = SAMPLE_RATE // 20  # samples

#: Of second views; the others are clean too, so that augmentation alone is also seen.
_DEGRADED_SHARE = 0.75

LABELS = tuple(Emotion)


@dataclass(frozen=True, slots=True)
class Corpus:
    """One split, in memory as 16-bit samples."""

    clean: list[NDArray[np.int16]]
    degraded: list[NDArray[np.int16]]
    targets: NDArray[np.int64]  # (clips,) index into LABELS
    speakers: tuple[str, ...]  # (clips,)

    def __len__(self) -> int:
        return len(self.clean)


def read_manifest(data: Path) -> list[Clip]:
    """Read and check a corpus's manifest.

    Raises:
        DatasetError: it is missing or malformed, a clip is shorter than a window, or a speaker is in
            more than one split.

    """
    try:
        lines = (data / MANIFEST).read_text().splitlines()
    except FileNotFoundError as error:
        raise DatasetError(f"{data} is not a corpus: it has no {MANIFEST}") from error
    try:
        clips = [_clip(json.loads(line)) for line in lines]
    except (TypeError, KeyError, ValueError) as error:
        raise DatasetError(f"{data / MANIFEST} has a line that is not a clip: {error}") from error
    _check_speakers(clips)
    short = [clip.path for clip in clips if clip.seconds < WINDOW_SECONDS]
    if short:
        raise DatasetError(f"{len(short)} clips are shorter than {WINDOW_SECONDS} s, {short[0]} for one")
    return clips


def load(data: Path, split: Split) -> Corpus:
    """Read one split into memory.

    Raises:
        DatasetError: see `read_manifest`; or the split is empty or misses an emotion.

    """
    clips = [clip for clip in read_manifest(data) if clip.split == split]
    missing = [label for label in LABELS if label not in {clip.label for clip in clips}]
    if missing:
        raise DatasetError(f"the {split} split of {data} has no clip labelled {', '.join(missing)}")
    return Corpus(
        clean=[read_wav(data / clip.path) for clip in clips],
        degraded=[read_wav(data / clip.degraded_path) for clip in clips],
        targets=np.array([LABELS.index(clip.label) for clip in clips]),
        speakers=tuple(clip.speaker for clip in clips),
    )


def paired_windows(
    corpus: Corpus, picks: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One random window of each picked clip, seen twice: clean, and mostly degraded."""
    clean, other = [], []
    for pick in picks:
        source = corpus.degraded[pick] if rng.random() < _DEGRADED_SHARE else corpus.clean[pick]
        last = len(source) - WINDOW
        start = int(rng.integers(last + 1))
        shifted = int(np.clip(start + rng.integers(-_MISALIGNMENT, _MISALIGNMENT + 1), 0, last))
        clean.append(corpus.clean[pick][start : start + WINDOW])
        other.append(source[shifted : shifted + WINDOW])
    return _float(clean), _float(other)  # 2 x (batch, WINDOW)


def middle_windows(clips: list[NDArray[np.int16]], size: int) -> Iterator[NDArray[np.float32]]:
    """The normalised window in the middle of each clip, in batches of `size`."""
    for first in range(0, len(clips), size):
        batch = clips[first : first + size]
        starts = [(len(clip) - WINDOW) // 2 for clip in batch]
        yield normalise(_float([clip[s : s + WINDOW] for clip, s in zip(batch, starts, strict=True)]))


def normalise(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit variance per window, as `Wav2Vec2FeatureExtractor(do_normalize=True)` does."""
    centred = windows - windows.mean(axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = centred / np.sqrt(windows.var(axis=-1, keepdims=True) + 1e-7)
    return scaled.astype(np.float32, copy=False)


def cut(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every window of a recording, the last one re-anchored to its end; (windows, WINDOW), normalised."""
    hop = round(HOP_SECONDS * SAMPLE_RATE)
    last = len(samples) - WINDOW
    if last < 0:
        raise DatasetError(f"a recording of {len(samples) / SAMPLE_RATE:.1f} s is shorter than a window")
    starts = sorted({*range(0, last + 1, hop), last})
    return normalise(np.stack([samples[s : s + WINDOW] for s in starts]).astype(np.float32))


def _float(windows: list[NDArray[np.int16]]) -> NDArray[np.float32]:
    return np.stack(windows).astype(np.float32) / 32768.0


def _clip(line: dict[str, Any]) -> Clip:
    clip = Clip(**{**line, "label": Emotion(line["label"])})
    if clip.split not in ("train", "calibration", "test"):
        raise ValueError(f"{clip.split!r} is not a split")
    return clip


def _check_speakers(clips: list[Clip]) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        splits[clip.speaker].add(clip.split)
    shared = sorted(speaker for speaker, heard in splits.items() if len(heard) > 1)
    if shared:
        raise DatasetError(
            f"{len(shared)} speakers are in more than one split, {shared[0]!r} for one: "
            "figures from such a split would flatter the model"
        )
