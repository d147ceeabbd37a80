"""What another process runs: it can import this module, but not a test."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_shared.domain.calibration import CalibratedScores


def score(bundle: str, windows: NDArray[np.float32]) -> tuple[int, CalibratedScores]:
    """Score windows (n, window_samples) with a model of one's own; says which process did so."""
    return os.getpid(), Classifier.load(load_bundle(bundle), threads=1).score(windows)
