"""Figures that describe a classifier, from its scores and the truth alone.

`scores` are logits or probabilities, (clips, labels); `targets` index their columns, (clips,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]  # (clips, labels)
Targets = NDArray[np.int64]  # (clips,)
Values = NDArray[np.float64]  # (clips,)
Flags = NDArray[np.bool_]  # (clips,)

CALIBRATION_BINS = 15  # Guo et al. 2017; of equal mass, because confidences crowd at one end
_SMALLEST = 1e-12  # probability under a logarithm


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was predicted against what happened, over bins of equal mass; each array is (bins,)."""

    predicted: Values  # mean probability
    observed: Values  # share of clips in which it happened
    clips: NDArray[np.int64]


def confusion(scores: Scores, targets: Targets) -> NDArray[np.int64]:
    """Counts with the truth in rows and the prediction in columns."""
    labels = scores.shape[1]
    cells = np.bincount(targets * labels + scores.argmax(axis=1), minlength=labels * labels)
    return cells.astype(np.int64, copy=False).reshape(labels, labels)


def recalls(scores: Scores, targets: Targets) -> Values:
    """The share of each label that was recognised, (labels,); NaN for a label that does not occur."""
    counts = confusion(scores, targets)
    with np.errstate(invalid="ignore"):
        shares: Values = np.diag(counts) / counts.sum(axis=1)
    return shares


def unweighted_average_recall(scores: Scores, targets: Targets) -> float:
    """UAR: every label that occurs counts the same, however often it does."""
    shares = recalls(scores, targets)
    return float(shares[~np.isnan(shares)].mean())


def reliability(predicted: Values, happened: Flags) -> Reliability:
    """Bins of equal mass over `predicted`, the probability given to what happened or not.

    Equal predictions share a bin, so that ties (and a resample's repeated clips) are never torn apart; bins
    may be fewer then.
    """
    ranked = np.sort(predicted)
    edges = ranked[len(ranked) * np.arange(1, CALIBRATION_BINS) // CALIBRATION_BINS]
    bins = np.searchsorted(edges, predicted, side="right")
    clips, sums, events = (
        np.bincount(bins, weights, CALIBRATION_BINS) for weights in (None, predicted, happened)
    )
    filled = clips > 0
    clips = clips[filled]
    return Reliability(sums[filled] / clips, events[filled] / clips, clips.astype(np.int64, copy=False))


def calibration_error(predicted: Values, happened: Flags) -> float:
    """ECE: the gap between predicted and observed, averaged over the clips of the bins."""
    bins = reliability(predicted, happened)
    return float(np.average(np.abs(bins.predicted - bins.observed), weights=bins.clips))


def brier_score(probabilities: Scores, targets: Targets) -> float:
    """Brier 1950: squared distance from the truth, summed over labels; 0 is best, 2 is worst."""
    return float(np.square(probabilities - np.eye(probabilities.shape[1])[targets]).sum(axis=1).mean())


def log_loss(probabilities: Scores, targets: Targets) -> float:
    """Negative log-likelihood of the truth, in nats."""
    likelihood = probabilities[np.arange(len(targets)), targets]
    return -float(np.log(np.maximum(likelihood, _SMALLEST)).mean())


def selective_risks(uncertainty: Values, wrong: Flags) -> Values:
    """The error rate among the k most certain clips, for k from 1 to all; (clips,)."""
    order = np.argsort(uncertainty, kind="stable")
    risks: Values = np.cumsum(wrong[order]) / np.arange(1, len(wrong) + 1)
    return risks


def area_under_risk_coverage(uncertainty: Values, wrong: Flags) -> float:
    """AURC (Geifman et al. 2019): the selective risk, averaged over all coverages; 0 is best."""
    return float(selective_risks(uncertainty, wrong).mean())


def area_under_roc(values: Values, happened: Flags) -> float:
    """Tell how often the value is larger where it happened than where it did not; ties count half.

    NaN if it always or never happened.
    """
    without = np.sort(values[~happened])
    with_ = values[happened]
    if not len(without) or not len(with_):
        return float("nan")
    below, not_above = (np.searchsorted(without, with_, side) for side in ("left", "right"))
    return float((below.sum() + not_above.sum()) / (2 * len(without) * len(with_)))
