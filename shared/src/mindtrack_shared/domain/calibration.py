"""From a model's logits to calibrated probabilities of our five emotions: the only place that does it.

Everything is added up as logarithms, so a model that is sure of a label without a meaning for us still shares
out what little is left, and no logit overflows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mindtrack_shared.domain.emotions import MIN_EMOTIONS, Emotion

_STRESS = np.array([emotion in {Emotion.ANXIOUS, Emotion.STRESSED} for emotion in Emotion])  # (5,)


@dataclass(frozen=True, slots=True)
class CalibratedScores:
    """What a model says about n windows."""

    #: In the order of `Emotion`; NaN for what the model cannot express, the others sum to one. (n, 5)
    probabilities: NDArray[np.float64]
    #: What the model gave to labels that stand for none of the five emotions, in [0, 1]. (n,)
    unmapped: NDArray[np.float64]
    #: Entropy of the probabilities over the largest it could be, in [0, 1]. (n,)
    uncertainty: NDArray[np.float64]

    def __getitem__(self, windows: slice) -> CalibratedScores:
        """Scores of some of the windows."""
        return CalibratedScores(
            self.probabilities[windows], self.unmapped[windows], self.uncertainty[windows]
        )


def selection(labels: Sequence[str], mapping: Mapping[str, Emotion | None]) -> NDArray[np.float64]:
    """Which of a model's labels stands for which emotion: 1 where it does, else 0. (labels, 5)"""
    emotions = np.array([mapping[label] or "" for label in labels])  # (labels,)
    matrix: NDArray[np.float64] = (emotions[:, np.newaxis] == np.array(list(Emotion))).astype(np.float64)
    return matrix


def calibrated(
    logits: ArrayLike,
    selection: NDArray[np.float64],
    temperature: float = 1.0,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> CalibratedScores:
    """Turn finite logits (n, labels) into calibrated scores.

    `selection` (labels, 5) is what the function of that name returns. Softmax of the logits over
    `temperature` (Guo et al. 2017), labels of one meaning added up, renormalised over the emotions the model
    can express; then Platt scaling of the event "Anxious or Stressed" (Platt 1999) with `slope` and
    `intercept`, unless the model cannot express both, or nothing but them.

    Raises:
        ValueError: the selection leaves fewer than two emotions, or does not fit the logits.

    """
    scaled = np.asarray(logits, np.float64) / temperature  # (n, labels)
    mapped: NDArray[np.bool_] = selection.sum(axis=1) > 0  # (labels,)
    supported: NDArray[np.bool_] = selection.sum(axis=0) > 0  # (5,)
    if scaled.shape[1:] != mapped.shape or supported.sum() < MIN_EMOTIONS:
        raise ValueError(f"logits {scaled.shape} and selection {selection.shape} make no probabilities")
    scaled = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)  # logarithms of the model's shares
    mass = _log_sum(scaled[:, :, np.newaxis], selection > 0)  # (n, 5), -inf where unsupported
    mass -= _log_sum(mass, supported)[:, np.newaxis]
    if supported[_STRESS].all() and supported[~_STRESS].any():
        mass = _platt(mass, slope, intercept)
    return CalibratedScores(
        probabilities=np.where(supported, np.exp(mass), np.nan),
        unmapped=np.minimum(np.exp(_log_sum(scaled, ~mapped)), 1.0),
        uncertainty=_entropy(mass[:, supported]),
    )


def _platt(mass: NDArray[np.float64], slope: float, intercept: float) -> NDArray[np.float64]:
    """Scale the event's log probability, and share it out as before within and without. (n, 5)"""
    inside = _log_sum(mass, _STRESS)[:, np.newaxis]  # (n, 1)
    outside = _log_sum(mass, ~_STRESS)[:, np.newaxis]
    logit = slope * (inside - outside) + intercept
    log_event, log_rest = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    return np.where(_STRESS, mass - inside + log_event, mass - outside + log_rest)


def _entropy(log_probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    nats: NDArray[np.float64] = -(np.exp(log_probabilities) * log_probabilities).sum(axis=1)  # (n,)
    shares: NDArray[np.float64] = np.clip(nats / np.log(log_probabilities.shape[1]), 0.0, 1.0)
    return shares


def _log_sum(logs: NDArray[np.float64], members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Logarithm of the sum over axis 1 of the members' exponentials; -inf where there are none."""
    total: NDArray[np.float64] = np.logaddexp.reduce(np.where(members, logs, -np.inf), axis=1)
    return total
