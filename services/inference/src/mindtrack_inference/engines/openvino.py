"""OpenVINO on the CPU.

A window that is alone gets all cores, which answers soonest. While more wait, each gets cores of its own:
threads that share one window wait for each other at every layer, and for whoever else takes a core meanwhile.
That takes a second copy of the model. A batch in the model's sense is never formed: it gains nothing on a
CPU, and its scores would depend on each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.bundle import Bundle
from mindtrack_inference.engines import Precision
from mindtrack_inference.engines.golden import heard
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.openvino import cpu_options, import_openvino

NAME = "openvino"
INPUT, OUTPUT = "input_values", "logits"
_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16", Precision.FP16: "f16"}
#: Windows at once: beyond, they compete for memory rather than for cores.
MOST_TOGETHER = 4
#: Logits, absolute: farther apart, two ways of computing are not the same. Most are equal to the last bit;
#: some kernels for bfloat16 are not.
SAME = 1e-5


class _Request:
    """An infer request, whose tensors are written and read in place."""

    def __init__(self, request: Any) -> None:  # noqa: ANN401 - OpenVINO ships no usable types
        self._request = request
        self._input: NDArray[np.float32] = request.get_tensor(INPUT).data  # (1, window_samples)
        self._output: NDArray[np.float32] = request.get_tensor(OUTPUT).data  # (1, labels)

    def start(self, window: NDArray[np.float32]) -> None:
        self._input[0] = window
        self._request.start_async()

    def result(self) -> NDArray[np.float32]:
        """Wait for what it says of the window: (labels,), until the next starts."""
        self._request.wait()
        logits: NDArray[np.float32] = self._output[0]
        return logits


class OpenVinoEngine:
    """One way to compute a window alone, and one to compute several, made when they first come.

    `several` makes the latter's requests.
    """

    name = NAME

    def __init__(
        self,
        precision: Precision,
        labels: int,
        alone: _Request,
        several: Callable[[], Sequence[_Request]],
        batch: int,
    ) -> None:
        self.precision, self.batch = precision, batch
        self._labels, self._alone, self._several = labels, alone, several

    @cached_property
    def _together(self) -> Sequence[_Request]:
        return self._several() if self.batch > 1 else [self._alone]

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = np.empty((len(windows), self._labels), np.float32)
        first = 0
        while left := len(windows) - first:
            requests = [self._alone] if left == 1 else self._together[:left]
            try:
                for request, window in zip(requests, windows[first:], strict=False):
                    request.start(window)
                for row, request in enumerate(requests, start=first):
                    logits[row] = request.result()
            except BaseException:
                for request in requests:  # none may be at work when the next windows come
                    with suppress(RuntimeError):
                        request.result()
                raise
            first += len(requests)
        return logits


def load(  # noqa: PLR0913 - what a worker may be told about its engine
    bundle: Bundle,
    precision: Precision,
    *,
    threads: int | None = None,
    cache: Path | None = None,
    rest: Precision = Precision.FP32,
    together: bool = True,
) -> OpenVinoEngine:
    """Compile a bundle's graph for this machine's CPU.

    `threads` bounds the cores that scoring may use, all of them when None; compiled graphs are kept in the
    directory `cache`. What an int8 graph leaves unquantised is computed in `rest`. Unless `together`, windows
    are always computed one by one.

    Raises:
        BundleError: OpenVINO cannot read the graph, or its input or output is not what we agreed on.

    """
    path = bundle.int8 if precision is Precision.INT8 else bundle.onnx
    hint = _HINTS[rest if precision is Precision.INT8 else precision]
    options = cpu_options(threads, hint=hint, cache=cache)
    core = import_openvino().Core()
    try:
        model = core.read_model(path)
        model.reshape({INPUT: [1, bundle.window_samples]})
        found = tuple(model.output(OUTPUT).partial_shape.to_shape())
        alone = _Request(core.compile_model(model, "CPU", options).create_infer_request())
    except RuntimeError as error:
        raise BundleError(f"{path} cannot score {bundle.window_samples} samples: {error}") from error
    expected = (1, len(bundle.labels))
    if found != expected:
        raise BundleError(f"{path} answers with shape {found}, its labels ask for {expected}")
    streams = min(threads or len(os.sched_getaffinity(0)), MOST_TOGETHER) if together else 1

    def several() -> Sequence[_Request]:
        parallel = options | {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": streams}
        try:
            compiled = core.compile_model(model, "CPU", parallel)
        except RuntimeError:  # no memory for a second copy
            return [alone]
        requests = [_Request(compiled.create_infer_request()) for _ in range(streams)]
        return requests if _agree(alone, requests[0], heard(bundle, bundle.golden().windows)) else [alone]

    return OpenVinoEngine(precision, len(bundle.labels), alone, several, streams)


def _agree(one: _Request, other: _Request, windows: NDArray[np.float32]) -> bool:
    """Whether two requests say the same of windows: no score may depend on who else waits."""
    difference = 0.0
    for window in windows:
        one.start(window)
        other.start(window)
        difference = max(difference, float(np.abs(one.result() - other.result()).max()))
    return difference <= SAME
