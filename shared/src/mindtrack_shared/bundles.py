"""The manifest of a model bundle: what the trainer writes and the inference service reads.

A bundle is a directory that `transformers` can load (`config.json`, `model.safetensors`,
`preprocessor_config.json`) plus `model.onnx` for CPU serving, `golden.safetensors` (windows of sound and the
logits that every engine must reproduce for them), `mindtrack.json` (this manifest), a model card in
`README.md` and, where somebody measured it, `evaluation.json`.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_shared.errors import OperatorError

MANIFEST_NAME = "mindtrack.json"
CONFIG_NAME = "config.json"
PREPROCESSOR_NAME = "preprocessor_config.json"
WEIGHTS_NAME = "model.safetensors"
ONNX_NAME = "model.onnx"
GOLDEN_NAME = "golden.safetensors"
#: What `mindtrack-trainer quantize` adds: OpenVINO's graph and its weights.
INT8_NAME, INT8_WEIGHTS_NAME = "model.int8.xml", "model.int8.bin"
#: What a manifest must vouch for: all that serving reads, but for the weights, which name the revision.
CHECKSUMMED = (CONFIG_NAME, PREPROCESSOR_NAME, ONNX_NAME, GOLDEN_NAME)

SCHEMA_VERSION: Literal[2] = 2
#: Hz. What wav2vec2 checkpoints were trained on, and hence what every recording is resampled to.
SAMPLE_RATE = 16_000
#: Ten windows begin in each second, at most: an hour has 36,000.
LEAST_HOP_SECONDS = 0.1
#: Logits, absolute: how closely every engine must reproduce the golden ones.
GOLDEN_TOLERANCE = 1e-4
#: What the weights' encoder keys begin with; every other key belongs to the head.
ENCODER = "wav2vec2."
#: Arousal, dominance, valence.
DIMENSIONS = 3


class BundleError(OperatorError):
    """The directory is not a bundle that can be served."""


class Head(StrEnum):
    """What sits on top of the Wav2Vec2 encoder. All pool by the mean over time."""

    #: transformers' `Wav2Vec2ForSequenceClassification`: projector, mean, classifier.
    STOCK = "stock"
    #: mean, Linear, ReLU, Dropout, Linear: a common tutorial's head over `Wav2Vec2Model`.
    MLP_RELU = "mlp-relu"
    #: mean, dense, tanh, output (`classifier.dense`, `classifier.output`), as in ehcalabres' checkpoints.
    DENSE_TANH = "dense-tanh"
    #: The same with `classifier.out_proj` to arousal, dominance and valence, as in audEERING's checkpoints,
    #: and a fitted linear map (`emotions`) from there to the emotions.
    DIMENSIONAL = "dimensional"


class CheckpointConfig(BaseModel):
    """What we need of a checkpoint's `config.json`."""

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    classifier_proj_size: int
    use_weighted_layer_sum: bool = False
    #: In the order of the logits, by a number from 0.
    id2label: dict[int, str]
    #: Names Python files to run in place of transformers' own; we run none.
    auto_map: JsonValue = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.id2label[index] for index in sorted(self.id2label))

    def head_shapes(self, head: Head) -> dict[str, tuple[int, ...]]:
        """Key and shape of every tensor that such a head has in `model.safetensors`."""
        hidden, inner, labels = self.hidden_size, self.classifier_proj_size, len(self.id2label)
        match head:
            case Head.STOCK:
                layers = (
                    {"layer_weights": (self.num_hidden_layers + 1,)} if self.use_weighted_layer_sum else {}
                )
                return layers | _linear("projector", hidden, inner) | _linear("classifier", inner, labels)
            case Head.MLP_RELU:
                return _linear("classifier.0", hidden, inner) | _linear("classifier.3", inner, labels)
            case Head.DENSE_TANH:
                return _linear("classifier.dense", hidden, hidden) | _linear(
                    "classifier.output", hidden, labels
                )
            case Head.DIMENSIONAL:
                return (
                    _linear("classifier.dense", hidden, hidden)
                    | _linear("classifier.out_proj", hidden, DIMENSIONS)
                    | _linear("emotions", DIMENSIONS, labels)
                )


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


class StressCalibration(BaseModel):
    """Platt scaling of the event "Anxious or Stressed".

    With p its probability after the temperature, p' = sigmoid(slope * logit(p) + intercept); Anxious and
    Stressed are scaled by p' / p and the others by (1 - p') / (1 - p), so that all still sum to one.
    Platt 1999, "Probabilistic outputs for support vector machines".
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    slope: Annotated[float, Field(gt=0)] = 1.0
    intercept: float = 0.0


class Agreement(BaseModel):
    """How closely a quantized model follows the float32 one, after the manifest's temperature."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    windows: Annotated[int, Field(gt=0)]
    #: Whose windows they are, none of whom was heard before; 0 for the golden windows.
    speakers: Annotated[int, Field(ge=0)]
    #: Share of windows with the same likeliest emotion.
    labels: Annotated[float, Field(ge=0, le=1)]
    #: Absolute, over windows and emotions.
    mean_difference: Annotated[float, Field(ge=0, le=1)]
    max_difference: Annotated[float, Field(ge=0, le=1)]


