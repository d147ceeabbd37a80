"""What a checkpoint says of whole recordings, exactly as a worker would serve it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, get_args

import numpy as np
from numpy.typing import NDArray
from transformers import Wav2Vec2ForSequenceClassification

from mindtrack_shared.bundles import WEIGHTS_NAME, StressCalibration
from mindtrack_shared.domain.calibration import calibrated, selection
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.dataset import LABELS, Framing, cut
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Split, Utterance, read_manifest
from mindtrack_trainer.model import load_model, score
from mindtrack_trainer.packaging import sha256
from mindtrack_trainer.sound import Samples, read_wav
from mindtrack_trainer.training import TrainingReport

Logits = NDArray[np.float32]  # (windows, labels) of one recording

STRESS = np.array([label in {Emotion.ANXIOUS, Emotion.STRESSED} for label in LABELS])  # (labels,)

_SELECTION = selection(LABELS, {label: label for label in LABELS})
_NONE = np.empty((0, len(LABELS)), dtype=np.float32)
_RECORDINGS = 8  # whose windows are put together
_BATCH = 16  # windows


@dataclass(frozen=True, slots=True)
class Scores:
    """What is served of some recordings: means over the windows of each."""

    probabilities: NDArray[np.float64]  # (recordings, labels)
    uncertainty: NDArray[np.float64]  # (recordings,), in [0, 1]

    @property
    def stress(self) -> NDArray[np.float64]:
        """P(Anxious) + P(Stressed); (recordings,)."""
        total: NDArray[np.float64] = self.probabilities[:, STRESS].sum(axis=1)
        return total


def served(
    recordings: Sequence[Logits], temperature: float = 1.0, stress: StressCalibration | None = None
) -> Scores:
    """Calibrate every window, then average over each recording's; by default nothing is calibrated."""
    platt = stress or StressCalibration()
    windows = calibrated(
        np.concatenate([_NONE, *recordings]), _SELECTION, temperature, platt.slope, platt.intercept
    )  # of (all windows, labels)
    counts = np.array([len(logits) for logits in recordings], dtype=np.intp)
    firsts = np.cumsum(counts) - counts
    return Scores(
        np.add.reduceat(windows.probabilities, firsts, axis=0) / counts[:, np.newaxis],
        np.add.reduceat(windows.uncertainty, firsts) / counts,
    )


@dataclass(frozen=True, slots=True)
class Scorer:
    """A checkpoint and the windows it was trained on."""

    model: Wav2Vec2ForSequenceClassification
    framing: Framing
    #: SHA-256 of the weights, in hex.
    weights: str
    #: Whom the training heard, by split.
    speakers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Told how many recordings are done, and how many there are.
    progress: Callable[[int, int], None] | None = None

    @classmethod
    def read(cls, checkpoint: Path, progress: Callable[[int, int], None] | None = None) -> Self:
        """Load what `train` wrote.

        Raises:
            TrainerError: the directory holds no finished training.

        """
        report = TrainingReport.read(checkpoint)
        weights = sha256(checkpoint / WEIGHTS_NAME)
        return cls(load_model(checkpoint), report.framing, weights, report.speakers, progress)

    def split(self, data: Path, split: Split) -> list[Utterance]:
        """One split's utterances, if the training put none of their speakers into an earlier one.

        Raises:
            DatasetError: `data` is no corpus, or was split in another way when the checkpoint was trained.

        """
        found = [utterance for utterance in read_manifest(data) if utterance.split == split]
        for earlier in itertools.takewhile(lambda name: name != split, get_args(Split)):
            if heard := sorted({u.speaker for u in found} & set(self.speakers.get(earlier, ()))):
                raise DatasetError(
                    f"{len(heard)} speakers of the {split} split of {data}, {heard[0]!r} for one, were in "
                    f"the {earlier} split when the checkpoint was trained, and would flatter it: split the "
                    "corpus as it was then, or train again"
                )
        return found

    def recording(self, samples: Samples) -> Logits:
        """Logits of every window of one recording.

        Raises:
            DatasetError: it is shorter than a window.

        """
        return self._score([cut(samples, self.framing)])[0]

    def files(self, data: Path, paths: Iterable[str]) -> dict[str, Logits]:
        """Logits of every window of every WAV file, by its path in `data`.

        A recording shorter than a window cannot be served and is left out.
        """
        names = list(dict.fromkeys(paths))
        logits: dict[str, Logits] = {}
        for first in range(0, len(names), _RECORDINGS):
            batch = {name: _samples(data / name) for name in names[first : first + _RECORDINGS]}
            windows = {n: cut(s, self.framing) for n, s in batch.items() if len(s) >= self.framing.window}
            logits |= dict(zip(windows, self._score(list(windows.values())), strict=True))
            if self.progress is not None:
                self.progress(min(first + _RECORDINGS, len(names)), len(names))
        return logits

    def _score(self, recordings: list[NDArray[np.float32]]) -> list[Logits]:
        if not recordings:
            return []
        windows = np.concatenate(recordings)  # (windows of all, window)
        batches = (windows[first : first + _BATCH] for first in range(0, len(windows), _BATCH))
        ends = np.cumsum([len(recording) for recording in recordings])
        return np.split(score(self.model, batches), ends[:-1])


def paths(utterances: Iterable[Utterance]) -> list[str]:
    """Every file of theirs: clips, then degraded twins."""
    utterances = list(utterances)
    return [*(u.path for u in utterances), *(u.degraded_path for u in utterances if u.degraded_path)]


def targets(voices: Iterable[Utterance]) -> NDArray[np.int64]:
    """Each voice's column in the probabilities; (voices,)."""
    return np.array([LABELS.index(u.label) for u in voices if u.label is not None], dtype=np.int64)


def _samples(path: Path) -> Samples:
    return read_wav(path).astype(np.float32) / np.float32(32768.0)
