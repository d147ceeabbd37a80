"""Windows of audio to calibrated probabilities, whichever engine scores them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.bundle import Bundle
from mindtrack_inference.engines import Engine, EngineChoice, Precision, PrecisionChoice
from mindtrack_inference.engines.golden import heard
from mindtrack_inference.engines.selection import open_engine
from mindtrack_inference.errors import ModelOutputError
from mindtrack_shared.bundles import StressCalibration
from mindtrack_shared.domain.analysis import Provenance
from mindtrack_shared.domain.calibration import CalibratedScores, calibrated


class Classifier:
    """A bundle's model on an engine, for windows of its length. Serves one thread at a time."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle = bundle
        self._engine = engine
        self._selection = bundle.selection()  # (labels, 5)
        manifest = bundle.manifest
        self._stress = manifest.stress_calibration or StressCalibration()
        self.provenance = Provenance(
            bundle_id=manifest.id,
            bundle_revision=manifest.revision,
            engine=engine.name,
            precision=engine.precision.value,
            temperature=manifest.temperature,
            abstention_threshold=manifest.abstention_threshold,
            calibration_set=manifest.calibration_set,
        )

    @classmethod
    def load(  # noqa: PLR0913 - what a worker may be told about its engine
        cls,
        bundle: Bundle,
        *,
        engine: EngineChoice = "auto",
        precision: Precision | PrecisionChoice = "auto",
        threads: int | None = None,
        cache: Path | None = None,
        together: bool = True,
    ) -> Classifier:
        """Open an engine for a bundle, as `open_engine` does, and have it score the golden windows.

        `threads` bounds the cores that one score may use; all of them when None. Compiled models are kept in
        the directory `cache`. On a CPU, several windows are scored at once unless `together` is false.

        Raises:
            BundleError: the engine cannot read the model, its input or output is not what we agreed on, it
                answers to the golden windows otherwise than the bundle promises, or the machine or the bundle
                lacks what was asked for.

        """
        opened = open_engine(
            bundle, engine=engine, precision=precision, threads=threads, cache=cache, together=together
        )
        return cls(bundle, opened)

    @property
    def batch(self) -> int:
        """Windows per call that serve the device best."""
        return self._engine.batch

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
        logits = self._engine.score(heard(self.bundle, windows)).astype(np.float64)  # (n, labels)
        if not np.isfinite(logits).all():
            raise ModelOutputError("the model answered with logits that are not finite")
        return logits
