"""What decides a training, besides its corpus. Light to import, for the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mindtrack_trainer.dataset import Framing

#: What of a pretrained encoder stays as it is: nothing, its convolutions, or all of it.
Freeze = Literal["nothing", "features", "encoder"]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What decides the weights, besides the corpus."""

    base: Path | None = None  # a pretrained encoder; None trains the small model from scratch
    freeze: Freeze = "features"  # of a base
    framing: Framing = field(default_factory=Framing)
    epochs: int = 8
    patience: int = 3  # epochs without a better UAR before stopping
    batch: int = 16  # clips; each is seen twice per step
    learning_rate: float = 8e-4  # the cycle's peak
    consistency: float = 2.0  # weight of the disagreement between a clip's two views
    speed: float = 0.0  # largest share by which clips are played faster or slower
    seed: int = 2026
    mixed_precision: bool = True  # bfloat16, or float16 on GPUs without it

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "base": None if self.base is None else str(self.base)}
