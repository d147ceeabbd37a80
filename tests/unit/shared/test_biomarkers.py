from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from biomarkers_reference import GRADES, SIGNS, reference
from mindtrack_shared.domain.biomarkers import (
    DEFINITIONS,
    Biomarkers,
    Definition,
    Direction,
    Directions,
    Evidence,
)

REFERENCE = Path(__file__).parents[3] / "docs" / "biomarkers.md"


def test_every_marker_is_defined_in_order() -> None:
    assert list(DEFINITIONS) == [field.name for field in fields(Biomarkers)]


def test_the_reference_lists_the_definitions() -> None:
    assert REFERENCE.read_text() == reference(), "run `make biomarkers`"


def test_the_reference_explains_every_grade_and_direction() -> None:
    assert set(GRADES) == set(Evidence)
    assert set(SIGNS) == set(Direction)


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_every_definition_is_one_sentence_and_fits_a_table(definition: Definition) -> None:
    assert definition.description.endswith(".")
    assert ". " not in definition.description
    for text in (definition.unit, definition.reference, definition.studies, definition.on_phones):
        assert text
        assert "|" not in text


@pytest.mark.parametrize(("name", "definition"), DEFINITIONS.items(), ids=DEFINITIONS.keys())
def test_a_name_that_ends_in_a_unit_says_the_same_as_its_definition(
    name: str, definition: Definition
) -> None:
    units = {"hz": "Hz", "db": "dB", "seconds": "s", "semitones": "semitones", "ratio": "1", "count": "1"}
    rates = {"semitones_per_second": "semitones/s", "rate_per_second": "syllables/s"}
    stated = next((unit for end, unit in rates.items() if name.endswith(end)), None)

    assert definition.unit == (stated or units.get(name.rsplit("_", 1)[-1], "1"))


def test_a_descriptive_marker_claims_no_direction() -> None:
    for definition in DEFINITIONS.values():
        if definition.evidence is Evidence.D:
            assert definition.direction == Directions()
