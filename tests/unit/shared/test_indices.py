from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.biomarkers import DEFINITIONS, Biomarkers, Direction, Evidence
from mindtrack_shared.domain.emotions import Probabilities
from mindtrack_shared.domain.indices import (
    ANXIETY,
    DEPRESSIVE,
    LARGEST_Z,
    MAD_TO_SD,
    A,
    B,
    C,
    Deviation,
    PastRecording,
    Weight,
    deviations,
    indices,
)

TODAY = date(2026, 3, 31)
MARKERS = sorted({**ANXIETY, **DEPRESSIVE})
#: Slack for float64 round-off in a comparison of two indices.
ROUND_OFF = 1e-12

Index = Callable[[float, Mapping[str, Deviation]], float]

probability = st.floats(0, 1)
scores = st.floats(-10, 10)
some_deviations = st.dictionaries(st.sampled_from(MARKERS), scores.map(lambda z: Deviation(z, 8)))


def anxious(p: float) -> Probabilities:
    return Probabilities(neutral=1 - p, happy=0.0, sad=0.0, anxious=p, stressed=0.0)


def sad(p: float) -> Probabilities:
    return Probabilities(neutral=1 - p, happy=0.0, sad=p, anxious=0.0, stressed=0.0)


def anxiety(p: float, found: Mapping[str, Deviation]) -> float:
    index = indices(anxious(p), found).anxiety
    assert index is not None
    return index


def depressive(p: float, found: Mapping[str, Deviation]) -> float:
    index = indices(sad(p), found).depressive
    assert index is not None
    return index


INDICES = pytest.mark.parametrize(("index", "weights"), [(anxiety, ANXIETY), (depressive, DEPRESSIVE)])


@given(probability)
def test_without_a_baseline_an_index_is_the_probability_itself(p: float) -> None:
    assert anxiety(p, {}) == p
    assert depressive(p, {}) == p
    assert indices(sad(p), {}).baseline == 1 - p


@INDICES
@given(p=probability, found=some_deviations)
def test_every_index_lies_in_the_unit_interval(
    index: Index, weights: Mapping[str, Weight], p: float, found: dict[str, Deviation]
) -> None:
    assert 0 <= index(p, found) <= 1


@INDICES
@given(pair=st.tuples(probability, probability), found=some_deviations)
def test_an_index_never_falls_when_its_probability_rises(
    index: Index, weights: Mapping[str, Weight], pair: tuple[float, float], found: dict[str, Deviation]
) -> None:
    low, high = sorted(pair)

    assert index(low, found) <= index(high, found) + ROUND_OFF


@INDICES
@given(case=st.tuples(probability, some_deviations, st.sampled_from(MARKERS), scores, scores))
def test_an_index_follows_each_marker_in_the_direction_of_its_weight(
    index: Index,
    weights: Mapping[str, Weight],
    case: tuple[float, dict[str, Deviation], str, float, float],
) -> None:
    p, found, name, *pair = case
    low, high = (index(p, found | {name: Deviation(z, 8)}) for z in sorted(pair))

    if name in weights:
        assert math.copysign(1, weights[name].weight) * (high - low) >= -ROUND_OFF
    else:
        assert low == high


@INDICES
def test_the_formula_is_a_shift_of_the_log_odds(index: Index, weights: Mapping[str, Weight]) -> None:
    found = {name: Deviation(1.5 + n, 8) for n, name in enumerate(weights)}
    shift = sum(weights[name].weight * min(LARGEST_Z, 1.5 + n) for n, name in enumerate(weights))

    moved = index(0.3, found)

    assert math.log(moved / (1 - moved)) == pytest.approx(math.log(0.3 / 0.7) + shift)
    assert moved != pytest.approx(0.3, abs=1e-3)


