"""Tables and FHIR: what is sent of a history, how much of it at a time, and that it stops with the grant."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import CALM, PARTIAL, TENSE, VOICE, add_grant, add_job, analysis, subject_of
from integration_support import SignIn
from mindtrack_gateway.exports import routes
from mindtrack_gateway.identity import Role
from mindtrack_shared.db import analyses, day_values
from mindtrack_shared.domain.analysis import Analysis, IndeterminateReason
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.indices import indices

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
VALUES = ("stress_score", "anxiety_index", "depressive_index", "baseline_index")


@pytest.fixture
def owner(sign_in: SignIn, engine: Engine, person: UUID) -> httpx.Client:
    return sign_in(subject_of(engine, person), Role.USER)


@pytest.fixture
def analysed(engine: Engine, person: UUID) -> Callable[..., str]:
    """Add an analysis with its day; returns its job's id."""

    def make(at: datetime = NOON, said: Analysis | None = None, **fields: Any) -> str:  # noqa: ANN401
        said = said or analysis(CALM)
        job_id = add_job(engine, person, recorded_at=at, recorded_on=at.date())
        with Session(engine) as session, session.begin():
            found = indices(said.probabilities, {})
            row = analyses.record(said, found, job_id=job_id, user_id=person, attempt=1, recorded_at=at)
            for name, value in fields.items():
                setattr(row, name, value)
            session.add(row)
            session.flush()
            for statement in day_values.renewal(person, [at.date()]):
                session.execute(statement)
        return str(job_id)

    return make


