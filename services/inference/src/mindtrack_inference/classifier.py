"""Windows of audio to probabilities, on the CPU, with OpenVINO.

Windows are scored one by one. On the CPU a batch gains nothing: wav2vec2-base in float32 took 0.175 s for a
window of 5 s alone, 0.176 s in batches of four and 0.180 s in batches of eight (2 AVX-512 cores), while a
dynamic batch took up to 0.41 s. One by one, a score cannot depend on who shares the batch.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.audio import Waveform
from mindtrack_inference.bundle import Bundle
from mindtrack_inference.errors import ModelOutputError
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.domain.analysis import Provenance

INPUT, OUTPUT = "input_values", "logits"
ENGINE, PRECISION = "openvino", "fp32"
#: Keeps silence finite. From transformers' Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm.
VARIANCE_FLOOR = 1e-7


class Classifier:
    """A bundle's model, compiled for windows of its length. Serves one thread at a time."""

    def __init__(self, bundle: Bundle, request: Any) -> None:  # noqa: ANN401 - OpenVINO ships no usable types
        self.bundle = bundle
        self._request = request
        self._selection = bundle.selection()  # (labels, 5)
        self.provenance = Provenance(
            bundle_id=bundle.manifest.id,
            bundle_revision=bundle.manifest.revision,
            engine=ENGINE,
            precision=PRECISION,
        )

    @classmethod
    def load(cls, bundle: Bundle, *, threads: int | None = None) -> Classifier:
        """Compile a bundle's `model.onnx` for this machine.

        `threads` bounds the cores that one score may use; all of them when None.

        Raises:
            BundleError: OpenVINO cannot read the model, or its input or output is not what we agreed on.

        """
        openvino = _import_openvino()
        core = openvino.Core()
        try:
            model = core.read_model(bundle.onnx)
            model.reshape({INPUT: [1, bundle.window_samples]})
            found = tuple(model.output(OUTPUT).partial_shape.to_shape())
        except RuntimeError as error:
            raise BundleError(
                f"{bundle.onnx} cannot score {bundle.window_samples} samples: {error}"
            ) from error
        expected = (1, len(bundle.labels))
        if found != expected:
            raise BundleError(f"{bundle.onnx} answers with shape {found}, its labels ask for {expected}")
        compiled = core.compile_model(model, "CPU", _options(threads))
        return cls(bundle, compiled.create_infer_request())

    def probabilities(self, windows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score windows (n, window_samples); returns (n, 5) in the order of `Emotion`, rows summing to one.

        Raises:
            ModelOutputError: the model answered with NaN or infinity.
            ValueError: the windows do not have the bundle's length.

        """
        if windows.ndim != 2 or windows.shape[1] != self.bundle.window_samples:  # noqa: PLR2004
            raise ValueError(f"expected windows (n, {self.bundle.window_samples}), got {windows.shape}")
        logits = np.empty((len(windows), len(self.bundle.labels)))  # (n, labels)
        for row, window in enumerate(windows):
            logits[row] = self._logits(window)
        if not np.isfinite(logits).all():
            raise ModelOutputError("the model answered with logits that are not finite")
        return _softmax(logits / self.bundle.manifest.temperature) @ self._selection

    def _logits(self, window: Waveform) -> NDArray[np.float32]:
        values = _normalize(window) if self.bundle.do_normalize else np.ascontiguousarray(window)
        answer = self._request.infer({INPUT: values[np.newaxis]})
        logits: NDArray[np.float32] = answer[OUTPUT][0]  # (labels,)
        return logits


def _import_openvino() -> ModuleType:
    """Import OpenVINO when a model is loaded, and without its telemetry.

    Importing takes 0.2 s, which tests and the parent of worker processes need not spend. It also posts an
    event to Google Analytics and leaves an id in the home directory, unless CI=true. With the telemetry
    package hidden, OpenVINO falls back to the silent stand-in it ships.
    """
    cast("dict[str, ModuleType | None]", sys.modules).setdefault("openvino_telemetry", None)
    import openvino  # noqa: PLC0415

    return cast("ModuleType", openvino)


def _options(threads: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        # Left to itself, OpenVINO computes in bfloat16 wherever the CPU can: other machines, other scores.
        "INFERENCE_PRECISION_HINT": "f32",
        # Pinned, the threads of two worker processes would share one core while others idle.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    return options


def _normalize(window: Waveform) -> Waveform:
    """Zero mean and unit variance, summed in float64. (samples,)"""
    mean, variance = window.mean(dtype=np.float64), window.var(dtype=np.float64)
    values: NDArray[np.float32] = ((window - mean) / np.sqrt(variance + VARIANCE_FLOOR)).astype(np.float32)
    return values


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis, shifted so that no exponential overflows. (n, labels)"""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = weights / weights.sum(axis=-1, keepdims=True)
    return shares
