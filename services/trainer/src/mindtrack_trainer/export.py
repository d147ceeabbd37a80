"""Turns a checkpoint into a bundle: ONNX for CPU serving, the manifest, the model card."""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import Wav2Vec2ForSequenceClassification

from mindtrack_shared.bundles import BundleManifest
from mindtrack_trainer.dataset import HOP_SECONDS, LABELS, WINDOW, WINDOW_SECONDS, normalise
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.evaluation import Report
from mindtrack_trainer.model import load_model, save_model, score
from mindtrack_trainer.model_card import model_card

ONNX = "model.onnx"
WEIGHTS = "model.safetensors"
TOLERANCE = 1e-4  # logits, absolute

INTENDED_USE = (
    "Demonstration of the MindTrack software only. Trained on rule-synthesised speech; "
    "no accuracy on people is claimed, and no decision about a person may rest on it."
)


class _LogitsOnly(nn.Module):
    def __init__(self, model: Wav2Vec2ForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_values: Tensor) -> Tensor:  # (batch, samples) -> (batch, 5)
        logits: Tensor = self.model(input_values).logits
        return logits


def export_bundle(checkpoint: Path, out: Path, bundle_id: str, evaluation: Report) -> BundleManifest:
    """Write a bundle directory and return its manifest.

    `evaluation` is what `evaluate` reported; its temperature becomes the manifest's.

    Raises:
        ExportError: the checkpoint's labels are not the five emotions, or OpenVINO's logits differ from
            torch's by more than `TOLERANCE`.

    """
    model = load_model(checkpoint)
    labels = tuple((model.config.id2label or {}).values())
    if labels != tuple(map(str, LABELS)):
        raise ExportError(f"{checkpoint} has the labels {', '.join(labels)}; expected {', '.join(LABELS)}")
    out.mkdir(parents=True, exist_ok=True)
    save_model(model, out)
    (out / WEIGHTS).chmod(0o644)  # safetensors writes 0600, and the service may be another user
    write_onnx(model, out / ONNX)
    difference = check_parity(model, out / ONNX)
    figures: Report = {**evaluation, "onnx_logit_difference": float(f"{difference:.1e}")}
    manifest = _manifest(out, bundle_id, figures)
    manifest.write(out)
    (out / "README.md").write_text(model_card(manifest, model.num_parameters()))
    return manifest


def write_onnx(model: Wav2Vec2ForSequenceClassification, path: Path, window: int = WINDOW) -> None:
    """Write `input_values` (batch, window) -> `logits` (batch, labels), with a free batch size.

    The window's length is fixed: with it every other shape is known before the first request.
    """
    # Not a deepcopy: that would share the parametrised class, and folding would break the original.
    folded = Wav2Vec2ForSequenceClassification(model.config)
    folded.load_state_dict(model.state_dict())
    folded.set_attn_implementation("eager")
    conv = folded.wav2vec2.encoder.pos_conv_embed.conv
    parametrize.remove_parametrizations(conv, "weight")  # weight norm becomes a plain weight
    logits = _LogitsOnly(folded)
    logits.train(mode=False)
    with warnings.catch_warnings():
        # torch 2.13's exporter calls what torch 2.13 deprecates.
        warnings.filterwarnings("ignore", "`isinstance\\(treespec", FutureWarning)
        program = torch.onnx.export(
            logits,
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


def check_parity(model: Wav2Vec2ForSequenceClassification, path: Path, window: int = WINDOW) -> float:
    """Return what `parity` finds.

    Raises:
        ExportError: it is more than `TOLERANCE`.

    """
    difference = parity(model, path, window)
    if difference > TOLERANCE:
        raise ExportError(f"OpenVINO's logits differ from torch's by {difference:.1e}, more than {TOLERANCE}")
    return difference


def parity(model: Wav2Vec2ForSequenceClassification, path: Path, window: int = WINDOW) -> float:
    """The largest difference between torch's logits and OpenVINO's in float32, over batches of 1 and 3."""
    # Importing OpenVINO posts an event to an analytics service, unless its telemetry package is hidden.
    cast("dict[str, ModuleType | None]", sys.modules).setdefault("openvino_telemetry", None)
    import openvino  # noqa: PLC0415 - only now

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    rng = np.random.default_rng(0)
    differences = []
    for batch in (1, 3):
        loudness = rng.uniform(0.0, 1.0, (batch, window // 1000, 1))  # bursts, as speech has
        noise = (rng.standard_normal((batch, window // 1000, 1000)) * loudness).reshape(batch, window)
        windows = normalise(noise.astype(np.float32))
        served = compiled({"input_values": windows})["logits"]
        differences.append(float(np.abs(served - score(model, [windows])).max()))
    return max(differences)


def revision(bundle: Path) -> str:
    """Name a bundle's exact weights, as its manifest does."""
    with (bundle / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _manifest(bundle: Path, bundle_id: str, evaluation: Report) -> BundleManifest:
    temperature = evaluation.get("temperature")
    speakers, clips = (evaluation.get(f"calibration_{what}") for what in ("speakers", "clips"))
    return BundleManifest(
        id=bundle_id,
        revision=revision(bundle),
        window_seconds=WINDOW_SECONDS,
        hop_seconds=HOP_SECONDS,
        label_mapping={str(label): label for label in LABELS},
        temperature=temperature if isinstance(temperature, float) else 1.0,
        calibration_set=f"{clips} rule-synthesised clips (half of them through codecs) of {speakers} voices "
        "held out from training and test"
        if temperature is not None
        else None,
        evaluation=evaluation,
        licence="Apache-2.0",
        intended_use=INTENDED_USE,
    )
