"""Find a bundle, check that it is whole, and say how its labels become ours.

What can be checked without scoring is checked here; what the model answers is checked by `Classifier.load`,
against the golden windows. No code is ever loaded from a bundle.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from mindtrack_shared.bundles import (
    CHECKSUMMED,
    CONFIG_NAME,
    ENCODER,
    GOLDEN_NAME,
    INT8_NAME,
    INT8_WEIGHTS_NAME,
    MANIFEST_NAME,
    ONNX_NAME,
    PREPROCESSOR_NAME,
    SAMPLE_RATE,
    WEIGHTS_NAME,
    BundleError,
    BundleManifest,
    CheckpointConfig,
)
from mindtrack_shared.domain.calibration import selection
from mindtrack_shared.domain.emotions import MIN_EMOTIONS

_FILES = (WEIGHTS_NAME, *CHECKSUMMED)
#: What a bundle has both of, or neither.
_INT8 = (INT8_NAME, INT8_WEIGHTS_NAME)
#: What exporters call weights beside their graph: model.onnx.data, model.onnx_data, model.onnx_data_1.
_EXTERNAL_DATA = "*.onnx[._]data*"
_REMAKE = "make the bundle again with `mindtrack-trainer export` or `import`"
#: As the manifest spells ids, so no id can climb out of the package.
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class _Preprocessor(BaseModel):
    """What we need of a checkpoint's `preprocessor_config.json`."""

    sampling_rate: int
    do_normalize: bool
    auto_map: JsonValue = None


@dataclass(frozen=True, slots=True)
class Golden:
    """Sound, and what the model must say about it."""

    #: As cut from a recording. (k, window_samples)
    windows: NDArray[np.float32]
    #: (k, labels)
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle directory whose parts fit together."""

    directory: Path
    manifest: BundleManifest
    #: Whether each window must be brought to zero mean and unit variance first.
    do_normalize: bool
    #: The checkpoint's own labels, in the order of its logits.
    labels: tuple[str, ...]

    @property
    def onnx(self) -> Path:
        return self.directory / ONNX_NAME

    @property
    def int8(self) -> Path:
        return self.directory / INT8_NAME

    @property
    def has_int8(self) -> bool:
        return INT8_NAME in self.manifest.checksums

    @property
    def window_samples(self) -> int:
        return self.manifest.window_samples

    @property
    def hop_samples(self) -> int:
        return self.manifest.hop_samples

    def selection(self) -> NDArray[np.float64]:
        """Which of the checkpoint's labels stands for which emotion. (labels, 5)"""
        return selection(self.labels, self.manifest.label_mapping)

    def golden(self) -> Golden:
        """Read the golden windows.

        Raises:
            BundleError: they do not fit the manifest and the labels.

        """
        path = self.directory / GOLDEN_NAME
        try:
            tensors = load_file(path)
            golden = Golden(tensors["windows"], tensors["logits"])
        except (SafetensorError, KeyError) as error:
            raise BundleError(f"{path} does not hold windows and logits ({error}): {_REMAKE}") from error
        shapes = golden.windows.shape, golden.logits.shape
        count = shapes[0][0] if shapes[0] else 0
        if not count or shapes != ((count, self.window_samples), (count, len(self.labels))):
            raise BundleError(
                f"{path} holds windows {shapes[0]} and logits {shapes[1]}; the manifest asks for "
                f"{self.window_samples} samples and {len(self.labels)} labels: {_REMAKE}"
            )
        return golden


def load_bundle(name_or_path: str | Path) -> Bundle:
    """Read and check a bundle: the id of a packaged one, or the path of a directory.

    A string is a path if it holds a slash; write `./name` for a directory beside you.

    Raises:
        BundleError: something is missing, was changed, or two parts contradict each other; the message says
            what, and what to do.

    """
    directory = _locate(name_or_path)
    manifest = BundleManifest.read(directory)
    if missing := [name for name in _FILES if not (directory / name).is_file()]:
        raise BundleError(f"{directory} is no whole bundle: it has no {', '.join(missing)}; {_REMAKE}")
    _check_files(manifest, directory)
    config = _read(CheckpointConfig, directory / CONFIG_NAME)
    preprocessor = _read(_Preprocessor, directory / PREPROCESSOR_NAME)
    _check_code(directory, config, preprocessor)
    if preprocessor.sampling_rate != SAMPLE_RATE:
        raise BundleError(
            f"{directory / PREPROCESSOR_NAME} asks for {preprocessor.sampling_rate} Hz, not {SAMPLE_RATE}: "
            f"choose a model that listens at {SAMPLE_RATE} Hz"
        )
    _check_labels(config, directory)
    _check_mapping(manifest, config.labels, directory)
    _check_head(manifest, config, directory)
    return Bundle(directory, manifest, preprocessor.do_normalize, config.labels)


def read_manifest(name_or_path: str | Path) -> BundleManifest:
    """Read the manifest alone, of a bundle that somebody will check with `load_bundle`.

    Raises:
        BundleError: as `load_bundle`.

    """
    return BundleManifest.read(_locate(name_or_path))


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


