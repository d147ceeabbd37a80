"""Reads a Hugging Face wav2vec2 checkpoint, whichever of the known heads it has, or refuses it by name.

A checkpoint whose head does not fit would otherwise run with random weights in its place and answer with
confidence. No code that comes with a checkpoint is run, and nothing is unpickled but tensors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file
from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from mindtrack_shared.bundles import (
    CONFIG_NAME,
    ENCODER,
    PREPROCESSOR_NAME,
    SAMPLE_RATE,
    WEIGHTS_NAME,
    CheckpointConfig,
    Head,
)
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.heads import HEADS, HeadedEncoder, Regression, built

PICKLE_NAME = "pytorch_model.bin"
#: What a dimensional head has beyond the regression it was imported as.
_MAP = "emotions."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's parts."""

    config: Wav2Vec2Config
    extractor: Wav2Vec2FeatureExtractor
    #: As the checkpoint spells them.
    tensors: dict[str, Tensor]
    head: Head

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the outputs."""
        return CheckpointConfig.model_validate(self.config.to_dict()).labels

    def model(self) -> HeadedEncoder:
        """The classifier, ready to score.

        Raises:
            ExportError: a key is missing, unexpected or misshapen.

        """
        return built(HEADS[self.head], self.config, self.tensors)

    def regression(self) -> Regression:
        """A dimensional checkpoint as it was published, without a map to emotions.

        Raises:
            ExportError: it is none, or a key is missing, unexpected or misshapen.

        """
        if self.head is not Head.DIMENSIONAL:
            raise ExportError(f"the checkpoint has a {self.head} head; it needs no map to emotions")
        return built(Regression, self.config, self.tensors)


def read_checkpoint(directory: Path, head: Head | None = None) -> Checkpoint:
    """Read a local checkpoint. Its head is told by its keys, unless `head` insists on one.

    Raises:
        ExportError: a file is missing or unreadable, the model is no wav2vec2, needs code of its own, pools
            otherwise than by the mean, listens at another rate than 16 kHz, or has a head we do not know.

    """
    config = _config(directory)
    extractor = _extractor(directory)
    tensors = _tensors(directory)
    return Checkpoint(config, extractor, tensors, head or _detect(config, tensors))


def _config(directory: Path) -> Wav2Vec2Config:
    path = directory / CONFIG_NAME
    try:
        document: Any = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ExportError(f"{directory} is no checkpoint: it has no {CONFIG_NAME}") from error
    except ValueError as error:
        raise ExportError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("model_type") != "wav2vec2":
        kind = document.get("model_type") if isinstance(document, dict) else None
        raise ExportError(f"{directory} holds a model of type {kind}; only wav2vec2 is supported")
    if "auto_map" in document:
        raise ExportError(f"{path} asks for code of its own (auto_map), and none is ever run")
    if (pooling := document.get("pooling_mode", "mean")) != "mean":
        raise ExportError(f"{directory} pools by {pooling}; only the mean over time is supported")
    if document.get("add_adapter"):
        raise ExportError(f"{directory} has adapter layers above the encoder, which are not supported")
    try:
        return Wav2Vec2Config.from_dict(document)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise ExportError(f"{path} is no configuration of a wav2vec2: {error}") from error


def _extractor(directory: Path) -> Wav2Vec2FeatureExtractor:
    if not (directory / PREPROCESSOR_NAME).is_file():
        raise ExportError(
            f"{directory} has no {PREPROCESSOR_NAME}: copy that of the model it was fine-tuned from"
        )
    try:
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(directory, local_files_only=True)
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise ExportError(
            f"{directory / PREPROCESSOR_NAME} is no configuration of a feature extractor: {error}"
        ) from error
    if getattr(extractor, "auto_map", None) is not None:
        raise ExportError(
            f"{directory / PREPROCESSOR_NAME} asks for code of its own (auto_map), and none is ever run"
        )
    if extractor.sampling_rate != SAMPLE_RATE:
        raise ExportError(
            f"{directory} listens at {extractor.sampling_rate} Hz, not {SAMPLE_RATE}: choose a model that "
            f"was trained at {SAMPLE_RATE} Hz"
        )
    return extractor


def _tensors(directory: Path) -> dict[str, Tensor]:
    safe, pickled = directory / WEIGHTS_NAME, directory / PICKLE_NAME
    try:
        if safe.is_file():
            return load_file(safe)
        if pickled.is_file():
            loaded = torch.load(pickled, map_location="cpu", weights_only=True)
            return {name: tensor.contiguous() for name, tensor in loaded.items()}
    except Exception as error:  # a damaged pickle may raise anything
        raise ExportError(f"the weights in {directory} are no plain tensors by name: {error}") from error
    raise ExportError(f"{directory} has neither {WEIGHTS_NAME} nor {PICKLE_NAME}")


def _detect(config: Wav2Vec2Config, tensors: dict[str, Tensor]) -> Head:
    """The head whose keys are those of the checkpoint, to the last one."""
    found = sorted(name for name in tensors if not name.startswith(ENCODER))
    if not found:
        raise ExportError("the checkpoint has no head: it is a bare encoder, which must be fine-tuned first")
    layout = CheckpointConfig.model_validate(config.to_dict())
    for head in Head:
        keys = sorted(layout.head_shapes(head))
        if found in (keys, [key for key in keys if not key.startswith(_MAP)]):
            return head
    known = "; ".join(f"{head}: {', '.join(layout.head_shapes(head))}" for head in Head)
    raise ExportError(f"no known head has the keys {', '.join(found)}. Known are {known}")
