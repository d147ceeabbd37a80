"""`GET /v1/users/{id}/history`: a person's days, as trends are made of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import add_grant, subject_of
from integration_support import SignIn, plan_of
from mindtrack_gateway.history import cursor
from mindtrack_gateway.history.schemas import HistoryPage
from mindtrack_gateway.identity import Role
from mindtrack_shared.db import day_values
from mindtrack_shared.db.models import DayValueRecord
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.trends import SCALES, Measure

FIRST = date(2026, 3, 1)
STRESS = SCALES[Measure.STRESS_SCORE]


@pytest.fixture
def owner(sign_in: SignIn, engine: Engine, person: UUID) -> httpx.Client:
    return sign_in(subject_of(engine, person), Role.USER)


@pytest.fixture
def add_day(engine: Engine, person: UUID) -> Callable[..., None]:
    def make(day: date, score: float = 0.3, **fields: Any) -> None:  # noqa: ANN401 - columns
        row = {
            "bundle_revision": "r1",
            "device_class": "built_in audio/wav",
            "recordings": 2,
            "speech_seconds": 12.5,
            "others": {},
        } | fields
        with Session(engine) as session, session.begin():
            session.add(DayValueRecord(user_id=person, day=day, stress_score=STRESS.transform(score), **row))

    return make


def listed(client: httpx.Client, person: UUID | str = "me", **query: Any) -> list[str]:  # noqa: ANN401
    """Return the days of all pages, as the links lead."""
    response = client.get(f"/v1/users/{person}/history", params=query)
    found = []
    while True:
        assert response.status_code == 200, response.text
        found += [item["day"] for item in response.json()["items"]]
        if "next" not in response.links:
            assert response.json()["next_cursor"] is None
            return found
        response = client.get(urljoin(str(response.url), response.links["next"]["url"]))


def test_a_day_is_told_in_natural_units_by_what_it_comes_from(
    owner: httpx.Client, person: UUID, add_day: Callable[..., None]
) -> None:
    pitch, anxiety = [1, 5.0, 118.25], [2, 12.5, SCALES[Measure.ANXIETY_INDEX].transform(0.1)]
    add_day(
        FIRST, 0.3, others={"f0_median_hz": pitch, "anxiety_index": anxiety, "of_a_newer_release": [1, 1, 1]}
    )
    add_day(FIRST, 0.6, bundle_revision="r2")

    response = owner.get("/v1/users/me/history")

    page = HistoryPage.model_validate(response.json())
    assert response.headers["Cache-Control"] == "no-store"
    assert page.user_id == person
    assert "not a diagnosis" in page.notice
    (day,) = page.items
    assert day.day == FIRST
    second, first = day.origins
    assert (first.bundle_revision, second.bundle_revision) == ("r1", "r2")
    assert second.values["stress_score"].value == pytest.approx(0.6)
    assert list(first.values) == ["stress_score", "anxiety_index", "f0_median_hz"]
    assert first.values["stress_score"].model_dump() == {
        "value": pytest.approx(0.3),
        "unit": "1",
        "recordings": 2,
        "speech_seconds": 12.5,
    }
    assert first.values["anxiety_index"].value == pytest.approx(0.1)
    assert first.values["f0_median_hz"].model_dump() == {
        "value": 118.25,
        "unit": "Hz",
        "recordings": 1,
        "speech_seconds": 5.0,
    }


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_pages_lead_through_all_days_whatever_they_come_from(
    owner: httpx.Client, add_day: Callable[..., None], limit: int
) -> None:
    days = [FIRST + timedelta(days=2 * number) for number in range(5)]
    for day in days:
        add_day(day)
        add_day(day, device_class="bluetooth audio/mp4")

    assert listed(owner, limit=limit) == [str(day) for day in reversed(days)]


def test_a_period_has_both_its_ends(owner: httpx.Client, add_day: Callable[..., None]) -> None:
    for number in range(5):
        add_day(FIRST + timedelta(days=number))

    period = {"from": "2026-03-02", "to": "2026-03-04"}
    assert listed(owner, limit=2, **period) == ["2026-03-04", "2026-03-03", "2026-03-02"]
    assert listed(owner, **{"from": "2026-03-05"}) == ["2026-03-05"]
    assert listed(owner, to="2026-02-28") == []


def test_a_clinician_reads_it_by_the_scope_of_trends(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID, add_day: Callable[..., None]
) -> None:
    add_day(FIRST)
    grant = add_grant(engine, person, clinician, Scope.TRENDS)

    assert listed(florence, person) == [str(FIRST)]
    with engine.connect() as connection:
        lines = connection.execute(
            text("select action, outcome, grant_id from access_events where subject_id = :id"), {"id": person}
        ).all()
    assert lines == [("getHistory", "allowed", grant)]


def test_a_grant_that_ends_between_two_pages_ends_the_list(  # noqa: PLR0913, PLR0917 - both sides, and what is between them
    florence: httpx.Client,
    owner: httpx.Client,
    engine: Engine,
    person: UUID,
    clinician: UUID,
    add_day: Callable[..., None],
) -> None:
    for number in range(2):
        add_day(FIRST + timedelta(days=number))
    grant = add_grant(engine, person, clinician, Scope.TRENDS)
    first = florence.get(f"/v1/users/{person}/history", params={"limit": 1})

    owner.delete(f"/v1/grants/{grant}")

    following = florence.get(urljoin(str(first.url), first.links["next"]["url"]))
    assert following.status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "query.from"),
        ("to=2026-02-30", "query.to"),
        ("from=2026-03-02&to=2026-03-01", "query.to"),
        ("limit=0", "query.limit"),
        ("limit=367", "query.limit"),
        ("cursor=abc", "cursor"),
        ("cursor=AAAA", "cursor"),
        (f"cursor={'A' * 65}", "query.cursor"),
        ("days=7", "query.days"),
        ("first_day=2026-03-01", "query.first_day"),
    ],
)
def test_what_cannot_be_asked_is_refused(owner: httpx.Client, query: str, field: str) -> None:
    response = owner.get(f"/v1/users/me/history?{query}")

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("day", [date.min, FIRST, date.max])
def test_a_cursor_is_a_day(day: date) -> None:
    assert cursor.decode(cursor.encode(day)) == day


#: 2,000 people, and five years of one of them.
CROWD = """
insert into users (id, subject) select uuidv7(), 'history-' || n from generate_series(1, 2000) n;
insert into day_values
    (user_id, day, bundle_revision, device_class, recordings, speech_seconds, stress_score, others)