def _check_files(manifest: BundleManifest, directory: Path) -> None:
    """Compare every file that is scored with its checksum, and the weights with the revision."""
    if forgotten := [name for name in CHECKSUMMED if name not in manifest.checksums]:
        raise BundleError(f"{directory / MANIFEST_NAME} has no checksum of {', '.join(forgotten)}: {_REMAKE}")
    if absent := [name for name in manifest.checksums if not (directory / name).is_file()]:
        raise BundleError(f"{directory} lacks {', '.join(absent)}, which its manifest lists: {_REMAKE}")
    if changed := [name for name, told in manifest.checksums.items() if _sha256(directory / name) != told]:
        raise BundleError(
            f"{directory}: {', '.join(changed)} changed since the manifest was written (SHA-256 differs): "
            f"copy the bundle again, or {_REMAKE}"
        )
    # OpenVINO would read such a file along with the graph.
    outside = (str(path.relative_to(directory)) for path in directory.rglob(_EXTERNAL_DATA))
    if unknown := sorted(name for name in outside if name not in manifest.checksums):
        raise BundleError(
            f"{directory} holds weights outside {ONNX_NAME} that no checksum names ({', '.join(unknown)}): "
            "remove them if they are left over, or export the graph with its weights inside"
        )
    named = [name for name in _INT8 if name in manifest.checksums]
    if left_over := [name for name in _INT8 if name not in named and (directory / name).exists()]:
        raise BundleError(
            f"{directory}: no checksum names {', '.join(left_over)}: make the int8 variant again with "
            "`mindtrack-trainer quantize`, or remove it"
        )
    if len(named) == 1:
        raise BundleError(
            f"{directory / MANIFEST_NAME} names {named[0]} alone: an int8 variant is {' and '.join(_INT8)}; "
            "make it again with `mindtrack-trainer quantize`"
        )
    found = _sha256(directory / WEIGHTS_NAME)[: len(manifest.revision)]
    if found != manifest.revision:
        raise BundleError(
            f"{directory / WEIGHTS_NAME} is revision {found}, the manifest says {manifest.revision}: "
            f"copy the bundle again, or {_REMAKE}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_code(directory: Path, config: CheckpointConfig, preprocessor: _Preprocessor) -> None:
    """Refuse what would need, or invite, running code that comes with the weights."""
    code = sorted(str(path.relative_to(directory)) for path in directory.rglob("*.py"))
    mapped = [
        name
        for name, part in ((CONFIG_NAME, config), (PREPROCESSOR_NAME, preprocessor))
        if part.auto_map is not None
    ]
    if code or mapped:
        brought = [*code, *(f"auto_map in {name}" for name in mapped)]
        raise BundleError(
            f"{directory} brings code ({', '.join(brought)}), and none is ever run: take a checkpoint that "
            "`mindtrack-trainer import` accepts"
        )
    if config.model_type != "wav2vec2":
        raise BundleError(f"{directory} holds a model of type {config.model_type}; only wav2vec2 is served")


def _check_labels(config: CheckpointConfig, directory: Path) -> None:
    id2label = config.id2label
    if sorted(id2label) != list(range(len(id2label))) or len(set(id2label.values())) != len(id2label):
        raise BundleError(
            f"{directory / CONFIG_NAME}: id2label must number distinct labels from 0, got {id2label}"
        )


def _check_mapping(manifest: BundleManifest, labels: tuple[str, ...], directory: Path) -> None:
    mapping = manifest.label_mapping
    unmapped = [label for label in labels if label not in mapping]
    unknown = [label for label in mapping if label not in labels]
    if unmapped or unknown:
        # Renamed labels may be reordered ones: to guess is to call anger happiness.
        said = [
            *([f"says nothing about {', '.join(unmapped)}"] if unmapped else []),
            *([f"names {', '.join(unknown)}, which the model lacks"] if unknown else []),
        ]
        raise BundleError(f"{directory}: label_mapping {' and '.join(said)}: {_REMAKE}")
    if len(manifest.supported_labels) < MIN_EMOTIONS:
        expressed = ", ".join(manifest.supported_labels) or "none"
        raise BundleError(
            f"{directory}: the model expresses {expressed} of our emotions; {MIN_EMOTIONS} are the least"
        )


def _check_head(manifest: BundleManifest, config: CheckpointConfig, directory: Path) -> None:
    """Compare the weights' head with the declared one, key by key."""
    path = directory / WEIGHTS_NAME
    try:
        with safe_open(path, framework="np") as weights:  # reads the header only
            head = [name for name in weights.keys() if not name.startswith(ENCODER)]  # noqa: SIM118 - no mapping
            found = {name: tuple(weights.get_slice(name).get_shape()) for name in head}
    except SafetensorError as error:
        raise BundleError(f"{path} is not a safetensors file ({error}): {_REMAKE}") from error
    wanted = config.head_shapes(manifest.head)
    wrong = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": sorted(name for name in found if name not in wanted),
        "misshapen": [
            f"{name} {found[name]} instead of {shape}"
            for name, shape in wanted.items()
            if name in found and found[name] != shape
        ],
    }
    if said := "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in wrong.items() if keys):
        raise BundleError(f"{path} does not hold a {manifest.head} head: {said}; {_REMAKE}")