def table(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="mindtrack-')
    assert response.headers["Cache-Control"] == "no-store"
    assert response.text.count("\n") == response.text.count("\r\n")
    return list(csv.DictReader(response.text.splitlines(keepends=True), strict=True))


def test_days_come_as_a_table(owner: httpx.Client, analysed: Callable[..., str]) -> None:
    analysed(NOON, analysis(CALM))
    analysed(NOON + DAY, analysis(TENSE))

    second, first = table(owner.get("/v1/users/me/history.csv"))

    (told,) = owner.get("/v1/users/me/history", params={"limit": 1}).json()["items"]
    (origin,) = told["origins"]
    assert second["day"] == told["day"] == "2026-03-02"
    assert second["bundle_revision"] == origin["bundle_revision"]
    assert second["recordings"] == "1"
    for name, measured in origin["values"].items():
        value = float(second[f"{name} ({measured['unit']})"])
        assert value == pytest.approx(measured["value"], rel=1e-5)
    assert first["response_latency_seconds (s)"] == "", "not measured"
    assert float(first["stress_score (1)"]) < float(second["stress_score (1)"])


def test_analyses_come_as_a_table(owner: httpx.Client, analysed: Callable[..., str]) -> None:
    jobs = [
        analysed(NOON, analysis(CALM), bundle_id="=1+1"),
        analysed(NOON + DAY, analysis(PARTIAL)),
        analysed(NOON + 2 * DAY, analysis(TENSE, reason=IndeterminateReason.UNCERTAIN)),
    ]

    unsure, partial, calm = table(owner.get("/v1/users/me/analyses.csv"))

    assert [row["job_id"] for row in (calm, partial, unsure)] == jobs
    assert (calm["recorded_at"], calm["time_zone"]) == ("2026-03-01T12:00:00+00:00", "UTC")
    assert (calm["emotion"], calm["stress_score (1)"], calm["p_neutral (1)"]) == ("Neutral", "0.1", "0.7")
    assert (calm["f0_median_hz (Hz)"], calm["pause_count (1)"]) == ("120", "2")
    assert calm["bundle_id"] == "'=1+1", "no formula"
    assert (calm["indeterminate"], unsure["indeterminate"]) == ("false", "true")
    assert unsure["indeterminate_reason"] == "uncertain"
    assert (partial["stress_score (1)"], partial["p_happy (1)"]) == ("", ""), "unknown is empty, never 0"
    period = {"recorded_after": "2026-03-02T00:00:00Z", "recorded_before": "2026-03-03T00:00:00Z"}
    assert [row["job_id"] for row in table(owner.get("/v1/users/me/analyses.csv", params=period))] == jobs[
        1:2
    ]


@pytest.mark.parametrize("path", ["history.csv", "analyses.csv"])
def test_a_table_without_rows_has_its_headings(owner: httpx.Client, path: str) -> None:
    response = owner.get(f"/v1/users/me/{path}")

    assert table(response) == []
    assert response.text.endswith("\r\n")


@pytest.mark.parametrize("path", ["history.csv", "analyses.csv"])
def test_a_table_of_many_pages_has_every_row_once(
    owner: httpx.Client, analysed: Callable[..., str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "DAYS", 2)
    monkeypatch.setattr(routes, "ANALYSES", 2)
    for number in range(5):
        analysed(NOON + number * DAY)

    rows = table(owner.get(f"/v1/users/me/{path}"))

    days = [date.fromisoformat((row.get("day") or row["recorded_at"])[:10]) for row in rows]
    assert days == [NOON.date() + number * DAY for number in (4, 3, 2, 1, 0)]


def test_a_grant_that_ends_meanwhile_breaks_the_table_off(  # noqa: PLR0913, PLR0917 - both sides, and what is between them
    florence: httpx.Client,
    engine: Engine,
    person: UUID,
    clinician: UUID,
    analysed: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever receives half a table must not take it for a whole one."""
    monkeypatch.setattr(routes, "ANALYSES", 1)
    for number in range(3):
        analysed(NOON + number * DAY)
    grant = add_grant(engine, person, clinician, Scope.ANALYSES)
    read = analyses.page

    def revoking(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is
        if options["before"] is not None:
            with engine.begin() as connection:
                end = "update grants set revoked_at = now(), revoked_by = 'person' where id = :id"
                connection.execute(text(end), {"id": grant})
        return read(*arguments, **options)

    monkeypatch.setattr(analyses, "page", revoking)

    with pytest.raises(httpx.RemoteProtocolError):
        florence.get(f"/v1/users/{person}/analyses.csv")

    with engine.connect() as connection:
        statement = "select action, outcome from access_events where subject_id = :id order by id"
        lines = connection.execute(text(statement), {"id": person}).all()
    assert lines == [("exportAnalyses", "allowed"), ("exportAnalyses", "refused")]


@pytest.mark.parametrize("path", ["analyses.csv", "fhir/observations"])
def test_a_period_that_makes_no_sense_is_refused(owner: httpx.Client, path: str) -> None:
    for query in (
        "recorded_after=2026-03-01T18:00:00",
        "recorded_after=2026-03-02T00:00:00Z&recorded_before=2026-03-01T00:00:00Z",
        "since=1",
    ):
        assert owner.get(f"/v1/users/me/{path}?{query}").status_code == 422


# --- FHIR -----------------------------------------------------------------------------------------------


def observations(response: httpx.Response) -> list[dict[str, Any]]:
    """Return a bundle's observations, once a library that knows FHIR has found nothing wrong with them."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/fhir+json"
    assert response.headers["Cache-Control"] == "no-store"
    document = response.json()
    found = Bundle.model_validate(document)
    assert found.type == "searchset"
    return [entry["resource"] for entry in document.get("entry", [])]


def component(observation: dict[str, Any], code: str) -> dict[str, Any]:
    (found,) = (each for each in observation["component"] if each["code"]["coding"][0]["code"] == code)
    return dict(found)


def test_an_analysis_is_an_observation(
    owner: httpx.Client, person: UUID, analysed: Callable[..., str]
) -> None:
    job_id = analysed(NOON, analysis(TENSE))

    (found,) = observations(owner.get("/v1/users/me/fhir/observations"))

    assert (found["resourceType"], found["status"]) == ("Observation", "final")
    assert found["identifier"] == [{"system": "urn:mindtrack:job", "value": job_id}]
    assert found["subject"] == {
        "type": "Patient",
        "identifier": {"system": "urn:mindtrack:person", "value": str(person)},
    }
    assert found["code"]["coding"][0]["system"] == "urn:mindtrack:codes"
    assert found["code"]["coding"][0]["code"] == "stress_score"
    assert found["valueQuantity"] == {
        "value": 0.8,
        "unit": "1",
        "system": "http://unitsofmeasure.org",
        "code": "1",
    }
    assert found["effectiveDateTime"] == "2026-03-01T12:00:00+00:00"
    assert "0123456789ab" in found["method"]["text"]
    assert "not a diagnosis" in found["note"][0]["text"]
    assert "interpretation" not in found
    assert "referenceRange" not in found
    assert component(found, "anxiety_index")["valueQuantity"]["value"] == 0.3
    assert component(found, "f0_median_hz")["valueQuantity"] == {
        "value": VOICE.f0_median_hz,
        "unit": "Hz",
        "system": "http://unitsofmeasure.org",
        "code": "Hz",
    }
    assert component(found, "speech_rate_per_second")["valueQuantity"]["code"] == "{syllables}/s"
    codes = [each["code"]["coding"][0]["code"] for each in found["component"]]
    assert codes == [*VALUES[1:], "f0_median_hz", "pause_ratio", "speech_rate_per_second"]
    assert "jitter" not in codes, "little is known about it"


def test_what_is_not_known_has_a_reason_and_no_value(
    owner: httpx.Client, analysed: Callable[..., str]
) -> None:
    analysed(NOON, analysis(PARTIAL))
    analysed(NOON + DAY, analysis(TENSE, reason=IndeterminateReason.UNCERTAIN))

    unsure, partial = observations(owner.get("/v1/users/me/fhir/observations"))

    assert "valueQuantity" not in partial
    assert partial["dataAbsentReason"]["coding"][0]["code"] == "unsupported"
    assert component(partial, "depressive_index")["valueQuantity"]["value"] == 0.3
    assert "valueQuantity" not in unsure
    assert unsure["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert "uncertain" in unsure["dataAbsentReason"]["text"]
    assert all("valueQuantity" not in component(unsure, name) for name in VALUES[1:])
    assert component(unsure, "f0_median_hz")["valueQuantity"], "measured all the same"


def test_links_lead_through_all_pages(owner: httpx.Client, analysed: Callable[..., str]) -> None:
    jobs = [analysed(NOON + number * DAY) for number in range(5)]
    after = (NOON + DAY).isoformat()

    found, url = (
        [],
        str(
            owner.build_request(
                "GET", "/v1/users/me/fhir/observations", params={"_count": 2, "recorded_after": after}
            ).url
        ),
    )
    pages = 0
    while url:
        response = owner.get(url)
        found += [each["identifier"][0]["value"] for each in observations(response)]
        links = {link["relation"]: link["url"] for link in response.json()["link"]}
        assert links["self"] == url
        url = links.get("next", "")
        pages += 1

    assert found == jobs[:0:-1]
    assert pages == 2


def test_nothing_is_an_empty_bundle(owner: httpx.Client) -> None:
    response = owner.get("/v1/users/me/fhir/observations")

    assert observations(response) == []
    assert "entry" not in response.json(), "FHIR knows no empty arrays"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("_count=0", "query._count"),
        ("_count=101", "query._count"),
        ("cursor=abc", "cursor"),
        ("_sort=date", "query._sort"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(owner: httpx.Client, query: str, field: str) -> None:
    response = owner.get(f"/v1/users/me/fhir/observations?{query}")

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_clinician_exports_by_the_scope(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID, analysed: Callable[..., str]
) -> None:
    analysed()
    add_grant(engine, person, clinician, Scope.ANALYSES)

    assert len(observations(florence.get(f"/v1/users/{person}/fhir/observations"))) == 1
    assert len(table(florence.get(f"/v1/users/{person}/analyses.csv"))) == 1
    assert florence.get(f"/v1/users/{person}/history.csv").status_code == 404, "another scope"
    with engine.connect() as connection:
        statement = "select action, outcome from access_events where subject_id = :id order by id"
        lines = connection.execute(text(statement), {"id": person}).all()
    assert lines == [
        ("listObservations", "allowed"),
        ("exportAnalyses", "allowed"),
        ("exportHistory", "refused"),
    ]
