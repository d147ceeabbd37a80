"""The training loop: paired views, one-cycle learning rate, a resumable checkpoint per epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

from mindtrack_trainer.augmentation import augment, normalise
from mindtrack_trainer.dataset import Corpus, middle_windows, paired_windows
from mindtrack_trainer.errors import ResumeError
from mindtrack_trainer.metrics import unweighted_average_recall
from mindtrack_trainer.model import make_model, save_model, score

STATE = "training_state.pt"
LOG = "training_log.json"


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What decides the weights, besides the corpus."""

    epochs: int = 4
    batch: int = 16  # clips; each is seen twice per step
    learning_rate: float = 8e-4  # the cycle's peak
    consistency: float = 2.0  # weight of the disagreement between a clip's two views
    seed: int = 2026
    bf16: bool = True  # autocast; twice as fast where the CPU has the instructions


@dataclass(frozen=True, slots=True)
class Progress:
    """One step; `uar` is set on an epoch's last step, measured on the calibration voices."""

    epoch: int
    step: int
    steps: int  # per epoch
    loss: float
    uar: float | None = None


def train(
    corpus: Corpus, validation: Corpus, config: Wav2Vec2Config, options: TrainingOptions, out: Path
) -> Iterator[Progress]:
    """Train, or continue what was interrupted, yielding after every step.

    Raises:
        ResumeError: `out` holds a state written with other options.

    """
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(make_model(config, options.seed), len(corpus), options)
    first = run.resume(out)
    for epoch in range(first, options.epochs):
        started, loss = perf_counter(), 0.0
        run.model.train()
        batches = _batches(len(corpus), options, epoch)
        for step, (picks, rng) in enumerate(batches):
            loss = run.step(corpus, picks, rng)
            if step < len(batches) - 1:
                yield Progress(epoch, step, len(batches), loss)
        logits = score(run.model, middle_windows(validation.clean, options.batch))
        uar = unweighted_average_recall(logits, validation.targets)
        run.save(out, epoch, {"epoch": epoch, "loss": loss, "uar": uar, "seconds": perf_counter() - started})
        yield Progress(epoch, len(batches) - 1, len(batches), loss, uar)
    save_model(run.model, out)


def pair_loss(logits: Tensor, targets: Tensor, consistency: float) -> Tensor:
    """Cross-entropy of both views plus what one view's probabilities say against the other's.

    `logits` holds the first views, then the second ones of the same clips: (2 * batch, labels).
    """
    fit = functional.cross_entropy(logits, targets.repeat(2), label_smoothing=0.05)
    first, second = functional.log_softmax(logits, dim=-1).chunk(2)  # 2 x (batch, labels)
    gap = (first.exp() - second.exp()) * (first - second)  # symmetric Kullback-Leibler divergence
    return fit + consistency * gap.sum(dim=-1).mean()


class _Run:
    """The model with everything that moves while it trains."""

    def __init__(
        self, model: Wav2Vec2ForSequenceClassification, clips: int, options: TrainingOptions
    ) -> None:
        self.model, self.options = model, options
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=0.01)
        steps = max(1, clips // options.batch) * options.epochs
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, options.learning_rate, total_steps=steps, pct_start=0.15, cycle_momentum=False
        )
        self.log: list[dict[str, float]] = []

    def step(
        self, corpus: Corpus, picks: np.ndarray[Any, np.dtype[np.int64]], rng: np.random.Generator
    ) -> float:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        torch.manual_seed(int(rng.integers(2**62)))  # dropout draws from the global generator
        clean, other = map(torch.from_numpy, paired_windows(corpus, picks, rng))
        inputs = torch.cat([normalise(clean), augment(other, generator)])  # (2 * batch, WINDOW)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.options.bf16):
            logits = self.model(inputs).logits  # (2 * batch, labels)
        loss = pair_loss(logits.float(), torch.from_numpy(corpus.targets[picks]), self.options.consistency)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def save(self, out: Path, epoch: int, entry: dict[str, float]) -> None:
        self.log.append(entry)
        state = {
            "epoch": epoch,
            "options": asdict(self.options),
            "log": self.log,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        partial = out / f"{STATE}.partial"
        torch.save(state, partial)
        partial.replace(out / STATE)  # a crash leaves the previous epoch's state whole
        (out / LOG).write_text(json.dumps(self.log, indent=2) + "\n")

    def resume(self, out: Path) -> int:
        """Load the state in `out` if there is one; returns the epoch to start with."""
        if not (out / STATE).exists():
            return 0
        state = torch.load(out / STATE, weights_only=True)
        if state["options"] != asdict(self.options):
            raise ResumeError(f"{out / STATE} was written with {state['options']}; choose another directory")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.log = state["log"]
        return int(state["epoch"]) + 1


def _batches(
    clips: int, options: TrainingOptions, epoch: int
) -> list[tuple[np.ndarray[Any, np.dtype[np.int64]], np.random.Generator]]:
    """Shuffled batches, each with a generator of its own so that resuming changes nothing."""
    order = np.random.default_rng([options.seed, 2, epoch]).permutation(clips)
    size = min(options.batch, clips)
    return [
        (order[first : first + size], np.random.default_rng([options.seed, 3, epoch, first]))
        for first in range(0, clips - size + 1, size)
    ]
