from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from mindtrack_trainer import metrics


def one_hot(predictions: list[int], labels: int = 3) -> metrics.Logits:
    return 10 * np.eye(labels, dtype=np.float32)[predictions]


def test_uar_counts_every_label_the_same() -> None:
    targets = np.array([0, 0, 0, 0, 1, 2])
    logits = one_hot([0, 0, 0, 1, 1, 0])
    assert metrics.confusion(logits, targets).tolist() == [[3, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert metrics.recalls(logits, targets).tolist() == [0.75, 1.0, 0.0]
    assert metrics.unweighted_average_recall(logits, targets) == pytest.approx(1.75 / 3)


def test_uar_leaves_out_a_label_that_does_not_occur() -> None:
    assert metrics.unweighted_average_recall(one_hot([0, 1]), np.array([0, 1])) == 1.0


def test_ece_is_the_gap_between_confidence_and_accuracy() -> None:
    confident = np.log(np.array([[0.9, 0.1]] * 10, dtype=np.float32))
    half_right = np.array([0, 1] * 5)
    assert metrics.expected_calibration_error(confident, half_right) == pytest.approx(0.4, abs=1e-6)
    nine_right = np.array([0] * 9 + [1])
    assert metrics.expected_calibration_error(confident, nine_right) == pytest.approx(0.0, abs=1e-6)


def test_fitted_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (4000, 5))
    targets = np.array([rng.choice(5, p=p) for p in softmax(honest, axis=1)])
    overconfident = (3 * honest).astype(np.float32)
    temperature = metrics.fit_temperature(overconfident, targets)
    assert temperature == pytest.approx(3.0, rel=0.1)
    before, after = (
        metrics.expected_calibration_error(overconfident, targets, t) for t in (1.0, temperature)
    )
    assert after < 0.03 < before
