"""Probabilities stay probabilities whatever the logits, and each step does what its formula says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mindtrack_shared.domain.calibration import calibrated, selection
from mindtrack_shared.domain.emotions import Emotion

OURS = np.eye(5)
#: neu, hap, ang, sad: a corpus without fear.
IEMOCAP = selection(
    ("neu", "hap", "ang", "sad"),
    {"neu": Emotion.NEUTRAL, "hap": Emotion.HAPPY, "ang": Emotion.STRESSED, "sad": Emotion.SAD},
)
#: Two labels of one meaning, and two of none.
RAVDESS_LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
RAVDESS = selection(
    RAVDESS_LABELS,
    {
        "neutral": Emotion.NEUTRAL,
        "calm": Emotion.NEUTRAL,
        "happy": Emotion.HAPPY,
        "sad": Emotion.SAD,
        "angry": Emotion.STRESSED,
        "fearful": Emotion.ANXIOUS,
        "disgust": None,
        "surprised": None,
    },
)
STRESS = [3, 4]

any_logits = arrays(np.float64, (3, 8), elements=st.floats(-1e4, 1e4))
temperatures = st.floats(0.05, 20.0)
slopes, intercepts = st.floats(0.05, 20.0), st.floats(-20.0, 20.0)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.exp(logits)
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares


@pytest.fixture(scope="module")
def logits() -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(0, 2, (20, 8))


@given(any_logits, temperatures, slopes, intercepts)
def test_rows_are_probabilities(
    logits: NDArray[np.float64], temperature: float, slope: float, intercept: float
) -> None:
    for table in (RAVDESS, RAVDESS[::-1], np.vstack([IEMOCAP, np.zeros((4, 5))])):
        answer = calibrated(logits, table, temperature, slope, intercept)
        supported = table.any(axis=0)
        assert np.array_equal(np.isnan(answer.probabilities), np.broadcast_to(~supported, (3, 5)))
        known = answer.probabilities[:, supported]
        assert (known >= 0).all()
        assert known.sum(axis=1) == pytest.approx(1, abs=1e-9)
        for shares in (answer.uncertainty, answer.unmapped):
            assert ((shares >= 0) & (shares <= 1 + 1e-9)).all()


@given(any_logits, st.floats(-1e3, 1e3))
def test_a_constant_added_to_all_logits_changes_nothing(logits: NDArray[np.float64], constant: float) -> None:
    there, here = calibrated(logits + constant, RAVDESS), calibrated(logits, RAVDESS)
    np.testing.assert_allclose(there.probabilities, here.probabilities, atol=1e-9)
    np.testing.assert_allclose(there.unmapped, here.unmapped, atol=1e-9)


@given(any_logits, slopes, intercepts, st.floats(0.1, 100.0))
def test_more_stress_in_the_logits_never_means_less_in_the_answer(
    logits: NDArray[np.float64], slope: float, intercept: float, more: float
) -> None:
    raised = logits + more * RAVDESS[:, STRESS].sum(axis=1)
    before = calibrated(logits, RAVDESS, 1.0, slope, intercept).probabilities[:, STRESS].sum(axis=1)
    after = calibrated(raised, RAVDESS, 1.0, slope, intercept).probabilities[:, STRESS].sum(axis=1)
    assert (after >= before - 1e-12).all()


@given(any_logits, slopes, intercepts)
def test_stress_calibration_leaves_shares_within_the_event_and_without_as_they_were(
    logits: NDArray[np.float64], slope: float, intercept: float
) -> None:
    bounded = np.clip(logits, -10, 10)
    before = calibrated(bounded, RAVDESS).probabilities
    after = calibrated(bounded, RAVDESS, 1.0, slope, intercept).probabilities
    for within in (STRESS, [0, 1, 2]):
        shares = before[:, within] / before[:, within].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(after[:, within], shares * after[:, within].sum(axis=1, keepdims=True))


def test_every_step_follows_its_formula(logits: NDArray[np.float64]) -> None:
    shares = softmax(logits / 1.7)
    ours = shares @ RAVDESS  # (n, 5)
    expected = ours / ours.sum(axis=1, keepdims=True)
    p = expected[:, STRESS].sum(axis=1, keepdims=True)
    q = 1 / (1 + np.exp(-(0.8 * np.log(p / (1 - p)) - 0.3)))
    expected *= np.where(np.isin(np.arange(5), STRESS), q / p, (1 - q) / (1 - p))

    answer = calibrated(logits, RAVDESS, temperature=1.7, slope=0.8, intercept=-0.3)
    np.testing.assert_allclose(answer.probabilities, expected, rtol=1e-12)
    np.testing.assert_allclose(answer.unmapped, shares[:, 6:].sum(axis=1), rtol=1e-12)
    entropy = -(expected * np.log(expected)).sum(axis=1) / np.log(5)
    np.testing.assert_allclose(answer.uncertainty, entropy, rtol=1e-12)


def test_without_fear_anxious_is_unknown_and_the_stress_calibration_is_skipped(
    logits: NDArray[np.float64],
) -> None:
    answer = calibrated(logits[:, :4], IEMOCAP, slope=3.0, intercept=1.0)
    assert np.isnan(answer.probabilities[:, 3]).all()
    np.testing.assert_allclose(answer.probabilities[:, [0, 1, 4, 2]], softmax(logits[:, :4]), rtol=1e-12)
    assert (answer.unmapped == 0).all()


def test_with_nothing_beside_the_event_there_is_nothing_to_calibrate(logits: NDArray[np.float64]) -> None:
    answer = calibrated(logits[:, :2], np.eye(5)[STRESS], slope=3.0, intercept=1.0)
    np.testing.assert_allclose(answer.probabilities[:, STRESS], softmax(logits[:, :2]), rtol=1e-12)


def test_what_a_label_without_meaning_leaves_is_still_shared_out() -> None:
    row = np.zeros((1, 8))
    row[0, 6] = 5e3  # disgust, beyond any doubt
    answer = calibrated(row, RAVDESS)
    assert answer.unmapped[0] == pytest.approx(1)
    assert answer.probabilities[0] == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 6, 1 / 6])


def test_uncertainty_spans_zero_to_one() -> None:
    rows = np.array([[0.0] * 5, [1e4, 0, 0, 0, 0]])
    assert calibrated(rows, OURS).uncertainty == pytest.approx([1, 0], abs=1e-12)


def test_no_windows_no_scores() -> None:
    answer = calibrated(np.empty((0, 5)), OURS)
    assert answer.probabilities.shape == (0, 5)
    assert answer.unmapped.shape == answer.uncertainty.shape == (0,)


@pytest.mark.parametrize(
    ("shape", "table"), [((1, 4), OURS), ((5,), OURS), ((1, 2), np.eye(5)[[0, 0]])], ids=str
)
def test_what_makes_no_probabilities_is_refused(shape: tuple[int, ...], table: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="make no probabilities"):
        calibrated(np.zeros(shape), table)


def test_selection_follows_the_mapping() -> None:
    assert RAVDESS.shape == (8, 5)
    emotions = list(Emotion)
    found = [emotions[int(row.argmax())] if row.any() else None for row in RAVDESS]
    assert found == [
        *(Emotion.NEUTRAL, Emotion.NEUTRAL, Emotion.HAPPY, Emotion.SAD),
        *(Emotion.STRESSED, Emotion.ANXIOUS, None, None),
    ]