select id, '2021-01-01'::date + day, 'r1', 'built_in audio/wav', 1, 5, 0, '{"pause_ratio": [1, 5, 0.2]}'
from users, generate_series(0, case when id = :id then 1825 else 30 end) day
where id = :id or subject like 'history-%';
analyze users, day_values
"""


@pytest.mark.parametrize("how", [{}, {"before": date(2024, 1, 1)}, {"first_day": FIRST, "last_day": FIRST}])
def test_a_page_reads_its_days_and_no_more(engine: Engine, person: UUID, how: dict[str, date]) -> None:
    with engine.connect() as connection:  # never committed
        for part in CROWD.split(";"):
            connection.execute(text(part), {"id": person} if ":id" in part else {})
        plan = plan_of(
            connection, day_values.page(person, days=32, **how), "(analyze, timing off, buffers off)"
        )

    assert "Seq Scan" not in plan
    assert plan.count("using pk_day_values") == 2, plan
    for condition in (line for line in plan.splitlines() if "Index Cond" in line):
        assert "user_id =" in condition
    assert int(max(read(plan))) <= 64, plan


def read(plan: str) -> list[int]:
    """Return how many rows each scan came to."""
    return [
        int(float(line.split("rows=")[2].split()[0]))
        for line in plan.splitlines()
        if "Scan" in line and "actual" in line
    ]
