"""The training loop: paired views, one-cycle learning rate, early stopping, a resumable state per epoch.

Clips that no emotion fits are trained towards the uniform distribution, so that a model that hears noise
says that it does not know (Hendrycks, Mazeika and Dietterich 2019, "Deep anomaly detection with outlier
exposure").
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor
from torch.nn import functional
from transformers import Wav2Vec2ForSequenceClassification

from mindtrack_trainer.augmentation import augment, normalise
from mindtrack_trainer.dataset import LABELS, OUTLIER, Corpus, Framing, middle_windows, paired_windows
from mindtrack_trainer.errors import DatasetError, ResumeError, TrainerError, reasons
from mindtrack_trainer.metrics import unweighted_average_recall
from mindtrack_trainer.model import save_model, score
from mindtrack_trainer.options import TrainingOptions

STATE = "training_state.pt"
TRAINING = "training.json"

_SMOOTHING = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """One step; `uar` is set on an epoch's last step, measured on the calibration voices."""

    epoch: int
    step: int
    steps: int  # per epoch
    loss: float
    uar: float | None = None


class Epoch(BaseModel):
    """One line of the training log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: int
    loss: float  # mean over the epoch's steps
    uar: float  # on the calibration voices, middle windows
    seconds: float


class TrainingReport(BaseModel):
    """`training.json`: how a checkpoint came about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: What the base was, or that there was none.
    base: str | None
    #: Corpora by name.
    data: list[str]
    #: Clips per label, outliers and speakers, by split.
    clips: dict[str, dict[str, int]]
    #: Clips that do not fill a window, by split.
    too_short: dict[str, int]
    #: Who was heard, by split; empty where an earlier release trained.
    speakers: dict[str, list[str]] = Field(default_factory=dict)
    window_seconds: float
    hop_seconds: float
    seed: int
    options: dict[str, Any]
    log: list[Epoch]
    best_epoch: int
    wall_seconds: float
    device: str
    versions: dict[str, str]
    finished_at: datetime

    @property
    def framing(self) -> Framing:
        return Framing(self.window_seconds, self.hop_seconds)

    @classmethod
    def read(cls, checkpoint: Path) -> TrainingReport:
        """Read what `train` wrote.

        Raises:
            TrainerError: the directory holds no finished training, or another release's.

        """
        path = checkpoint / TRAINING
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise TrainerError(
                f"{checkpoint} holds no finished training: run `mindtrack-trainer train` to its end"
            ) from error
        except ValidationError as error:
            raise TrainerError(
                f"{path} is not this release's ({reasons(error, 'file')}): run `mindtrack-trainer train` "
                "again"
            ) from error


def train(  # noqa: PLR0913, PLR0917 - what a training is made of
    model: Wav2Vec2ForSequenceClassification,
    corpus: Corpus,
    validation: Corpus,
    options: TrainingOptions,
    out: Path,
    data: list[str],
) -> Iterator[Progress]:
    """Train a fresh model, or continue what was interrupted, yielding after every step.

    Writes the checkpoint of the epoch with the best UAR on `validation`, and `training.json`. `data` names
    the corpora.

    Raises:
        DatasetError: an emotion has no training clip.
        ResumeError: `out` holds a state written with other options or other clips.

    """
    if absent := [str(label) for index, label in enumerate(LABELS) if index not in corpus.targets]:
        raise DatasetError(
            f"no training clip of {', '.join(absent)} fills a window of {corpus.framing.window_seconds:g} s, "
            "and the model would rule out what it never heard: choose a shorter window, or add a corpus"
        )
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)  # type: ignore[arg-type]  # transformers' decorator hides the signature
    run = _Run(model, corpus, options, device, [corpus.digest(), validation.digest()])
    first = run.resume(out)
    for epoch in range(first, options.epochs):
        if run.is_stale():
            break
        started, losses = perf_counter(), []
        run.model.train()
        batches = _batches(len(corpus), options, epoch)
        for step, (picks, rng) in enumerate(batches):
            losses.append(run.step(corpus, picks, rng))
            if step < len(batches) - 1:
                yield Progress(epoch, step, len(batches), losses[-1])
        logits = score(run.model, middle_windows(validation.clean, options.batch, options.framing))
        uar = unweighted_average_recall(logits, validation.targets)
        seconds = perf_counter() - started
        run.save(out, Epoch(epoch=epoch, loss=float(np.mean(losses)), uar=uar, seconds=round(seconds, 1)))
        yield Progress(epoch, len(batches) - 1, len(batches), losses[-1], uar)
    run.restore_best()
    save_model(model.cpu(), out)
    report = run.report(data, {"train": corpus, "calibration": validation})
    (out / TRAINING).write_text(report.model_dump_json(indent=2) + "\n")


def soft_targets(targets: Tensor) -> Tensor:
    """One-hot rows with a little smoothing; uniform rows for outliers. (clips,) -> (clips, labels)"""
    known = functional.one_hot(targets.clamp(min=0), len(LABELS)).float()
    smooth = known * (1 - _SMOOTHING) + _SMOOTHING / len(LABELS)
    return torch.where((targets == OUTLIER)[:, None], 1 / len(LABELS), smooth)


