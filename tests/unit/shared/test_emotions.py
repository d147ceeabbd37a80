from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.emotions import Emotion, Probabilities

vectors = st.lists(st.floats(0, 10), min_size=5, max_size=5).filter(lambda values: sum(values) > 0.01)


def normalised(values: list[float]) -> Probabilities:
    total = sum(values)
    return Probabilities.from_sequence([value / total for value in values])


def test_the_order_is_the_one_every_vector_uses() -> None:
    assert [emotion.value for emotion in Emotion] == ["Neutral", "Happy", "Sad", "Anxious", "Stressed"]
    assert list(Probabilities(0.1, 0.2, 0.3, 0.15, 0.25).as_dict()) == list(Emotion)


def test_scores_follow_from_the_probabilities() -> None:
    probabilities = Probabilities(neutral=0.1, happy=0.2, sad=0.05, anxious=0.25, stressed=0.4)

    assert probabilities.emotion is Emotion.STRESSED
    assert probabilities.confidence == 0.4
    assert probabilities.stress_score == pytest.approx(0.65)
    assert probabilities.anxiety_index == 0.25
    assert probabilities.depressive_index == 0.05
    assert probabilities.baseline_index == pytest.approx(0.3)


@given(vectors)
def test_every_score_lies_in_the_unit_interval(values: list[float]) -> None:
    probabilities = normalised(values)

    assert 0 <= probabilities.stress_score <= 1
    assert 0 <= probabilities.baseline_index <= 1
    assert probabilities.confidence == max(probabilities.as_tuple())
    assert probabilities.as_dict()[probabilities.emotion] == probabilities.confidence


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.5, 0.5, 0.5, 0.0, 0.0), "sum to 1"),
        ((1.5, -0.5, 0.0, 0.0, 0.0), r"\[0, 1\]"),
        ((float("nan"), 0.5, 0.5, 0.0, 0.0), r"\[0, 1\]"),
    ],
)
def test_what_is_no_distribution_is_refused(values: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Probabilities(*values)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 5 probabilities, got 4"):
        Probabilities.from_sequence([0.25, 0.25, 0.25, 0.25])


def test_float32_round_off_is_clipped() -> None:
    assert Probabilities.from_sequence([1.0000001, -1e-8, 0, 0, 0]).as_tuple() == (1.0, 0.0, 0.0, 0.0, 0.0)
