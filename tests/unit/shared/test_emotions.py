from __future__ import annotations

import pytest
from hypothesis import assume, given
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
    assert probabilities.settled == pytest.approx(0.3)


@given(vectors)
def test_every_score_lies_in_the_unit_interval(values: list[float]) -> None:
    probabilities = normalised(values)

    for score in (probabilities.stress_score, probabilities.settled):
        assert score is not None
        assert 0 <= score <= 1
    assert probabilities.confidence == max(probabilities.known().values())
    assert probabilities.as_dict()[probabilities.emotion] == probabilities.confidence


@given(vectors, st.sets(st.integers(0, 4), min_size=1, max_size=4))
def test_what_the_model_cannot_express_makes_what_needs_it_unknown(
    values: list[float], unknown: set[int]
) -> None:
    total = sum(value for position, value in enumerate(values) if position not in unknown)
    assume(total > 0.01)
    probabilities = Probabilities.from_sequence(
        [None if position in unknown else value / total for position, value in enumerate(values)]
    )

    assert probabilities.known().keys() == {
        emotion for position, emotion in enumerate(Emotion) if position not in unknown
    }
    assert probabilities.emotion in probabilities.known()
    assert (probabilities.stress_score is None) == bool({3, 4} & unknown)
    assert (probabilities.settled is None) == bool({0, 1} & unknown)


def test_not_a_number_stands_for_unknown() -> None:
    assert Probabilities.from_sequence([0.5, float("nan"), 0.5, None, 0.0]).as_tuple() == (
        0.5,
        None,
        0.5,
        None,
        0.0,
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.5, 0.5, 0.5, 0.0, 0.0), "sum to 1"),
        ((1.5, -0.5, 0.0, 0.0, 0.0), r"\[0, 1\]"),
        ((float("nan"), 0.5, 0.5, 0.0, 0.0), r"\[0, 1\]"),
        ((None, 0.5, 0.2, 0.1, 0.1), "sum to 1"),
        ((None, None, None, None, None), "at least one emotion"),
    ],
)
def test_what_is_no_distribution_is_refused(values: tuple[float | None, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        Probabilities(*values)
    assert str(values[1]) not in str(refused.value)  # an error ends up in a log, where no score may


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 5 probabilities, got 4"):
        Probabilities.from_sequence([0.25, 0.25, 0.25, 0.25])


def test_float32_round_off_is_clipped() -> None:
    assert Probabilities.from_sequence([1.0000001, -1e-8, 0, 0, 0]).as_tuple() == (1.0, 0.0, 0.0, 0.0, 0.0)
