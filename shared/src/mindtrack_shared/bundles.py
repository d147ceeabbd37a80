"""The manifest of a model bundle: what the trainer writes and the inference service reads.

A bundle is a directory that `transformers` can load (`config.json`, `model.safetensors`,
`preprocessor_config.json`) plus `model.onnx` for CPU serving, `mindtrack.json` (this manifest) and a
model card in `README.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from mindtrack_shared.domain.emotions import Emotion

MANIFEST_NAME = "mindtrack.json"
SCHEMA_VERSION: Literal[1] = 1


class BundleError(Exception):
    """The directory is not a bundle that can be served."""


class BundleManifest(BaseModel):
    """`mindtrack.json`, version 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    #: Names these exact weights: the first twelve hex digits of model.safetensors' SHA-256.
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    window_seconds: Annotated[float, Field(gt=0, le=30)]
    hop_seconds: Annotated[float, Field(gt=0, le=30)]
    #: The checkpoint's own labels, each with the emotion it stands for.
    label_mapping: dict[str, Emotion]
    #: Divides the logits before the softmax; 1.0 means uncalibrated.
    temperature: Annotated[float, Field(gt=0)] = 1.0
    abstention_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    calibration_set: str | None = None
    evaluation: dict[str, JsonValue] = Field(default_factory=dict)
    licence: str
    intended_use: str

    @model_validator(mode="after")
    def _hop_fits_window(self) -> BundleManifest:
        if self.hop_seconds > self.window_seconds:
            raise ValueError("hop_seconds must not exceed window_seconds, or speech between windows is lost")
        return self

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
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise BundleError(f"{bundle} is not a bundle: it has no {MANIFEST_NAME}") from error
        except ValidationError as error:
            raise BundleError(f"{path} does not fit schema version {SCHEMA_VERSION}: {error}") from error

    def write(self, bundle: Path) -> None:
        (bundle / MANIFEST_NAME).write_text(self.model_dump_json(indent=2) + "\n")
