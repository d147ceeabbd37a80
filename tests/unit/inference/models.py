"""Bundles small enough to build for one test: real ONNX graphs behind real files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

from mindtrack_shared.bundles import (
    CHECKSUMMED,
    GOLDEN_NAME,
    BundleManifest,
    CheckpointConfig,
    Head,
    StressCalibration,
)
from mindtrack_shared.domain.emotions import Emotion

OWN_LABELS = {str(emotion): emotion for emotion in Emotion}
WINDOW_SECONDS, HOP_SECONDS = 0.5, 0.25
SAMPLE_RATE = 16_000
GOLDEN_WINDOWS = 2
#: What transformers' Wav2Vec2FeatureExtractor adds to the variance.
VARIANCE_FLOOR = 1e-7
HIDDEN, LAYERS, PROJECTION = 4, 2, 3


def write_bundle(  # noqa: PLR0913 - one argument per part that a test may want to spoil
    directory: Path,
    model: onnx.ModelProto,
    *,
    mapping: Mapping[str, Emotion | None] = OWN_LABELS,
    labels: Sequence[str] | None = None,
    temperature: float = 1.0,
    stress_calibration: StressCalibration | None = None,
    abstention_threshold: float | None = None,
    do_normalize: bool = True,
    sampling_rate: int = SAMPLE_RATE,
    hop_seconds: float = HOP_SECONDS,
) -> Path:
    """Write a whole bundle; `labels` is the order of the logits, that of the mapping unless given."""
    directory.mkdir(parents=True, exist_ok=True)
    names = list(mapping) if labels is None else labels
    config = {
        "id2label": {str(index): name for index, name in enumerate(names)},
        "model_type": "wav2vec2",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "classifier_proj_size": PROJECTION,
    }
    (directory / "config.json").write_text(json.dumps(config))
    preprocessor = {"sampling_rate": sampling_rate, "do_normalize": do_normalize, "feature_size": 1}
    (directory / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    save_file(head_weights(config), directory / "model.safetensors")
    onnx.save(model, directory / "model.onnx")
    save_file(golden(model, do_normalize=do_normalize), directory / GOLDEN_NAME)
    BundleManifest(
        id=directory.name,
        revision=sha256(directory / "model.safetensors")[:12],
        checksums={name: sha256(directory / name) for name in CHECKSUMMED},
        window_seconds=WINDOW_SECONDS,
        hop_seconds=hop_seconds,
        label_mapping=dict(mapping),
        temperature=temperature,
        stress_calibration=stress_calibration,
        abstention_threshold=abstention_threshold,
        licence="Apache-2.0",
        intended_use="tests",
    ).write(directory)
    return directory


def head_weights(config: Mapping[str, object], head: Head = Head.STOCK) -> dict[str, NDArray[np.float32]]:
    """Zeros in the places of a head's weights: serving reads where they are, never what they are."""
    shapes = CheckpointConfig.model_validate(config).head_shapes(head)
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def golden(model: onnx.ModelProto, *, do_normalize: bool) -> dict[str, NDArray[np.float32]]:
    """Windows of noise as they come from a recording, and what ONNX's own reference makes of them."""
    samples = round(WINDOW_SECONDS * SAMPLE_RATE)
    noise = np.random.default_rng(1).standard_normal((GOLDEN_WINDOWS, samples)) / 10
    windows = np.asarray(noise, np.float32)
    centred = windows - windows.mean(axis=1, keepdims=True)
    heard = centred / np.sqrt(windows.var(axis=1, keepdims=True) + VARIANCE_FLOOR)
    inputs = {model.graph.input[0].name: heard if do_normalize else windows}
    (logits,) = ReferenceEvaluator(model).run(None, inputs)  # (GOLDEN_WINDOWS, labels)
    return {"windows": windows, "logits": np.asarray(logits, np.float32)}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def listening_model(
    *, labels: int = 5, seed: int = 0, inputs: str = "input_values", outputs: str = "logits"
) -> onnx.ModelProto:
    """Convolve, rectify, average over time, project: a small relative of wav2vec2's encoder."""
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Unsqueeze", [inputs, "axis"], ["channel"]),  # (batch, 1, samples)
        helper.make_node("Conv", ["channel", "filters"], ["heard"], strides=[160]),  # (batch, 16, frames)
        helper.make_node("Relu", ["heard"], ["rectified"]),
        helper.make_node("GlobalAveragePool", ["rectified"], ["averaged"]),  # (batch, 16, 1)
        helper.make_node("Flatten", ["averaged"], ["features"]),  # (batch, 16)
        helper.make_node("Gemm", ["features", "head", "bias"], [outputs]),  # (batch, labels)
    ]
    weights = {
        "axis": np.array([1]),
        "filters": rng.standard_normal((16, 1, 400)).astype(np.float32) / 20,
        "head": rng.standard_normal((16, labels)).astype(np.float32),
        "bias": rng.standard_normal(labels).astype(np.float32),
    }
    return _model(nodes, weights, labels, inputs, outputs)


def deaf_model(logits: Sequence[float]) -> onnx.ModelProto:
    """Answer with the same logits whatever it hears."""
    nodes = [
        helper.make_node("ReduceMean", ["input_values", "axis"], ["level"], keepdims=1),  # (batch, 1)
        helper.make_node("Gemm", ["level", "head", "bias"], ["logits"]),  # (batch, labels)
    ]
    weights = {
        "axis": np.array([1]),
        "head": np.zeros((1, len(logits)), np.float32),
        "bias": np.array(logits, np.float32),
    }
    return _model(nodes, weights, len(logits), "input_values", "logits")


def _model(
    nodes: list[onnx.NodeProto],
    weights: Mapping[str, NDArray[np.generic]],
    labels: int,
    inputs: str,
    outputs: str,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info(outputs, TensorProto.FLOAT, ["batch", labels])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model
