"""Randomly initialised checkpoints in the layouts that people publish, with forward passes of their own.

The classes are what such a checkpoint's author would have written; none of it is the trainer's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
)

from mindtrack_shared.bundles import Head

RAVDESS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
IEMOCAP = ("neu", "hap", "ang", "sad")
OURS = ("Neutral", "Happy", "Sad", "Anxious", "Stressed")
DIMENSIONS = ("arousal", "dominance", "valence")

#: audEERING's encoder is wav2vec2-large's kind, the others are wav2vec2-base's.
LARGE: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}

LABELS = {Head.STOCK: IEMOCAP, Head.MLP_RELU: OURS, Head.DENSE_TANH: RAVDESS, Head.DIMENSIONAL: DIMENSIONS}


def config(labels: Sequence[str], **changes: object) -> Wav2Vec2Config:
    """wav2vec2-base in miniature: group norm over time, post-norm transformer."""
    settings: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": [8] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "feat_extract_norm": "group",
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    return Wav2Vec2Config(**(settings | changes))


def config_of(head: Head) -> Wav2Vec2Config:
    return config(LABELS[head], **LARGE if head is Head.DIMENSIONAL else {})


class Tutorial(nn.Module):
    """A tutorial's classifier: mean over time, then a small perceptron."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = nn.Sequential(
            nn.Linear(config.hidden_size, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, len(OURS))
        )

    def forward(self, sound: Tensor) -> Tensor:
        features = self.wav2vec2(sound).last_hidden_state
        answer: Tensor = self.classifier(torch.mean(features, dim=1))
        return answer


class SpeechHead(nn.Module):
    """ehcalabres' head: dropout, dense, tanh, dropout, output."""

    def __init__(self, hidden: int, labels: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        answer: Tensor = self.output(self.dense(features).tanh())
        return answer


class SpeechClassification(nn.Module):
    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = SpeechHead(config.hidden_size, len(RAVDESS))

    def forward(self, sound: Tensor) -> Tensor:
        answer: Tensor = self.classifier(self.wav2vec2(sound)[0].mean(1))
        return answer


class RegressionHead(nn.Module):
    """audEERING's head."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(0.1)
        self.out_proj = nn.Linear(hidden, len(DIMENSIONS))

    def forward(self, features: Tensor) -> Tensor:
        inner = torch.tanh(self.dense(self.dropout(features)))
        answer: Tensor = self.out_proj(self.dropout(inner))
        return answer


class EmotionModel(nn.Module):
    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = RegressionHead(config.hidden_size)

    def forward(self, sound: Tensor) -> Tensor:
        states = self.wav2vec2(sound)[0]
        answer: Tensor = self.classifier(torch.sum(states, dim=1) / states.shape[1])
        return answer


class StockLogits(nn.Module):
    """transformers' own class, without its output object."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.theirs = Wav2Vec2ForSequenceClassification(config)

    def forward(self, sound: Tensor) -> Tensor:
        answer: Tensor = self.theirs(sound).logits
        return answer


AUTHORS = {
    Head.STOCK: StockLogits,
    Head.MLP_RELU: Tutorial,
    Head.DENSE_TANH: SpeechClassification,
    Head.DIMENSIONAL: EmotionModel,
}


def author(head: Head, config: Wav2Vec2Config) -> nn.Module:
    """A model as its author has it, with random weights large enough to tell windows apart."""
    torch.manual_seed(4)
    model = AUTHORS[head](config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_weights" in name or (name.endswith("bias") and "wav2vec2" not in name):
                parameter.normal_()
            elif parameter.ndim == 2:  # matrices
                parameter.normal_(std=0.5)
    return model.train(mode=False)


def published(model: nn.Module) -> dict[str, Tensor]:
    """The tensors under the names that checkpoints have on the hub: weight norm as torch once spelled it."""
    return {
        name.removeprefix("theirs.")
        .replace("parametrizations.weight.original0", "weight_g")
        .replace("parametrizations.weight.original1", "weight_v"): tensor.contiguous()
        for name, tensor in model.state_dict().items()
    }


def write(
    folder: Path,
    config: Wav2Vec2Config,
    tensors: Mapping[str, Tensor],
    *,
    pickled: bool = False,
    sampling_rate: int = 16_000,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=sampling_rate).save_pretrained(folder)  # type: ignore[no-untyped-call]
    if pickled:
        torch.save(dict(tensors), folder / "pytorch_model.bin")
    else:
        save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def says(model: nn.Module, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the author's model answers to raw windows, normalised as wav2vec2's processor does."""
    heard = (windows - windows.mean(axis=1, keepdims=True)) / np.sqrt(
        windows.var(axis=1, keepdims=True) + 1e-7
    )
    with torch.inference_mode():
        answer: NDArray[np.float32] = model(torch.from_numpy(heard)).numpy()
    return answer.astype(np.float64)


def sound(windows: int = 3, samples: int = 16_000) -> NDArray[np.float32]:
    """Windows of noise, each coloured and as loud as it likes. (windows, samples)"""
    rng = np.random.default_rng(1)
    return np.stack(
        [
            rng.uniform(0.01, 0.3) * np.convolve(rng.standard_normal(samples), np.ones(4 * k + 1), "same")
            for k in range(windows)
        ]
    ).astype(np.float32)
