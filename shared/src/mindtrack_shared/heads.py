"""The classifiers that can become bundles: one encoder, four heads, each with its checkpoints' own key names.

Every forward pass takes `input_values` (batch, samples), normalised where the checkpoint says so, and returns
logits (batch, labels). Nothing is ever padded or masked, so all of them pool by a plain mean over time.

The trainer and the torch engine import this module; nothing else may, as it needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from mindtrack_shared.bundles import DIMENSIONS, ENCODER, BundleError, Head

#: How torch renamed what weight norm stores; transformers has the same table (its issue 30628).
_WEIGHT_NORM = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}
_NORMED = f"{ENCODER}encoder.pos_conv_embed.conv."


class HeadedEncoder(nn.Module):
    """A Wav2Vec2 encoder under the key `wav2vec2`, and whatever a subclass puts on top."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.config = config
        self.labels = len(config.id2label or {})
        self.wav2vec2 = Wav2Vec2Model(config)

    @classmethod
    def from_checkpoint(cls, config: Wav2Vec2Config, tensors: Mapping[str, Tensor]) -> Self:
        """Load weights in float32, all of them and nothing else, ready to score.

        Raises:
            BundleError: the configuration contradicts itself; or a key is missing, unexpected or misshapen,
                and the message names it.

        """
        try:
            model = cls(config)
        except (KeyError, RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
            raise BundleError(f"config.json makes no model: {error!r}") from error
        model.load_state_dict(_fitting(tensors, model.state_dict()))
        model.train(mode=False)
        return model

    def forward(self, input_values: Tensor) -> Tensor:  # (batch, samples) -> (batch, labels)
        raise NotImplementedError

    def pooled(self, input_values: Tensor) -> Tensor:  # (batch, samples) -> (batch, hidden)
        mean: Tensor = self.wav2vec2(input_values).last_hidden_state.mean(dim=1)
        return mean


class Stock(HeadedEncoder):
    """transformers' `Wav2Vec2ForSequenceClassification`."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        if config.use_weighted_layer_sum:
            self.layer_weights = nn.Parameter(torch.zeros(config.num_hidden_layers + 1))
        self.projector = nn.Linear(config.hidden_size, config.classifier_proj_size)
        self.classifier = nn.Linear(config.classifier_proj_size, self.labels)

    def forward(self, input_values: Tensor) -> Tensor:
        pool = self._weighted if self.config.use_weighted_layer_sum else self.pooled
        logits: Tensor = self.classifier(
            self.projector(pool(input_values))
        )  # the projector and a mean commute
        return logits

    def _weighted(self, input_values: Tensor) -> Tensor:
        """Mean over time of a learnt average of what enters and leaves every layer. (batch, hidden)"""
        states = self.wav2vec2(input_values, output_hidden_states=True).hidden_states
        means = torch.stack([state.mean(dim=1) for state in states])  # (layers + 1, batch, hidden)
        return torch.einsum("l,lbh->bh", self.layer_weights.softmax(dim=0), means)


class MlpRelu(HeadedEncoder):
    """Linear, ReLU, Dropout, Linear: `classifier.0` and `classifier.3`."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        self.classifier = nn.Sequential(
            nn.Linear(config.hidden_size, config.classifier_proj_size),
            nn.ReLU(),
            nn.Dropout(config.final_dropout),
            nn.Linear(config.classifier_proj_size, self.labels),
        )

    def forward(self, input_values: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pooled(input_values))
        return logits


class DenseTanh(HeadedEncoder):
    """Dense, tanh, a last linear layer with a name of its own."""

    last = "output"

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.classifier = nn.ModuleDict({"dense": dense, self.last: self._last_layer(config)})

    def _last_layer(self, config: Wav2Vec2Config) -> nn.Linear:
        return nn.Linear(config.hidden_size, self.labels)

    def forward(self, input_values: Tensor) -> Tensor:
        hidden = torch.tanh(self.classifier["dense"](self.pooled(input_values)))  # (batch, hidden)
        logits: Tensor = self.classifier[self.last](hidden)
        return logits


class Regression(DenseTanh):
    """Arousal, dominance and valence, about 0 to 1 each: no emotions yet. (batch, 3)"""

    last = "out_proj"

    def _last_layer(self, config: Wav2Vec2Config) -> nn.Linear:
        return nn.Linear(config.hidden_size, DIMENSIONS)


class Dimensional(Regression):
    """A regression with a fitted linear map to emotions behind it."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        self.emotions = nn.Linear(DIMENSIONS, self.labels)

    def forward(self, input_values: Tensor) -> Tensor:
        logits: Tensor = self.emotions(super().forward(input_values))
        return logits


HEADS: Mapping[Head, type[HeadedEncoder]] = {
    Head.STOCK: Stock,
    Head.MLP_RELU: MlpRelu,
    Head.DENSE_TANH: DenseTanh,
    Head.DIMENSIONAL: Dimensional,
}


def _fitting(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32 and under today's names, if they are what is wanted."""
    found = {_current(name): tensor.float() for name, tensor in tensors.items()}
    wrong = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "misshapen": [
            f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in found and found[name].shape != tensor.shape
        ],
    }
    if said := "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in wrong.items() if keys):
        raise BundleError(f"the weights do not fit: {said}")
    return found


def _current(name: str) -> str:
    if not name.startswith(_NORMED):
        return name
    part = name.removeprefix(_NORMED)
    return _NORMED + _WEIGHT_NORM.get(part, part)
