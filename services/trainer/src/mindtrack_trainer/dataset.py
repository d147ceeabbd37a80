"""A corpus in memory, and the windows the model sees of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Split, Utterance, read_manifest
from mindtrack_trainer.sound import read_wav

LABELS = tuple(Emotion)
#: The target of a clip that no emotion fits.
OUTLIER = -1

#: How far the two views of a clip may start apart: more than any codec's delay.
_MISALIGNMENT = SAMPLE_RATE // 20  # samples
#: Of second views; the others are clean too, so that augmentation alone is also seen.
_DEGRADED_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Framing:
    """The windows a model scores."""

    window_seconds: float = 4.0
    hop_seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.hop_seconds > self.window_seconds:
            raise DatasetError(
                f"windows of {self.window_seconds:g} s every {self.hop_seconds:g} s leave out what lies "
                "between them: choose a hop no longer than the window"
            )

    @property
    def window(self) -> int:
        """Samples."""
        return round(self.window_seconds * SAMPLE_RATE)

    @property
    def hop(self) -> int:
        """Samples."""
        return round(self.hop_seconds * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Corpus:
    """One split, in memory as 16-bit samples, at least a window long each."""

    clean: list[NDArray[np.int16]]
    #: The clean ones where nobody made a twin.
    degraded: list[NDArray[np.int16]]
    targets: NDArray[np.int64]  # (clips,) index into LABELS, or OUTLIER
    speakers: tuple[str, ...]  # (clips,)
    framing: Framing
    #: Clips left out because they do not fill a window.
    too_short: int = 0

    def __len__(self) -> int:
        return len(self.clean)

    def class_weights(self) -> NDArray[np.float64]:
        """Weights that let every label count the same, one on average over clips; (labels,)."""
        counts = np.bincount(self.targets[self.targets != OUTLIER], minlength=len(LABELS))  # (labels,)
        present = counts > 0
        weights = np.zeros(len(LABELS))
        weights[present] = counts.sum() / (present.sum() * counts[present])
        return weights

    def digest(self) -> str:
        """Name these clips by labels, speakers and lengths: SHA-256 in hex."""
        clips = [self.targets.tolist(), self.speakers, [len(clip) for clip in self.clean]]
        return hashlib.sha256(json.dumps(clips).encode()).hexdigest()

    def describe(self) -> dict[str, int]:
        """Clips per label, outliers and speakers."""
        names = Counter("outliers" if t == OUTLIER else str(LABELS[t]) for t in self.targets.tolist())
        people = {s for s, t in zip(self.speakers, self.targets.tolist(), strict=True) if t != OUTLIER}
        return {**dict(sorted(names.items())), "speakers": len(people)}


def load(data: Path, split: Split, framing: Framing, *, outliers: bool) -> Corpus:
    """Read one split into memory, with its outliers or without.

    Raises:
        DatasetError: see `read_manifest`; fewer than two labels have a clip that fills a window; or a file
            is not what the manifest says.

    """
    wanted = [u for u in read_manifest(data) if u.split == split and (outliers or u.label is not None)]
    clips = [u for u in wanted if round(u.seconds * SAMPLE_RATE) >= framing.window]
    found = {u.label for u in clips} - {None}
    if len(found) < 2:  # noqa: PLR2004 - nothing to tell apart
        raise DatasetError(
            f"the {split} split of {data} has clips of {framing.window_seconds:g} s or more for "
            f"{', '.join(sorted(map(str, found))) or 'no label'}; at least two labels are needed"
        )
    sounds = [_read_views(data, u, framing) for u in clips]
    return Corpus(
        clean=[clean for clean, _ in sounds],
        degraded=[degraded for _, degraded in sounds],
        targets=np.array([OUTLIER if u.label is None else LABELS.index(u.label) for u in clips]),
        speakers=tuple(u.speaker for u in clips),
        framing=framing,
        too_short=len(wanted) - len(clips),
    )


def _read_views(
    data: Path, utterance: Utterance, framing: Framing
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """A clip and its twin, or itself again; 2 x (samples,)."""
    clean = read_wav(data / utterance.path)
    twin = read_wav(data / utterance.degraded_path) if utterance.degraded_path else clean
    if len(clean) < framing.window or len(twin) != len(clean):
        raise DatasetError(
            f"{data / utterance.path} has {len(clean)} samples and its twin {len(twin)}, where the manifest "
            f"says {utterance.seconds:g} s of both: prepare the corpus again"
        )
    return clean, twin


def paired_windows(
    corpus: Corpus, picks: NDArray[np.int64], rng: np.random.Generator, speed: float = 0.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One random window of each picked clip, seen twice: clean, and mostly degraded.

    `speed` is the largest share by which a clip is played faster or slower, both views alike.
    """
    clean, other = [], []
    for pick in picks:
        source = corpus.degraded[pick] if rng.random() < _DEGRADED_SHARE else corpus.clean[pick]
        samples = min(len(source), round(corpus.framing.window * (1 + rng.uniform(-speed, speed))))
        last = len(source) - samples
        start = int(rng.integers(last + 1))
        shifted = int(np.clip(start + rng.integers(-_MISALIGNMENT, _MISALIGNMENT + 1), 0, last))
        clean.append(_played(corpus.clean[pick][start : start + samples], corpus.framing.window))
        other.append(_played(source[shifted : shifted + samples], corpus.framing.window))
    return np.stack(clean), np.stack(other)  # 2 x (batch, window)


def middle_windows(
    clips: list[NDArray[np.int16]], size: int, framing: Framing
) -> Iterator[NDArray[np.float32]]:
    """The normalised window in the middle of each clip, in batches of `size`."""
    window = framing.window
    for first in range(0, len(clips), size):
        batch = clips[first : first + size]
        starts = [(len(clip) - window) // 2 for clip in batch]
        yield normalise(
            np.stack([_float(clip[s : s + window]) for clip, s in zip(batch, starts, strict=True)])
        )


def normalise(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit variance per window, as `Wav2Vec2FeatureExtractor(do_normalize=True)` does."""
    centred = windows - windows.mean(axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = centred / np.sqrt(windows.var(axis=-1, keepdims=True) + 1e-7)
    return scaled.astype(np.float32, copy=False)


def cut(samples: NDArray[np.float32], framing: Framing) -> NDArray[np.float32]:
    """Every window of a recording, the last one re-anchored to its end; (windows, window), normalised."""
    last = len(samples) - framing.window
    if last < 0:
        raise DatasetError(
            f"a recording of {len(samples) / SAMPLE_RATE:.1f} s is shorter than a window of "
            f"{framing.window_seconds:g} s"
        )
    starts = sorted({*range(0, last + 1, framing.hop), last})
    return normalise(np.stack([samples[s : s + framing.window] for s in starts]).astype(np.float32))


def _played(samples: NDArray[np.int16], length: int) -> NDArray[np.float32]:
    """The samples stretched or squeezed to `length`, at most a few per cent."""
    if len(samples) == length:
        return _float(samples)
    positions = np.linspace(0, len(samples) - 1, length)
    return _float(np.interp(positions, np.arange(len(samples)), samples))


def _float(samples: NDArray[np.int16] | NDArray[np.float64]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(32768.0)
