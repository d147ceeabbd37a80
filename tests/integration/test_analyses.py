"""`GET /v1/users/{id}/analyses`: a person's analyses, for themselves and who they granted it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import CALM, PARTIAL, add_grant, add_job, analysis, subject_of
from integration_support import SignIn, plan_of, upload, work
from mindtrack_gateway.analyses.schemas import AnalysisPage
from mindtrack_gateway.identity import Role
from mindtrack_shared.db import analyses
from mindtrack_shared.domain.analysis import IndeterminateReason
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.indices import indices
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.storage import RecordingStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def owner(sign_in: SignIn, engine: Engine, person: UUID) -> httpx.Client:
    return sign_in(subject_of(engine, person), Role.USER)


@pytest.fixture
def analysed(engine: Engine, person: UUID) -> Callable[..., str]:
    """Add an analysis; returns its job's id."""

    def make(at: datetime = NOON, said: Any = None) -> str:  # noqa: ANN401 - an analysis
        said = said or analysis(CALM)
        job_id = add_job(engine, person, recorded_at=at, recorded_on=at.date())
        with Session(engine) as session, session.begin():
            found = indices(said.probabilities, {})
            row = analyses.record(said, found, job_id=job_id, user_id=person, attempt=1, recorded_at=at)
            session.add(row)
        return str(job_id)

    return make


def listed(client: httpx.Client, person: UUID | str = "me", **query: Any) -> list[str]:  # noqa: ANN401
    """Return the jobs of all pages, as the links lead."""
    response = client.get(f"/v1/users/{person}/analyses", params=query)
    found = []
    while True:
        assert response.status_code == 200, response.text
        found += [item["job_id"] for item in response.json()["items"]]
        if "next" not in response.links:
            assert response.json()["next_cursor"] is None
            return found
        response = client.get(urljoin(str(response.url), response.links["next"]["url"]))


def test_an_analysis_is_told_as_its_job_tells_it(
    ada: httpx.Client, engine: Engine, store: RecordingStore, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = upload(ada, time_zone="Europe/Berlin").json()["id"]
    work(engine, recordings, wakeups, job_id)
    job = ada.get(f"/v1/jobs/{job_id}").json()

    response = ada.get("/v1/users/me/analyses")

    page = AnalysisPage.model_validate(response.json())
    assert response.headers["Cache-Control"] == "no-store"
    assert str(page.user_id) == job["user_id"]
    assert "not a diagnosis" in page.notice
    (item,) = response.json()["items"]
    assert item["job_id"] == job_id
    assert item["analysis"] == job["analysis"] | {"windows": None}
    assert item["quality"] == job["quality"]
    assert (item["recorded_at"], item["time_zone"]) == (job["recording"]["recorded_at"], "Europe/Berlin")


def test_pages_follow_the_order_of_recording(owner: httpx.Client, analysed: Callable[..., str]) -> None:
    """Also through several that were recorded at the same moment."""
    early, late = (analysed(NOON + hours * HOUR) for hours in (-1, 1))
    same = [analysed() for _ in range(5)]

    for limit in (1, 2, 3, 100):
        assert listed(owner, limit=limit) == [late, *same[::-1], early]


def test_pages_hold_still_while_analyses_arrive_and_go(
    owner: httpx.Client, engine: Engine, analysed: Callable[..., str]
) -> None:
    jobs = [analysed(NOON + hours * HOUR) for hours in range(6)]
    page = owner.get("/v1/users/me/analyses", params={"limit": 2}).json()
    analysed(NOON + 7 * HOUR)
    with engine.begin() as connection:
        connection.execute(text("delete from analyses where job_id = :id"), {"id": jobs[4]})

    assert [item["job_id"] for item in page["items"]] == [jobs[5], jobs[4]]
    assert listed(owner, cursor=page["next_cursor"]) == jobs[3::-1]


def test_a_time_begins_with_its_first_moment_and_ends_before_the_next(
    owner: httpx.Client, analysed: Callable[..., str]
) -> None:
    step = timedelta(microseconds=1)
    _, first, last, _ = (analysed(NOON + shift) for shift in (-step, 0 * step, HOUR - step, HOUR))

    query = {"recorded_after": "2026-03-01T13:00:00+01:00", "recorded_before": "2026-03-01T13:00:00Z"}
    assert listed(owner, limit=1, **query) == [last, first]


def test_what_the_model_cannot_tell_is_in_the_list(owner: httpx.Client, analysed: Callable[..., str]) -> None:
    analysed(said=analysis(PARTIAL))
    analysed(NOON + HOUR, said=analysis(reason=IndeterminateReason.UNCERTAIN))

    unsure, partial = owner.get("/v1/users/me/analyses").json()["items"]

    assert unsure["analysis"]["indeterminate"]
    assert partial["analysis"]["stress_score"] is None


def test_a_clinician_reads_them_by_a_grant(  # noqa: PLR0913, PLR0917 - fixtures
    owner: httpx.Client,
    florence: httpx.Client,
    engine: Engine,
    person: UUID,
    clinician: UUID,
    analysed: Callable[..., str],
) -> None:
    jobs = [analysed(NOON + hours * HOUR) for hours in range(3)]
    assert florence.get(f"/v1/users/{person}/analyses").status_code == 404
    add_grant(engine, person, clinician, Scope.ANALYSES)

    assert listed(florence, person, limit=2) == jobs[::-1]
    assert florence.get(f"/v1/users/{person}/analyses").json()["user_id"] == str(person)
    assert florence.get(f"/v1/jobs/{jobs[0]}").status_code == 403, "the recording is the person's alone"
    accesses = owner.get("/v1/users/me/accesses").json()["items"]
    assert [access["outcome"] for access in accesses] == ["allowed"] * 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "query.limit"),
        ("limit=101", "query.limit"),
        ("cursor=abc", "cursor"),
        ("cursor=" + "A" * 44, "cursor"),
        ("cursor=f_____________________________8", "cursor"),
        ("recorded_after=2026-03-01", "query.recorded_after"),
        ("recorded_after=2026-03-02T00:00:00Z&recorded_before=2026-03-01T00:00:00Z", "query.recorded_before"),
        ("created_after=2026-03-01T00:00:00Z", "query.created_after"),
    ],
)
def test_what_cannot_be_asked_is_refused(owner: httpx.Client, query: str, field: str) -> None:
    response = owner.get(f"/v1/users/me/analyses?{query}")

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_page_is_a_range_of_the_index(engine: Engine, person: UUID, analysed: Callable[..., str]) -> None:
    for hours in range(3):
        analysed(NOON + hours * HOUR)
    query = analyses.page(person, limit=21, before=(NOON + HOUR, UUID(int=0)), recorded_after=NOON)
    with engine.connect() as connection:
        connection.execute(text("set local enable_seqscan = off"))
        plan = plan_of(connection, query)

    assert re.search(r"Index Scan Backward using ix_analyses_user_id_recorded_at", plan), plan
    condition = plan[plan.index("ix_analyses_user_id_recorded_at") :].splitlines()[1]
    assert "recorded_at <=" in condition, plan
    assert "recorded_at >=" in condition, plan
