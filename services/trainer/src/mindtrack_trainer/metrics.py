"""Figures that describe a classifier, from logits and targets alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Logits = NDArray[np.float32]  # (clips, labels)
Targets = NDArray[np.int64]  # (clips,)

_CALIBRATION_BINS = 15  # Guo et al. 2017


def confusion(logits: Logits, targets: Targets) -> NDArray[np.int64]:
    """Counts with the truth in rows and the prediction in columns."""
    counts = np.zeros((logits.shape[1],) * 2, dtype=np.int64)
    np.add.at(counts, (targets, logits.argmax(axis=1)), 1)
    return counts


def recalls(logits: Logits, targets: Targets) -> NDArray[np.float64]:
    """The share of each label that was recognised; NaN for a label that does not occur."""
    counts = confusion(logits, targets)
    with np.errstate(invalid="ignore"):
        shares: NDArray[np.float64] = np.diag(counts) / counts.sum(axis=1)
    return shares


def unweighted_average_recall(logits: Logits, targets: Targets) -> float:
    """UAR: every label counts the same, however often it occurs."""
    return float(np.nanmean(recalls(logits, targets)))


def expected_calibration_error(logits: Logits, targets: Targets, temperature: float = 1.0) -> float:
    """ECE over fifteen equal bins of confidence."""
    probabilities = softmax(logits / temperature, axis=1)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gaps = [abs(float(np.sum(correct[bins == b] - confidence[bins == b]))) for b in np.unique(bins)]
    return sum(gaps) / len(targets)


def fit_temperature(logits: Logits, targets: Targets) -> float:
    """The temperature that minimises the negative log-likelihood (Guo et al. 2017)."""

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(np.mean(log_p[np.arange(len(targets)), targets]))

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))