def pair_loss(logits: Tensor, targets: Tensor, weights: Tensor, consistency: float) -> Tensor:
    """Weighted cross-entropy of both views plus what one view's probabilities say against the other's.

    `logits` holds the first views, then the second ones of the same clips: (2 * clips, labels). `targets` is
    (clips, labels) and `weights` (clips,).
    """
    log_p = functional.log_softmax(logits, dim=-1)
    fit = -(targets.repeat(2, 1) * log_p).sum(dim=-1) * weights.repeat(2)  # (2 * clips,)
    first, second = log_p.chunk(2)  # 2 x (clips, labels)
    gap = (first.exp() - second.exp()) * (first - second)  # symmetric Kullback-Leibler divergence
    return fit.mean() + consistency * gap.sum(dim=-1).mean()


class _Run:
    """The model with everything that moves while it trains."""

    def __init__(
        self,
        model: Wav2Vec2ForSequenceClassification,
        corpus: Corpus,
        options: TrainingOptions,
        device: torch.device,
        clips: list[str],
    ) -> None:
        self.model, self.options, self.device = model, options, device
        self.clips = clips  # digests
        moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(moving, lr=options.learning_rate, weight_decay=0.01)
        steps = len(_batches(len(corpus), options, epoch=0)) * options.epochs
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, options.learning_rate, total_steps=steps, pct_start=0.15, cycle_momentum=False
        )
        # Emulated, bfloat16 is slower than float32.
        half = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
        self.dtype = torch.float16 if half else torch.bfloat16
        # Only float16 can lose gradients to its small range.
        self.scaler = torch.amp.GradScaler(device.type, enabled=half and options.mixed_precision)
        # The last weight is an outlier's: a target of -1 finds it.
        self.weights = torch.tensor([*corpus.class_weights(), 1.0], dtype=torch.float32)
        self.log: list[Epoch] = []
        self.best: dict[str, Tensor] = {}

    def step(self, corpus: Corpus, picks: NDArray[np.int64], rng: np.random.Generator) -> float:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        seed = int(rng.integers(2**62))
        torch.manual_seed(seed)  # dropout draws from the global generator
        np.random.seed(seed % 2**32)  # noqa: NPY002 - transformers masks time with NumPy's global generator
        views = paired_windows(corpus, picks, rng, self.options.speed)
        clean, other = map(torch.from_numpy, views)
        inputs = torch.cat([normalise(clean), augment(other, generator)]).to(self.device)
        targets = torch.from_numpy(corpus.targets[picks])
        with torch.autocast(self.device.type, self.dtype, enabled=self.options.mixed_precision):
            logits = self.model(inputs).logits  # (2 * batch, labels)
        loss = pair_loss(
            logits.float(),
            soft_targets(targets).to(self.device),
            self.weights[targets].to(self.device),
            self.options.consistency,
        )
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        return loss.item()

    def is_stale(self) -> bool:
        """Whether the best epoch lies `patience` epochs back."""
        return bool(self.log) and len(self.log) - 1 - self.best_epoch() >= self.options.patience

    def best_epoch(self) -> int:
        return max(self.log, key=lambda entry: entry.uar).epoch

    def restore_best(self) -> None:
        self.model.load_state_dict(self.best)

    def save(self, out: Path, entry: Epoch) -> None:
        self.log.append(entry)
        weights = self.model.state_dict()
        if self.best_epoch() == entry.epoch:
            self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}
        state = {
            "options": self.options.as_dict(),
            "clips": self.clips,
            "log": [epoch.model_dump() for epoch in self.log],
            "model": weights,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        partial = out / f"{STATE}.partial"
        torch.save(state, partial)
        partial.replace(out / STATE)  # a crash leaves the previous epoch's state whole

    def resume(self, out: Path) -> int:
        """Load the state in `out` if there is one; returns the epoch to start with."""
        if not (out / STATE).exists():
            return 0
        state = torch.load(out / STATE, weights_only=True, map_location=self.device)
        if state["options"] != self.options.as_dict():
            raise ResumeError(
                f"{out / STATE} was written with {json.dumps(state['options'])}; choose another directory"
            )
        if state.get("clips") != self.clips:
            raise ResumeError(
                f"{out / STATE} was written with other clips, and to mix speakers could leak from one split "
                "into another; choose another directory"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.best = state["best"]
        self.log = [Epoch.model_validate(entry) for entry in state["log"]]
        return len(self.log)

    def report(self, data: list[str], splits: dict[str, Corpus]) -> TrainingReport:
        framing = self.options.framing
        return TrainingReport(
            base=None if self.options.base is None else self.options.base.name,
            data=data,
            clips={split: corpus.describe() for split, corpus in splits.items()},
            too_short={split: corpus.too_short for split, corpus in splits.items()},
            speakers={split: sorted(set(corpus.speakers)) for split, corpus in splits.items()},
            window_seconds=framing.window_seconds,
            hop_seconds=framing.hop_seconds,
            seed=self.options.seed,
            options={**self.options.as_dict(), "base": None},  # a path says more than the weights' name
            log=self.log,
            best_epoch=self.best_epoch(),
            wall_seconds=round(sum(entry.seconds for entry in self.log), 1),
            device=torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU",
            versions={"python": platform.python_version()}
            | {name: version(name) for name in ("torch", "transformers", "numpy")},
            finished_at=datetime.now(UTC).replace(microsecond=0),
        )


def _batches(
    clips: int, options: TrainingOptions, epoch: int
) -> list[tuple[NDArray[np.int64], np.random.Generator]]:
    """Shuffled batches, each with a generator of its own so that resuming changes nothing."""
    order = np.random.default_rng([options.seed, 2, epoch]).permutation(clips)
    size = min(options.batch, clips)
    return [
        (order[first : first + size], np.random.default_rng([options.seed, 3, epoch, first]))
        for first in range(0, clips - size + 1, size)
    ]
