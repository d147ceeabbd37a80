"""OpenVINO on the CPU.

Windows are scored one by one. On the CPU a batch gains nothing: wav2vec2-base in float32 took 0.175 s for a
window of 5 s alone, 0.176 s in batches of four and 0.180 s in batches of eight (2 AVX-512 cores), while a
dynamic batch took up to 0.41 s. One by one, a score cannot depend on who shares the batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.bundle import Bundle
from mindtrack_inference.engines import Precision
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.openvino import cpu_options, import_openvino

NAME = "openvino"
INPUT, OUTPUT = "input_values", "logits"
_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16", Precision.FP16: "f16"}


class OpenVinoEngine:
    """One infer request, whose tensors are written and read in place."""

    name = NAME
    batch = 1

    def __init__(self, request: Any, precision: Precision) -> None:  # noqa: ANN401 - OpenVINO ships no usable types
        self.precision = precision
        self._request = request
        self._input: NDArray[np.float32] = request.get_tensor(INPUT).data  # (1, window_samples)
        self._output: NDArray[np.float32] = request.get_tensor(OUTPUT).data  # (1, labels)

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = np.empty((len(windows), self._output.shape[1]), np.float32)
        for row, window in enumerate(windows):
            self._input[0] = window
            self._request.infer()
            logits[row] = self._output[0]
        return logits


def load(
    bundle: Bundle,
    precision: Precision,
    *,
    threads: int | None = None,
    cache: Path | None = None,
    rest: Precision = Precision.FP32,
) -> OpenVinoEngine:
    """Compile a bundle's graph for this machine's CPU.

    `threads` bounds the cores that one score may use, all of them when None; compiled graphs are kept in the
    directory `cache`. What an int8 graph leaves unquantised is computed in `rest`.

    Raises:
        BundleError: OpenVINO cannot read the graph, or its input or output is not what we agreed on.

    """
    path = bundle.int8 if precision is Precision.INT8 else bundle.onnx
    core = import_openvino().Core()
    try:
        model = core.read_model(path)
        model.reshape({INPUT: [1, bundle.window_samples]})
        found = tuple(model.output(OUTPUT).partial_shape.to_shape())
        hint = _HINTS[rest if precision is Precision.INT8 else precision]
        compiled = core.compile_model(model, "CPU", cpu_options(threads, hint=hint, cache=cache))
    except RuntimeError as error:
        raise BundleError(f"{path} cannot score {bundle.window_samples} samples: {error}") from error
    expected = (1, len(bundle.labels))
    if found != expected:
        raise BundleError(f"{path} answers with shape {found}, its labels ask for {expected}")
    return OpenVinoEngine(compiled.create_infer_request(), precision)