class Quantization(BaseModel):
    """How the int8 variant was made, and how closely it follows the float32 model."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    method: str
    versions: dict[str, str]
    calibration_windows: Annotated[int, Field(gt=0)]
    calibration_speakers: Annotated[int, Field(gt=0)]
    #: OpenVINO's operation types that were left in float32.
    ignored_scope: tuple[str, ...] = ()
    #: On unseen speakers.
    agreement: Agreement
    golden: Agreement


class BundleManifest(BaseModel):
    """`mindtrack.json`, version 2."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[2] = SCHEMA_VERSION
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    #: Names these exact weights: the first twelve hex digits of model.safetensors' SHA-256.
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    #: SHA-256 in hex of every other file that serving reads, by its name in the bundle.
    checksums: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")],
        Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")],
    ]
    #: Where imported weights came from, `owner/name@commit` on the hub; None for any that came from a disk.
    source: str | None = None
    head: Head = Head.STOCK
    #: What a dimensional head's map to the emotions was fitted on; None for every other head.
    fitted_on: str | None = None
    window_seconds: Annotated[float, Field(gt=0, le=30)]
    hop_seconds: Annotated[float, Field(gt=0, le=30)]
    #: The checkpoint's own labels, each with the emotion it stands for; null for one that stands for none.
    label_mapping: dict[str, Emotion | None]
    #: Divides the logits before the softmax; 1.0 means uncalibrated.
    temperature: Annotated[float, Field(gt=0)] = 1.0
    stress_calibration: StressCalibration | None = None
    #: Normalised entropy above which an analysis is indeterminate.
    abstention_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    #: What temperature, stress calibration and threshold were fitted on.
    calibration_set: str | None = None
    #: Headline figures; `evaluation.json` beside the manifest holds all of them.
    evaluation: dict[str, JsonValue] = Field(default_factory=dict)
    #: Of the int8 variant; None where there is none.
    quantization: Quantization | None = None
    licence: str
    intended_use: str

    @model_validator(mode="after")
    def _hop_fits_window(self) -> BundleManifest:
        if self.hop_seconds > self.window_seconds:
            raise ValueError("hop_seconds must not exceed window_seconds, or speech between windows is lost")
        if self.hop_seconds < LEAST_HOP_SECONDS:
            raise ValueError(f"hop_seconds must be at least {LEAST_HOP_SECONDS:g}: windows have no end")
        return self

    @model_validator(mode="after")
    def _dimensions_have_a_map(self) -> BundleManifest:
        if (self.head is Head.DIMENSIONAL) != (self.fitted_on is not None):
            raise ValueError(
                "fitted_on must say where a dimensional head's map comes from; no other head has one"
            )
        return self

    @property
    def window_samples(self) -> int:
        return round(self.window_seconds * SAMPLE_RATE)

    @property
    def hop_samples(self) -> int:
        return round(self.hop_seconds * SAMPLE_RATE)

    @property
    def supported_labels(self) -> tuple[Emotion, ...]:
        return tuple(emotion for emotion in Emotion if emotion in self.label_mapping.values())

    @classmethod
    def read(cls, bundle: Path) -> BundleManifest:
        """Read the manifest of a bundle directory.

        Raises:
            BundleError: the manifest is missing or does not fit the schema.

        """
        path = bundle / MANIFEST_NAME
        try:
            document = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BundleError(f"{bundle} is not a bundle: it has no {MANIFEST_NAME}") from error
        except ValueError as error:
            raise BundleError(f"{path} is not JSON: {error}") from error
        _check_version(path, document)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise BundleError(f"{path} does not fit schema version {SCHEMA_VERSION}: {error}") from error

    def write(self, bundle: Path) -> None:
        (bundle / MANIFEST_NAME).write_text(self.model_dump_json(indent=2) + "\n")


def _check_version(path: Path, document: Any) -> None:  # noqa: ANN401 - whatever JSON holds
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version == SCHEMA_VERSION:
        return
    newer = isinstance(version, int) and version > SCHEMA_VERSION
    raise BundleError(
        f"{path} has schema version {version}, this release reads {SCHEMA_VERSION}: "
        + (
            "upgrade the worker"
            if newer
            else "make the bundle again with `mindtrack-trainer export` or `import`"
        )
    )
