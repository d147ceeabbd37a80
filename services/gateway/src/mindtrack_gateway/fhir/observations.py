"""Analyses as FHIR R4 (4.0.1): one Observation each, in a Bundle. Plain dictionaries; tests validate them.

An Observation's value is the stress score; its components are the indices and the biomarkers that trends are
made of, those with the best evidence. There is no `interpretation`: nobody's normal range is known. What the
model cannot tell has a reason in place of a value, and so nothing that a chart would draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from mindtrack_gateway.trends.schemas import NOTICE
from mindtrack_shared.db.models import AnalysisRecord
from mindtrack_shared.domain.biomarkers import DEFINITIONS
from mindtrack_shared.domain.trends import SCALES, Measure

Resource = dict[str, Any]

MEDIA_TYPE = "application/fhir+json"
#: Our own words: no LOINC or SNOMED code says what a model hears in a voice.
CODES = "urn:mindtrack:codes"
PERSONS = "urn:mindtrack:person"
JOBS = "urn:mindtrack:job"
BUNDLES = "urn:mindtrack:bundle"
UCUM = "http://unitsofmeasure.org"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
#: Decimals of a value: more would say what no measurement holds.
DECIMALS = 6

DISPLAYS = {
    Measure.STRESS_SCORE: "Stress score of a voice recording: P(Anxious) + P(Stressed)",
    Measure.ANXIETY_INDEX: "Anxiety index of a voice recording",
    Measure.DEPRESSIVE_INDEX: "Depressive index of a voice recording",
    Measure.BASELINE_INDEX: "Baseline index of a voice recording",
}
INDICES = (Measure.ANXIETY_INDEX, Measure.DEPRESSIVE_INDEX, Measure.BASELINE_INDEX)
BIOMARKERS = tuple(measure for measure in Measure if not SCALES[measure].is_score)
#: Units of ours in UCUM; what is counted goes into braces.
UNITS = {"1": "1", "Hz": "Hz", "s": "s", "syllables/s": "{syllables}/s"}


def bundle(entries: Sequence[AnalysisRecord], *, address: str, following: str | None) -> Resource:
    """Put a page into a Bundle, with the addresses of this page and of the next."""
    links = [("self", address)] if following is None else [("self", address), ("next", following)]
    found: Resource = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": relation, "url": url} for relation, url in links],
    }
    if entries:  # FHIR knows no empty arrays
        found["entry"] = [
            {
                "fullUrl": f"urn:uuid:{row.id}",
                "resource": observation(row),
                "search": {"mode": "match"},
            }
            for row in entries
        ]
    return found


def observation(row: AnalysisRecord) -> Resource:
    found = {
        "resourceType": "Observation",
        "id": str(row.id),
        "identifier": [{"system": JOBS, "value": str(row.job_id)}],
        "status": "final",
        "code": concept(Measure.STRESS_SCORE),
        "subject": subject(row.user_id),
        "effectiveDateTime": row.recorded_at.isoformat(),
        "issued": row.created_at.isoformat(),
        **_score(row, Measure.STRESS_SCORE),
        "note": [{"text": NOTICE}],
        "method": {
            "coding": [{"system": BUNDLES, "code": row.bundle_revision, "display": row.bundle_id}],
            "text": f"Bundle {row.bundle_id}, revision {row.bundle_revision}, engine {row.engine}, "
            f"{row.precision}",
        },
    }
    components = list(_components(row))
    return found | {"component": components} if components else found


def subject(person: UUID) -> Resource:
    """Name somebody by an id of ours that says nothing: neither a Patient's address nor a name."""
    return {"type": "Patient", "identifier": {"system": PERSONS, "value": str(person)}}


def concept(measure: Measure) -> Resource:
    display = DISPLAYS.get(measure) or DEFINITIONS[measure].description.rstrip(".")
    return {"coding": [{"system": CODES, "code": measure.value, "display": display}], "text": display}


def _components(row: AnalysisRecord) -> Iterator[Resource]:
    for measure in INDICES:
        yield {"code": concept(measure), **_score(row, measure)}
    measured = row.biomarkers or {}
    for measure in BIOMARKERS:
        value = measured.get(measure.value)
        if value is not None:
            yield {"code": concept(measure), "valueQuantity": quantity(value, SCALES[measure].unit)}


def _score(row: AnalysisRecord, measure: Measure) -> Resource:
    value = getattr(row, measure)
    if row.indeterminate_reason is not None:
        return _absent("unknown", "Unknown", f"The model cannot tell ({row.indeterminate_reason}).")
    if value is None:
        return _absent("unsupported", "Unsupported", "The model does not express what this is made of.")
    return {"valueQuantity": quantity(value, "1")}


def quantity(value: float, unit: str) -> Resource:
    return {"value": round(value, DECIMALS), "unit": unit, "system": UCUM, "code": UNITS[unit]}


def _absent(code: str, display: str, text: str) -> Resource:
    coding = {"system": ABSENT, "code": code, "display": display}
    return {"dataAbsentReason": {"coding": [coding], "text": text}}
