"""Windows of audio to probabilities, on the CPU, with OpenVINO.

Windows are scored one by one. On the CPU a batch gains nothing: wav2vec2-base in float32 took 0.175 s for a
window of 5 s alone, 0.176 s in batches of four and 0.180 s in batches of eight (2 AVX-512 cores), while a
dynamic batch took up to 0.41 s. One by one, a score cannot depend on who shares the batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.audio import Waveform
from mindtrack_inference.bundle import Bundle
from mindtrack_inference.errors import ModelOutputError
from mindtrack_inference.runtime import cpu_options, import_openvino
from mindtrack_shared.bundles import GOLDEN_TOLERANCE, BundleError, StressCalibration
from mindtrack_shared.domain.analysis import Provenance
from mindtrack_shared.domain.calibration import CalibratedScores, calibrated

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
        manifest = bundle.manifest
        self._stress = manifest.stress_calibration or StressCalibration()
        self.provenance = Provenance(
            bundle_id=manifest.id,
            bundle_revision=manifest.revision,
            engine=ENGINE,
            precision=PRECISION,
            temperature=manifest.temperature,
            abstention_threshold=manifest.abstention_threshold,
            calibration_set=manifest.calibration_set,
        )

    @classmethod
    def load(cls, bundle: Bundle, *, threads: int | None = None) -> Classifier:
        """Compile a bundle's `model.onnx` for this machine, and have it score the golden windows.

        `threads` bounds the cores that one score may use; all of them when None.

        Raises:
            BundleError: OpenVINO cannot read the model, its input or output is not what we agreed on, or it
                answers to the golden windows with other logits than the bundle promises.

        """
        openvino = import_openvino()
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
        compiled = core.compile_model(model, "CPU", cpu_options(threads))
        classifier = cls(bundle, compiled.create_infer_request())
        classifier._check_golden()
        return classifier

    def score(self, windows: NDArray[np.float32]) -> CalibratedScores:
        """Score windows (n, window_samples), calibrated as the bundle says.

        Raises:
            ModelOutputError: the model answered with NaN or infinity.
            ValueError: the windows do not have the bundle's length.

        """
        manifest = self.bundle.manifest
        return calibrated(
            self.logits(windows),
            self._selection,
            manifest.temperature,
            self._stress.slope,
            self._stress.intercept,
        )

    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the model itself says of windows (n, window_samples), label by label. (n, labels)

        Raises:
            ModelOutputError: the model answered with NaN or infinity.
            ValueError: the windows do not have the bundle's length.

        """
        if windows.ndim != 2 or windows.shape[1] != self.bundle.window_samples:  # noqa: PLR2004
            raise ValueError(f"expected windows (n, {self.bundle.window_samples}), got {windows.shape}")
        logits = np.empty((len(windows), len(self.bundle.labels)))  # (n, labels)
        for row, window in enumerate(windows):
            logits[row] = self._infer(window)
        if not np.isfinite(logits).all():
            raise ModelOutputError("the model answered with logits that are not finite")
        return logits

    def _infer(self, window: Waveform) -> NDArray[np.float32]:
        values = _normalize(window) if self.bundle.do_normalize else np.ascontiguousarray(window)
        answer = self._request.infer({INPUT: values[np.newaxis]})
        logits: NDArray[np.float32] = answer[OUTPUT][0]  # (labels,)
        return logits

    def _check_golden(self) -> None:
        golden = self.bundle.golden()
        try:
            difference = float(np.abs(self.logits(golden.windows) - golden.logits).max())
        except ModelOutputError as error:
            raise BundleError(f"{self.bundle.onnx} fails on the golden windows: {error}") from error
        if not difference <= GOLDEN_TOLERANCE:  # also where the stored ones are NaN
            raise BundleError(
                f"{self.bundle.onnx} misses the golden logits by {difference:.1e}, more than "
                f"{GOLDEN_TOLERANCE}: make the bundle again with `mindtrack-trainer export` or `import`"
            )


def _normalize(window: Waveform) -> Waveform:
    """Zero mean and unit variance, summed in float64. (samples,)"""
    mean, variance = window.mean(dtype=np.float64), window.var(dtype=np.float64)
    values: NDArray[np.float32] = ((window - mean) / np.sqrt(variance + VARIANCE_FLOOR)).astype(np.float32)
    return values
