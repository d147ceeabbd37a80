from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.biomarkers import DEFINITIONS, Evidence, Robustness
from mindtrack_shared.domain.indices import ANXIETY, DEPRESSIVE
from mindtrack_shared.domain.trends import SCALES, Measure

SCORES = [measure for measure in Measure if SCALES[measure].is_score]
MARKERS = [measure for measure in Measure if not SCALES[measure].is_score]


def test_trends_are_made_of_scores_and_of_markers_with_evidence_that_survive_a_phone() -> None:
    worthy = {
        name
        for name, each in DEFINITIONS.items()
        if each.evidence in {Evidence.A, Evidence.B} and each.robustness is not Robustness.LOW
    }

    assert set(SCALES) == set(Measure)
    assert set(MARKERS) == worthy
    assert set(SCORES) == {"stress_score", "anxiety_index", "depressive_index", "baseline_index"}


@pytest.mark.parametrize("measure", MARKERS)
def test_markers_have_the_unit_of_their_definition_and_the_smallest_spread_of_the_indices(
    measure: Measure,
) -> None:
    weight = {**ANXIETY, **DEPRESSIVE}.get(measure)

    assert SCALES[measure].unit == DEFINITIONS[measure].unit
    assert SCALES[measure].least_spread > 0
    assert weight is None or SCALES[measure].least_spread == weight.floor


@given(st.floats(0.01, 0.99))
def test_scores_come_back_from_their_log_odds(score: float) -> None:
    scale = SCALES[Measure.STRESS_SCORE]

    assert scale.inverse(scale.transform(score)) == pytest.approx(score)


@pytest.mark.parametrize(("score", "counted"), [(0.0, 0.01), (0.009, 0.01), (0.995, 0.99), (1.0, 0.99)])
def test_scores_at_the_ends_are_clipped(score: float, counted: float) -> None:
    scale = SCALES[Measure.STRESS_SCORE]

    assert scale.inverse(scale.transform(score)) == pytest.approx(counted)


@given(st.floats(-1e3, 1e3))
def test_markers_are_what_they_are(number: float) -> None:
    scale = SCALES[Measure.F0_MEDIAN_HZ]

    assert scale.transform(number) == scale.inverse(number) == number


@pytest.mark.parametrize("measure", list(Measure))
def test_arrays_come_back_as_single_values_do(measure: Measure) -> None:
    scale = SCALES[measure]
    values = np.array([[-800.0, -3.0, -0.1], [0.0, 2.5, 800.0]])

    singly = [[scale.inverse(each) for each in row] for row in values.tolist()]

    assert scale.inverse_all(values).tolist() == pytest.approx(np.array(singly))


def test_only_of_three_scores_more_is_worse() -> None:
    worse = {measure for measure in Measure if SCALES[measure].higher_is_worse}

    assert worse == {Measure.STRESS_SCORE, Measure.ANXIETY_INDEX, Measure.DEPRESSIVE_INDEX}
