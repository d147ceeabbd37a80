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

from mindtrack_shared.bundles import BundleManifest
from mindtrack_shared.domain.emotions import Emotion

OWN_LABELS = {str(emotion): emotion for emotion in Emotion}
WEIGHTS = b"weights of a test model"
WINDOW_SECONDS, HOP_SECONDS = 0.5, 0.25


def write_bundle(  # noqa: PLR0913 - one argument per part that a test may want to spoil
    directory: Path,
    model: onnx.ModelProto,
    *,
    mapping: Mapping[str, Emotion] = OWN_LABELS,
    labels: Sequence[str] | None = None,
    temperature: float = 1.0,
    do_normalize: bool = True,
    sampling_rate: int = 16_000,
    hop_seconds: float = HOP_SECONDS,
) -> Path:
    """Write a whole bundle; `labels` is the order of the logits, that of the mapping unless given."""
    directory.mkdir(parents=True, exist_ok=True)
    manifest = BundleManifest(
        id=directory.name,
        revision=hashlib.sha256(WEIGHTS).hexdigest()[:12],
        window_seconds=WINDOW_SECONDS,
        hop_seconds=hop_seconds,
        label_mapping=dict(mapping),
        temperature=temperature,
        licence="Apache-2.0",
        intended_use="tests",
    )
    manifest.write(directory)
    names = list(mapping) if labels is None else labels
    config = {"id2label": {str(index): name for index, name in enumerate(names)}, "model_type": "wav2vec2"}
    (directory / "config.json").write_text(json.dumps(config))
    preprocessor = {"sampling_rate": sampling_rate, "do_normalize": do_normalize, "feature_size": 1}
    (directory / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    (directory / "model.safetensors").write_bytes(WEIGHTS)
    onnx.save(model, directory / "model.onnx")
    return directory


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
