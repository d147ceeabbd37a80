"""What scores windows: one protocol, two libraries behind it.

Neither library is imported before an engine is loaded, and torch only where it is installed and wanted; nor
is numpy, which a worker's parent process never needs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EngineChoice = Literal["auto", "openvino", "torch"]
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16", "int8"]


class Precision(StrEnum):
    """What an engine multiplies in."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"


class Engine(Protocol):
    """A bundle's model, ready for windows of its length. Serves one thread at a time."""

    @property
    def name(self) -> str: ...

    @property
    def precision(self) -> Precision: ...

    @property
    def batch(self) -> int:
        """Windows per call that serve the device best."""

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score windows (n, window_samples), normalised as the checkpoint wants. (n, labels)"""
