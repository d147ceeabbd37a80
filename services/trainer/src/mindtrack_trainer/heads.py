"""The shared heads, loaded with the trainer's own errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor
from transformers import Wav2Vec2Config

from mindtrack_shared.bundles import BundleError
from mindtrack_shared.heads import HEADS, HeadedEncoder, Regression
from mindtrack_trainer.errors import ExportError

__all__ = ["HEADS", "HeadedEncoder", "Regression", "built"]

_Model = TypeVar("_Model", bound=HeadedEncoder)


def built(kind: type[_Model], config: Wav2Vec2Config, tensors: Mapping[str, Tensor]) -> _Model:
    """Load weights in float32, all of them and nothing else, ready to score.

    Raises:
        ExportError: the configuration contradicts itself; or a key is missing, unexpected or misshapen, and
            the message names it.

    """
    try:
        return kind.from_checkpoint(config, tensors)
    except BundleError as error:
        raise ExportError(str(error)) from error
