"""Find a bundle, check that it is whole, and say how its labels become ours."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from mindtrack_inference.audio import SAMPLE_RATE
from mindtrack_shared.bundles import MANIFEST_NAME, BundleError, BundleManifest
from mindtrack_shared.domain.emotions import Emotion

ONNX_NAME = "model.onnx"
WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
PREPROCESSOR_NAME = "preprocessor_config.json"

_FILES = (MANIFEST_NAME, CONFIG_NAME, PREPROCESSOR_NAME, WEIGHTS_NAME, ONNX_NAME)
#: As the manifest spells ids, so no id can climb out of the package.
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class _Config(BaseModel):
    """What we need of a checkpoint's `config.json`."""

    id2label: dict[int, str]


class _Preprocessor(BaseModel):
    """What we need of a checkpoint's `preprocessor_config.json`."""

    sampling_rate: int
    do_normalize: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle directory whose parts fit together."""

    directory: Path
    manifest: BundleManifest
    #: Hz.
    sampling_rate: int
    #: Whether each window must be brought to zero mean and unit variance first.
    do_normalize: bool
    #: The checkpoint's own labels, in the order of its logits.
    labels: tuple[str, ...]

    @property
    def onnx(self) -> Path:
        return self.directory / ONNX_NAME

    @property
    def window_samples(self) -> int:
        return round(self.manifest.window_seconds * self.sampling_rate)

    @property
    def hop_samples(self) -> int:
        return round(self.manifest.hop_seconds * self.sampling_rate)

    def selection(self) -> NDArray[np.float64]:
        """Turn the checkpoint's probabilities into ours: `probabilities @ selection`. (labels, 5)

        Labels that stand for the same emotion add up.
        """
        emotions = list(Emotion)
        selection = np.zeros((len(self.labels), len(emotions)))  # (labels, 5)
        for row, label in enumerate(self.labels):
            selection[row, emotions.index(self.manifest.label_mapping[label])] = 1.0
        return selection


def load_bundle(name_or_path: str | Path) -> Bundle:
    """Read and check a bundle: the id of a packaged one, or the path of a directory.

    A string is a path if it holds a slash; write `./name` for a directory beside you.

    Raises:
        BundleError: something is missing, or two parts contradict each other; the message says which.

    """
    directory = _locate(name_or_path)
    missing = [name for name in _FILES if not (directory / name).is_file()]
    if missing:
        raise BundleError(f"{directory} is not a bundle: it has no {', '.join(missing)}")
    manifest = BundleManifest.read(directory)
    preprocessor = _read(_Preprocessor, directory / PREPROCESSOR_NAME)
    if preprocessor.sampling_rate != SAMPLE_RATE:
        raise BundleError(
            f"{directory / PREPROCESSOR_NAME} asks for {preprocessor.sampling_rate} Hz, not {SAMPLE_RATE}"
        )
    labels = _labels(directory / CONFIG_NAME)
    _check_mapping(manifest, labels, directory)
    _check_revision(manifest, directory / WEIGHTS_NAME)
    return Bundle(directory, manifest, preprocessor.sampling_rate, preprocessor.do_normalize, labels)


def _locate(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, Path) or "/" in name_or_path:
        return Path(name_or_path)
    packaged = Path(str(resources.files("mindtrack_inference"))) / "bundles"
    if not _ID.fullmatch(name_or_path) or not (packaged / name_or_path).is_dir():
        known = ", ".join(sorted(entry.name for entry in packaged.glob("*/"))) or "none"
        raise BundleError(f"no bundle {name_or_path!r} is packaged (there is: {known}); a path needs a slash")
    return packaged / name_or_path


_Model = TypeVar("_Model", bound=BaseModel)


def _read(model: type[_Model], path: Path) -> _Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BundleError(f"{path} lacks something we need: {error}") from error


def _labels(path: Path) -> tuple[str, ...]:
    id2label = _read(_Config, path).id2label
    if sorted(id2label) != list(range(len(id2label))) or len(set(id2label.values())) != len(id2label):
        raise BundleError(f"{path}: id2label must number distinct labels from 0, got {id2label}")
    return tuple(id2label[index] for index in range(len(id2label)))


def _check_mapping(manifest: BundleManifest, labels: tuple[str, ...], directory: Path) -> None:
    mapping = manifest.label_mapping
    if unmapped := [label for label in labels if label not in mapping]:
        raise BundleError(f"{directory}: label_mapping says nothing about {', '.join(unmapped)}")
    if unknown := [label for label in mapping if label not in labels]:
        raise BundleError(f"{directory}: label_mapping names {', '.join(unknown)}, which the model lacks")
    if absent := [emotion for emotion in Emotion if emotion not in mapping.values()]:
        # Zero would claim that nobody is ever anxious. Until a result can say "unknown", such a model waits.
        raise BundleError(f"{directory}: the model cannot express {', '.join(absent)}; all five are needed")


def _check_revision(manifest: BundleManifest, weights: Path) -> None:
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(manifest.revision):
        raise BundleError(f"{weights} is revision {digest[:12]}, the manifest says {manifest.revision}")
