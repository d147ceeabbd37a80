"""From arousal, dominance and valence to emotions: a multinomial logistic regression, fitted on a corpus.

No thresholds by hand: where the quadrants lie on a model's scales is a matter of what it was trained on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from mindtrack_shared.bundles import DIMENSIONS, SAMPLE_RATE
from mindtrack_shared.domain.emotions import MIN_EMOTIONS, Emotion
from mindtrack_trainer.checkpoint import Checkpoint
from mindtrack_trainer.dataset import normalise
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.manifest import Utterance, read_manifest
from mindtrack_trainer.packaging import score
from mindtrack_trainer.sound import read_wav

#: The outputs of the checkpoints that need a map; their order does not matter.
DIMENSION_LABELS = frozenset({"arousal", "dominance", "valence"})

#: Keeps separable corpora finite; small against a mean log-likelihood of about one nat.
_RIDGE = 1e-3

Row = Annotated[list[float], Field(min_length=DIMENSIONS, max_length=DIMENSIONS)]


class EmotionMap(BaseModel):
    """`map.json`: logits = weight · outputs + bias."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    #: In the order of the rows.
    labels: Annotated[list[Emotion], Field(min_length=MIN_EMOTIONS)]
    #: (labels, 3)
    weight: list[Row]
    bias: list[float]
    #: A sentence for manifest and model card.
    fitted_on: str
    #: SHA-256 over the checkpoint's head: a map fits no other model's scales.
    head_digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `fit-map` wrote.

        Raises:
            ExportError: it is no such file.

        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ExportError(f"{path} is no map written by `mindtrack-trainer fit-map`: {error}") from error

    def put_into(self, checkpoint: Checkpoint) -> None:
        """Make the checkpoint answer with our labels.

        Raises:
            ExportError: the map was fitted on another checkpoint.

        """
        if self.head_digest != head_digest(checkpoint):
            raise ExportError(
                "the map was fitted on another checkpoint: run `mindtrack-trainer fit-map` on this one"
            )
        checkpoint.tensors["emotions.weight"] = torch.tensor(self.weight)  # (labels, 3)
        checkpoint.tensors["emotions.bias"] = torch.tensor(self.bias)  # (labels,)
        names = dict(enumerate(map(str, self.labels)))
        checkpoint.config.id2label = names
        checkpoint.config.label2id = {name: index for index, name in names.items()}


def fit_map(
    checkpoint: Checkpoint,
    data: Path,
    window_seconds: float,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005 - nobody watches
) -> EmotionMap:
    """Fit a map on a prepared corpus's training speakers, every emotion weighing the same.

    A clip counts by the `window_seconds` in its middle, or all of it where it is shorter.

    Raises:
        ExportError: the checkpoint has no dimensional head, or the corpus fewer than two emotions.
        DatasetError: `data` is no corpus.

    """
    model = checkpoint.regression()
    voices = [u for u in read_manifest(data) if u.split == "train" and u.label is not None]
    labels = [emotion for emotion in Emotion if any(u.label is emotion for u in voices)]
    if len(labels) < MIN_EMOTIONS:
        raise ExportError(f"the training split of {data} has fewer than {MIN_EMOTIONS} emotions")
    outputs = np.empty((len(voices), DIMENSIONS))
    for index, voice in enumerate(voices):
        middle = _middle(read_wav(data / voice.path), round(window_seconds * SAMPLE_RATE))
        outputs[index] = score(model, normalise(middle) if checkpoint.extractor.do_normalize else middle)[0]
        progress(index + 1, len(voices))
    targets = np.array([labels.index(u.label) for u in voices if u.label])
    weight, bias = regress(outputs, targets, len(labels))
    return EmotionMap(
        labels=labels,
        weight=weight.tolist(),
        bias=bias.tolist(),
        fitted_on=_sentence(voices),
        head_digest=head_digest(checkpoint),
    )


def head_digest(checkpoint: Checkpoint) -> str:
    """Name a dimensional head by its weights and the order of its outputs."""
    digest = hashlib.sha256(",".join(checkpoint.labels).lower().encode())
    for name, tensor in sorted(_regression(checkpoint.tensors).items()):
        digest.update(name.encode() + tensor.float().numpy().tobytes())
    return digest.hexdigest()


def _regression(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith("classifier.")}


def _middle(samples: NDArray[np.int16], window: int) -> NDArray[np.float32]:
    """(1, at most window)"""
    first = max(0, len(samples) - window) // 2
    return samples[np.newaxis, first : first + window].astype(np.float32) / np.float32(32768.0)


def regress(
    outputs: NDArray[np.float64], targets: NDArray[np.int64], labels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (labels, 3) and bias (labels,) of a multinomial logistic regression with a small ridge.

    Every label weighs the same, however many of the outputs (clips, 3) are its own. The ridge is on
    standardised outputs, so the scale of the model's answers does not matter.
    """
    truth = np.eye(labels)[targets]  # (clips, labels)
    share = (truth / (truth.sum(axis=0) * labels)).sum(axis=1)  # (clips,), sums to one
    centre = share @ outputs  # (3,)
    spread = np.sqrt(share @ (outputs - centre) ** 2) + 1e-9  # (3,)
    inputs = np.column_stack([(outputs - centre) / spread, np.ones(len(outputs))])  # (clips, 4)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        table = flat.reshape(labels, -1)  # (labels, 4)
        log_p = log_softmax(inputs @ table.T, axis=1)  # (clips, labels)
        slopes = table * [1, 1, 1, 0]  # the bias is free
        value = -(share @ (truth * log_p).sum(axis=1)) + _RIDGE / 2 * (slopes**2).sum()
        gradient = ((np.exp(log_p) - truth) * share[:, np.newaxis]).T @ inputs + _RIDGE * slopes
        return float(value), gradient.ravel()

    found = minimize(loss, np.zeros(labels * inputs.shape[1]), jac=True, method="L-BFGS-B")
    table = found.x.reshape(labels, -1)
    weight = table[:, :DIMENSIONS] / spread
    return weight, table[:, DIMENSIONS] - weight @ centre


def _sentence(voices: list[Utterance]) -> str:
    corpora = ", ".join(sorted({voice.corpus for voice in voices}))
    counts = Counter(str(voice.label) for voice in voices)
    clips = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
    return f"{len(voices)} clips of {len({v.speaker for v in voices})} speakers of {corpora} ({clips})"
