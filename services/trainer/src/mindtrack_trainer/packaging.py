"""Makes a bundle of a classifier: the checkpoint, its ONNX graph, golden windows, manifest and card."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors
from torch.nn.utils import parametrize

from mindtrack_shared.bundles import (
    CHECKSUMMED,
    GOLDEN_NAME,
    GOLDEN_TOLERANCE,
    INT8_NAME,
    INT8_WEIGHTS_NAME,
    MANIFEST_NAME,
    ONNX_NAME,
    SAMPLE_RATE,
    WEIGHTS_NAME,
    BundleManifest,
    Head,
)
from mindtrack_shared.openvino import cpu_options, import_openvino
from mindtrack_trainer.checkpoint import Checkpoint
from mindtrack_trainer.dataset import normalise
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.heads import HeadedEncoder

CARD_NAME = "README.md"
#: What comes along where a model was measured: figures, words and plots.
EVALUATION, REPORT = "evaluation.json", "evaluation.md"
RELIABILITY, CONFUSION, RISK_COVERAGE = "reliability.png", "confusion.png", "risk-coverage.png"
BESIDE = (EVALUATION, REPORT, RELIABILITY, CONFUSION, RISK_COVERAGE)
#: What stands in a draft manifest until the weights are written.
NO_REVISION = "0" * 12
#: Nothing is trained here, but a checkpoint's `config.json` must name some class.
_ARCHITECTURES = {Head.STOCK: "Wav2Vec2ForSequenceClassification"}

_GOLDEN_SEED, _GOLDEN_WINDOWS = 16, 3
_LEVEL = 0.1  # of full scale, root mean square: speech into a phone

Windows = NDArray[np.float32]  # (k, samples)


def package(
    checkpoint: Checkpoint,
    draft: BundleManifest,
    out: Path,
    card: Callable[[BundleManifest], str],
    beside: Iterable[Path] = (),
) -> BundleManifest:
    """Write a bundle directory and return its manifest.

    The draft says everything but revision, checksums and the difference between the engines; `card` writes
    the model card from the finished manifest; the files `beside` come along. A bundle that is already there
    is replaced, its own measurements included, once the new one is whole.

    Raises:
        ExportError: the weights do not fit their head, or OpenVINO's logits differ from torch's by more than
            `GOLDEN_TOLERANCE`.

    """
    model = checkpoint.model()
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".new-", dir=out) as folder:
        new = Path(folder)
        manifest = _write(model, checkpoint, draft, new, beside)
        (new / CARD_NAME).write_text(card(manifest))
        manifest.write(new)
        _replace(out, new)
    return manifest


def _write(
    model: HeadedEncoder, checkpoint: Checkpoint, draft: BundleManifest, out: Path, beside: Iterable[Path]
) -> BundleManifest:
    """Write all but card and manifest, and return the latter."""
    _write_checkpoint(checkpoint, out)
    windows = golden_windows(round(draft.window_seconds * SAMPLE_RATE))
    inputs = normalise(windows) if checkpoint.extractor.do_normalize else windows
    logits = score(model, inputs)
    save_arrays({"windows": windows, "logits": logits}, out / GOLDEN_NAME)
    write_onnx(model, out / ONNX_NAME, windows.shape[1])
    difference = engine_difference(out / ONNX_NAME, inputs, logits)
    if not difference <= GOLDEN_TOLERANCE:
        raise ExportError(
            f"OpenVINO's logits differ from torch's by {difference:.1e}, more than {GOLDEN_TOLERANCE}"
        )
    for name in (WEIGHTS_NAME, GOLDEN_NAME):
        (out / name).chmod(0o644)  # safetensors writes 0600, and the service may be another user
    for path in beside:
        shutil.copyfile(path, out / path.name)
    return draft.model_copy(
        update={
            "revision": sha256(out / WEIGHTS_NAME)[: len(NO_REVISION)],
            "checksums": {name: sha256(out / name) for name in CHECKSUMMED},
            "evaluation": {**draft.evaluation, "onnx_logit_difference": float(f"{difference:.1e}")},
        }
    )


def _replace(out: Path, new: Path) -> None:
    """Move a bundle's files into place. Figures of an earlier one would speak of other weights: they go."""
    (out / MANIFEST_NAME).unlink(missing_ok=True)  # what breaks off from here on is no bundle
    for name in (*BESIDE, INT8_NAME, INT8_WEIGHTS_NAME):
        (out / name).unlink(missing_ok=True)
    for path in sorted(new.iterdir(), key=lambda path: path.name == MANIFEST_NAME):
        path.replace(out / path.name)