def test_one_odd_recording_does_not_decide() -> None:
    """However extreme, all markers together multiply the odds by less than five."""
    extreme = {name: Deviation(math.copysign(1e6, DEPRESSIVE[name].weight), 8) for name in DEPRESSIVE}
    odds = 0.05 / 0.95

    moved = depressive(0.05, extreme)

    assert 2 < moved / (1 - moved) / odds < 5


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        (Probabilities(0.5, 0.2, 0.3, None, None), (None, 0.3, 0.7)),
        (Probabilities(0.5, None, 0.3, 0.2, None), (0.2, 0.3, None)),
        (Probabilities(None, None, None, 0.4, 0.6), (0.4, None, None)),
    ],
)
def test_what_the_model_cannot_express_has_no_index(
    probabilities: Probabilities, expected: tuple[float | None, ...]
) -> None:
    found = indices(probabilities, {})

    assert (found.anxiety, found.depressive, found.baseline) == expected


def past(
    *values: float | None, first: date = TODAY - timedelta(days=20), per_day: int = 1
) -> list[PastRecording]:
    return [
        PastRecording(first + timedelta(days=position // per_day), Biomarkers(f0_median_hz=value))
        for position, value in enumerate(values)
    ]


USUAL = (110.0, 130.0, 120.0, 112.0, 128.0, 120.0, 115.0, 125.0)


def test_a_deviation_is_counted_in_robust_standard_deviations() -> None:
    found = deviations(Biomarkers(f0_median_hz=140.0), TODAY, past(*USUAL))

    # Median 120 Hz; the absolute deviations 10 10 0 8 8 0 5 5 have the median 6.5.
    assert found.keys() == {"f0_median_hz"}
    assert found["f0_median_hz"].z == pytest.approx(20 / (MAD_TO_SD * 6.5))
    assert found["f0_median_hz"].n == 8


def test_one_wild_recording_hardly_moves_the_baseline() -> None:
    """A mean would have gone up to 162 Hz, and 140 Hz would look low."""
    found = deviations(Biomarkers(f0_median_hz=140.0), TODAY, past(*USUAL, 500.0))

    assert found["f0_median_hz"].z > 1


def test_a_very_even_voice_is_not_taken_for_a_very_precise_one() -> None:
    found = deviations(Biomarkers(f0_median_hz=121.0), TODAY, past(*[120.0] * 8))

    assert found["f0_median_hz"].z == pytest.approx(1.0 / ANXIETY["f0_median_hz"].floor)


@pytest.mark.parametrize(
    "history",
    [
        [],
        past(*USUAL[:-1]),
        past(*USUAL[:-1], None),
        past(*USUAL, per_day=2),
        past(*USUAL, first=TODAY - timedelta(days=13)),
    ],
    ids=["none", "7 recordings", "8 recordings, one without the marker", "4 days", "less than two weeks"],
)
def test_too_little_history_is_no_baseline(history: list[PastRecording]) -> None:
    assert deviations(Biomarkers(f0_median_hz=140.0), TODAY, history) == {}


def test_a_marker_that_is_missing_today_does_not_contribute() -> None:
    assert deviations(Biomarkers(), TODAY, past(*USUAL)) == {}


GRADES = {Evidence.A: A, Evidence.B: B, Evidence.C: C}


@pytest.mark.parametrize(
    ("name", "weight", "state"),
    [
        *((name, weight, "anxiety") for name, weight in ANXIETY.items()),
        *((name, weight, "low_mood") for name, weight in DEPRESSIVE.items()),
    ],
)
def test_weights_follow_what_is_documented_of_each_marker(name: str, weight: Weight, state: str) -> None:
    definition = DEFINITIONS[name]
    expected = Direction.UP if weight.weight > 0 else Direction.DOWN

    assert getattr(definition.direction, state) is expected
    assert abs(weight.weight) <= GRADES[definition.evidence]


def test_markers_without_a_known_direction_carry_no_weight() -> None:
    assert not {"jitter", "shimmer", "hnr_db", "creak_ratio"} & set(MARKERS)
