"""Models to train: a small Wav2Vec2 from scratch, or somebody's pretrained encoder with a fresh head."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.dataset import LABELS
from mindtrack_trainer.errors import TrainerError
from mindtrack_trainer.options import Freeze, TrainingOptions

_PHASES = 3
_BANDS = 80
_BAND_EDGES = (60.0, 3_400.0)  # hertz; what every telephone passes
_TAPS = 640  # 40 ms: long enough to tell the harmonics of most voices apart

_NORM_EPSILON = 1e-5  # of the layer norm after the first convolution
#: The variance over bands below which a frame fades instead of being normalised; a voiced frame of a
#: normalised window has about 3. Without it, layer norm lifts the silence between words to the level of
#: speech, and a codec that touches up the silence moves the score.
_QUIET = 0.05


def make_config(hidden: int = 192, layers: int = 3) -> Wav2Vec2Config:
    """About 2.2 million parameters at the defaults.

    Layer norm over channels in every convolution, so that a window's score does not depend on padding. One
    long convolution stands where wav2vec2-base stacks five short ones: it can be a filter bank (see
    `make_model`), and twelve frames a second are enough for prosody.
    """
    return Wav2Vec2Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * hidden,
        classifier_proj_size=128,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_dim=[_PHASES * _BANDS, hidden, hidden, hidden],
        conv_kernel=[_TAPS, 3, 3, 3],
        conv_stride=[160, 2, 2, 2],
        conv_bias=False,
        num_conv_pos_embeddings=15,
        num_conv_pos_embedding_groups=4,
        apply_spec_augment=False,
        layerdrop=0.0,
        id2label={index: str(label) for index, label in enumerate(LABELS)},
        label2id={str(label): index for index, label in enumerate(LABELS)},
    )


def make_model(config: Wav2Vec2Config, seed: int) -> Wav2Vec2ForSequenceClassification:
    """Fresh weights, the same for the same seed.

    All are random but the first convolution's, which are a filter bank and stay so: from random ones,
    thousands of steps go by before the network can hear pitch at all.
    """
    torch.manual_seed(seed)
    model = Wav2Vec2ForSequenceClassification(config)
    with torch.no_grad():
        first, second = (
            model.get_parameter(f"wav2vec2.feature_extractor.conv_layers.{n}.conv.weight") for n in range(2)
        )
        first.copy_(math.sqrt(_NORM_EPSILON / _QUIET) * _filter_bank())
        first.requires_grad_(False)
        # transformers asks for the gradient of the sound itself, which nobody needs: half of a step's time.
        model.wav2vec2.feature_extractor._requires_grad = False  # noqa: SLF001 - there is no public switch
        # The three phases of a band rectify to its magnitude if what follows weighs them alike.
        second.copy_(second[:, ::_PHASES].repeat_interleave(_PHASES, dim=1))
    return model


def _filter_bank() -> Tensor:
    """Hann-windowed cosines of `_BANDS` frequencies, each at `_PHASES` phases; (channels, 1, taps)."""
    low, high = (math.log(1 + edge / 229) for edge in _BAND_EDGES)  # spaced like the ear's bandwidths (ERB)
    centres = 229 * (torch.linspace(low, high, _BANDS).exp() - 1)  # hertz
    phases = 2 * math.pi * torch.arange(_PHASES) / _PHASES
    seconds = torch.arange(_TAPS) / SAMPLE_RATE
    angles = 2 * math.pi * centres[:, None, None] * seconds + phases[:, None]  # (bands, phases, taps)
    filters = torch.cos(angles) * torch.hann_window(_TAPS)
    unit: Tensor = filters / filters.norm(dim=-1, keepdim=True)
    return unit.reshape(_BANDS * _PHASES, 1, _TAPS)


def fresh_model(options: TrainingOptions) -> Wav2Vec2ForSequenceClassification:
    """What a training begins with: the small model, or the base with a new head.

    Raises:
        TrainerError: the base cannot be used.

    """
    if options.base is None:
        return make_model(make_config(), options.seed)
    return load_base(options.base, options.seed, options.freeze)


_HEAD = ("projector.", "classifier.")


def load_base(base: Path, seed: int, freeze: Freeze) -> Wav2Vec2ForSequenceClassification:
    """Put a fresh head for the five emotions on a pretrained encoder (`facebook/wav2vec2-base`, say).

    `freeze` keeps the convolutions ("features") or the whole encoder from moving.

    Raises:
        TrainerError: the directory is no wav2vec2 checkpoint, has adapter layers, or lacks part of the
            encoder.

    """
    torch.manual_seed(seed)
    names = {index: str(label) for index, label in enumerate(LABELS)}
    try:
        loaded: Any = Wav2Vec2ForSequenceClassification.from_pretrained(
            base,
            local_files_only=True,
            output_loading_info=True,
            num_labels=len(LABELS),
            id2label=names,
            label2id={name: index for index, name in names.items()},
            ignore_mismatched_sizes=True,  # somebody else's head
        )
    except (KeyError, OSError, RuntimeError, StrictDataclassError, TypeError, ValueError) as error:
        raise TrainerError(f"{base} holds no wav2vec2 checkpoint: {error}") from error
    model: Wav2Vec2ForSequenceClassification
    model, report = loaded
    misshapen = (key for key, *_ in report["mismatched_keys"])
    missing = sorted(key for key in {*report["missing_keys"], *misshapen} if not key.startswith(_HEAD))
    if missing:
        raise TrainerError(f"{base} lacks parts of the encoder: {', '.join(missing)}")
    if freeze == "features":
        model.freeze_feature_encoder()  # type: ignore[no-untyped-call]
    elif freeze == "encoder":
        model.freeze_base_model()  # type: ignore[no-untyped-call]
    return model


def load_model(checkpoint: Path) -> Wav2Vec2ForSequenceClassification:
    """Read what `save_model` wrote, ready to score."""
    model: Wav2Vec2ForSequenceClassification = Wav2Vec2ForSequenceClassification.from_pretrained(
        checkpoint, local_files_only=True
    )
    model.train(mode=False)
    return model


def save_model(model: Wav2Vec2ForSequenceClassification, checkpoint: Path) -> None:
    """Write a plain Hugging Face checkpoint, feature extractor included."""
    model.save_pretrained(checkpoint)
    extractor = Wav2Vec2FeatureExtractor(  # type: ignore[no-untyped-call]
        sampling_rate=SAMPLE_RATE, do_normalize=True, return_attention_mask=False
    )
    extractor.save_pretrained(checkpoint)


def score(
    model: Wav2Vec2ForSequenceClassification, batches: Iterable[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Logits of normalised windows, (windows, 5), in float32 and without dropout."""
    model.train(mode=False)
    device = next(model.parameters()).device
    with torch.inference_mode():
        logits = [model(torch.from_numpy(batch).to(device)).logits.cpu().numpy() for batch in batches]
    return np.concatenate(logits)