def golden_windows(samples: int) -> Windows:
    """Sound that exercises a model as speech does: voiced syllables, hiss and pauses, on the grid of 16 bits.

    The same number of samples gives the same windows. (k, samples)
    """
    rng = np.random.default_rng(_GOLDEN_SEED)
    seconds = np.arange(samples) / SAMPLE_RATE  # (samples,)
    windows = np.stack([_babble(seconds, rng) for _ in range(_GOLDEN_WINDOWS)])
    windows *= _LEVEL / np.sqrt((windows**2).mean(axis=1, keepdims=True))
    return (np.round(windows.clip(-1, 1) * 32767) / 32768).astype(np.float32)


def _babble(seconds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    pitch = rng.uniform(90, 260) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * seconds))  # hertz
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 16))
    syllables = np.maximum(0, np.sin(2 * np.pi * rng.uniform(1.5, 3) * seconds + rng.uniform(0, 6)))
    babble: NDArray[np.float64] = syllables * voice + 0.1 * rng.standard_normal(len(seconds))
    return babble


def score(model: HeadedEncoder, inputs: Windows) -> NDArray[np.float32]:
    """Logits of windows as the model takes them, in float32 and without dropout. (k, labels)"""
    with torch.inference_mode():
        logits: NDArray[np.float32] = model(torch.from_numpy(inputs)).numpy()
    return logits


def write_onnx(model: HeadedEncoder, path: Path, window: int) -> None:
    """Write `input_values` (batch, window) -> `logits` (batch, labels), with a free batch size.

    The window's length is fixed: with it every other shape is known before the first request.
    """
    # Not a deepcopy: that would share the parametrised class, and folding would break the original.
    folded = type(model)(model.config)
    folded.load_state_dict(model.state_dict())
    folded.wav2vec2.set_attn_implementation("eager")
    parametrize.remove_parametrizations(folded.wav2vec2.encoder.pos_conv_embed.conv, "weight")  # plain again
    folded.train(mode=False)
    with warnings.catch_warnings():
        # torch 2.13's exporter calls what torch 2.13 deprecates.
        warnings.filterwarnings("ignore", "`isinstance\\(treespec", FutureWarning)
        program = torch.onnx.export(
            folded,
            (torch.zeros(2, window),),
            input_names=["input_values"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch did not export the model")
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces of the exporting machine
    program.save(path, external_data=False)


def engine_difference(onnx: Path, inputs: Windows, logits: NDArray[np.float32]) -> float:
    """How far OpenVINO in float32 is from these logits at most, the windows one by one and together."""
    compiled = import_openvino().Core().compile_model(onnx, "CPU", cpu_options())
    alone = np.concatenate([compiled({"input_values": window[np.newaxis]})["logits"] for window in inputs])
    together = compiled({"input_values": inputs})["logits"]
    return float(max(np.abs(served - logits).max() for served in (alone, together)))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_checkpoint(checkpoint: Checkpoint, out: Path) -> None:
    """Write what `from_pretrained` reads, the keys as they came."""
    config = checkpoint.config
    config.architectures = config.architectures or [_ARCHITECTURES.get(checkpoint.head, "Wav2Vec2Model")]
    config.save_pretrained(out)
    checkpoint.extractor.save_pretrained(out)
    save_tensors(checkpoint.tensors, out / WEIGHTS_NAME, metadata={"format": "pt"})
