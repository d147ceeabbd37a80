"""Patients: whom a clinician is shown, in what order, and that each of them can see it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from factories import add_grant, add_user, subject_of
from integration_support import SignIn, plan_of
from mindtrack_gateway.identity import Role
from mindtrack_gateway.patients.places import decode, encode
from mindtrack_gateway.patients.schemas import OverviewView, PatientPage
from mindtrack_gateway.problems import InvalidRequestError
from mindtrack_shared.db import patients
from mindtrack_shared.db.models import Alert, Standing
from mindtrack_shared.db.patients import Asked, Key, Place
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.notes import LONGEST_LABEL
from mindtrack_shared.domain.patients import URGENCY, Order, PatientSort
from mindtrack_shared.domain.trends import Direction, Measure, Status
from mindtrack_shared.ids import new_id

NOW = datetime.now(UTC).replace(microsecond=123456)
DAY = timedelta(days=1)
OPEN = (Scope.TRENDS, Scope.ALERTS)
RECENT = [None, *[0.25] * 26, -1.5]

Patient = Callable[..., UUID]


@pytest.fixture
def patient(engine: Engine, clinician: UUID) -> Patient:
    """Add somebody who granted Florence something and stands somewhere; returns their id."""

    def make(  # noqa: PLR0913 - where somebody can stand
        status: Status | None = Status.WITHIN_RANGE,
        *,
        scopes: tuple[Scope, ...] = OPEN,
        direction: Direction = Direction.STEADY,
        seven_day_z: float | None = 0.5,
        last_recorded_at: datetime | None = NOW - DAY,
        alerts: tuple[datetime, ...] = (),
        **grant: Any,  # noqa: ANN401 - how long it lasts
    ) -> UUID:
        person = add_user(engine, f"patient-{new_id()}")
        if scopes:
            add_grant(engine, person, clinician, *scopes, **grant)
        with Session(engine) as session, session.begin():
            session.add(standing(person, status, direction, seven_day_z, last_recorded_at))
            for measure, opened_at in zip(Measure, alerts, strict=False):
                session.add(alert(person, measure, opened_at))
            session.add(alert(person, Measure.STRESS_SCORE, NOW - 9 * DAY, ended=True))
        return person

    return make


def standing(
    person: UUID,
    status: Status | None,
    direction: Direction,
    seven_day_z: float | None,
    last_recorded_at: datetime | None,
) -> Standing:
    if status is None:
        return Standing(user_id=person, stale_since=NOW)
    return Standing(
        user_id=person,
        status=status,
        direction=direction,
        seven_day_z=seven_day_z,
        recording_days_7=3,
        recording_days_28=9,
        as_of=date(2026, 3, 1),
        time_zone="UTC",
        last_recorded_at=last_recorded_at,
        evaluated_at=NOW,
        due_at=NOW + DAY,
        recent=RECENT,
        recent_at=NOW,
    )


def alert(person: UUID, measure: Measure, opened_at: datetime, *, ended: bool = False) -> Alert:
    end = {"ended_at": NOW, "ended_on": date(2026, 3, 1), "ended_why": "settled"} if ended else {}
    return Alert(
        user_id=person,
        measure=measure,
        opened_at=opened_at,
        opened_on=date(2026, 3, 1) - 10 * DAY,
        rule="sustained_rise",
        rule_version="1",
        bundle_revision="r1",
        reason={},
        **end,
    )


def pages(client: httpx.Client, **query: Any) -> list[list[dict[str, Any]]]:  # noqa: ANN401
    """Return all pages, as the links lead."""
    response = client.get("/v1/patients", params=query)
    found = []
    while True:
        assert response.status_code == 200, response.text
        assert response.headers["Cache-Control"] == "no-store"
        page = PatientPage.model_validate(response.json())
        found.append(response.json()["items"])
        assert (page.next_cursor is None) == ("next" not in response.links)
        if page.next_cursor is None:
            return found
        response = client.get(urljoin(str(response.url), response.links["next"]["url"]))


def listed(client: httpx.Client, **query: Any) -> list[UUID]:  # noqa: ANN401
    return [UUID(item["user_id"]) for page in pages(client, **query) for item in page]


def lines(engine: Engine, clinician: UUID) -> list[Any]:
    with engine.connect() as connection:
        statement = "select * from access_events where actor_id = :id order by id"
        return list(connection.execute(text(statement), {"id": clinician}))


def test_a_patient_is_shown_as_they_stand(florence: httpx.Client, engine: Engine, patient: Patient) -> None:
    person = patient(
        Status.ABOVE,
        direction=Direction.RISING,
        seven_day_z=1.75,
        alerts=(NOW - 2 * DAY, NOW - 3 * DAY),
        lasting=30 * DAY,
    )

    ((item,),) = pages(florence)

    assert item["user_id"] == str(person)
    assert item["label"] is None
    assert (item["status"], item["direction"], item["seven_day_z"]) == ("above", "rising", 1.75)
    assert item["as_of"] == "2026-03-01"
    assert item["recent"] == RECENT
    assert datetime.fromisoformat(item["last_recorded_at"]) == NOW - DAY
    assert item["alerts"]["count"] == 2, "one has ended"
    assert datetime.fromisoformat(item["alerts"]["oldest_since"]) == NOW - 3 * DAY
    assert item["scopes"] == ["alerts", "trends"]
    left = datetime.fromisoformat(item["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= 30 * DAY
    with engine.connect() as connection:
        statement = "select id from grants where user_id = :id"
        assert item["grant_id"] == str(connection.scalar(text(statement), {"id": person}))


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        ((Scope.TRENDS,), {"status", "direction", "seven_day_z", "as_of", "recent", "last_recorded_at"}),
        ((Scope.ALERTS,), {"alerts"}),
        ((Scope.ANALYSES, Scope.NOTES, Scope.FEEDBACK), set()),
    ],
)
def test_what_the_scopes_do_not_open_is_null(
    florence: httpx.Client, patient: Patient, scopes: tuple[Scope, ...], shown: set[str]
) -> None:
    patient(Status.ABOVE, scopes=scopes, alerts=(NOW,))

    ((item,),) = pages(florence)

    hideable = {"status", "direction", "seven_day_z", "as_of", "recent", "last_recorded_at", "alerts"}
    assert {name for name in hideable if item[name] is not None} == shown


def test_days_that_another_release_left_behind_are_not_shown(
    florence: httpx.Client, engine: Engine, patient: Patient
) -> None:
    patient()
    with engine.begin() as connection:
        statement = "update standings set as_of = as_of + 1, evaluated_at = evaluated_at + interval '1 day'"
        connection.execute(text(statement))

    ((item,),) = pages(florence)
    assert (item["status"], item["as_of"], item["recent"]) == ("within_range", "2026-03-02", None)


@pytest.mark.parametrize(
    "recent",
    ["'{}'", "array_fill(0, array[27])", "array_fill(0, array[2, 14])", "array_fill('NaN'::real, array[28])"],
)
def test_days_of_a_standing_are_numbers_and_so_many(engine: Engine, patient: Patient, recent: str) -> None:
    patient()
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(text(f"update standings set recent = {recent}"))  # noqa: S608 - constants


@pytest.mark.parametrize("query", [{"status": "above"}, {"open_alerts": "true"}, {"open_alerts": "false"}])
def test_no_filter_tells_what_the_scopes_do_not_open(
    florence: httpx.Client, patient: Patient, query: dict[str, str]
) -> None:
    patient(Status.ABOVE, scopes=(Scope.NOTES,), alerts=(NOW,))
    patient(Status.ABOVE, scopes=(Scope.NOTES,))

    assert listed(florence, **query) == []


@pytest.mark.parametrize("sort", PatientSort)
def test_no_order_tells_what_the_scopes_do_not_open(
    florence: httpx.Client, patient: Patient, sort: PatientSort
) -> None:
    """Whoever has not granted it comes last, in the order of the grants, however they stand."""
    hidden = [
        patient(status, scopes=(Scope.ALERTS,), seven_day_z=z, last_recorded_at=NOW - z * DAY)
        for status, z in ((Status.WELL_ABOVE, 3.0), (Status.BELOW, -3.0), (Status.ABOVE, 1.0))
    ]
    seen = patient()

    assert listed(florence, sort=sort, order="desc") == [seen, *reversed(hidden)]
    assert listed(florence, sort=sort, order="asc") == [seen, *hidden]


def test_the_most_urgent_come_first(florence: httpx.Client, patient: Patient) -> None:
    by_status = {status: [patient(status), patient(status)] for status in Status}
    unknown = patient(None)

    urgent = [person for status in reversed(URGENCY) for person in reversed(by_status[status])]
    assert set(URGENCY) == set(Status)
    assert listed(florence) == [*urgent, unknown]
    assert listed(florence, order="asc") == [*reversed(urgent), unknown]
    assert listed(florence, status="well_above") == by_status[Status.WELL_ABOVE][::-1]
    some = florence.get("/v1/patients?status=below&status=above").json()["items"]
    assert Counter(item["status"] for item in some) == {"below": 2, "above": 2}


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("sort", PatientSort)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_lead_through_everybody_once(
    florence: httpx.Client, patient: Patient, sort: PatientSort, order: Order, limit: int
) -> None:
    """Also where several have the same key, or none."""
    for status, z, days in (
        (Status.ABOVE, 1.5, 1),
        (Status.ABOVE, 1.5, 1),
        (Status.ABOVE, 0.1 + 0.2, 2),
        (Status.BELOW, -1.5, 3),
        (Status.NO_STATUS, None, None),
        (Status.CALIBRATING, None, None),
        (None, None, None),
    ):
        last = None if days is None else NOW - days * DAY
        patient(status, seven_day_z=z, last_recorded_at=last)

    found = pages(florence, sort=sort, order=order, limit=limit)

    items = [item for page in found for item in page]
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert len({item["user_id"] for item in items}) == len(items) == 7
    assert items == pages(florence, sort=sort, order=order, limit=1000)[0]
    column = "last_recorded_at" if sort is PatientSort.LAST_RECORDED else sort.value
    known = [item[column] for item in items if item[column] is not None]
    if sort is not PatientSort.STATUS:
        assert known == sorted(known, reverse=order is Order.DESCENDING)
    assert items[-1][column] is None


def test_alerts_can_be_asked_for(florence: httpx.Client, patient: Patient) -> None:
    loud, quiet = patient(alerts=(NOW,)), patient()

    assert listed(florence, open_alerts="true") == [loud]
    assert listed(florence, open_alerts="false") == [quiet]
    assert set(listed(florence)) == {loud, quiet}


def test_only_live_grants_of_ones_own_are_shown(
    florence: httpx.Client, engine: Engine, patient: Patient, clinician: UUID
) -> None:
    live = patient()
    patient(since=10 * DAY, lasting=9 * DAY)
    patient(scopes=())
    another = patient(scopes=())
    add_grant(engine, another, add_user(engine, "another clinician"))
    again = patient()
    revoke(engine, again)
    add_grant(engine, again, clinician, Scope.NOTES)

    items = pages(florence)[0]
    assert {UUID(item["user_id"]): item["scopes"] for item in items} == {
        live: ["alerts", "trends"],
        again: ["notes"],
    }


def revoke(engine: Engine, person: UUID) -> None:
    with engine.begin() as connection:
        statement = "update grants set revoked_at = now(), revoked_by = 'person' where user_id = :id"
        connection.execute(text(statement), {"id": person})


def test_who_revokes_while_a_list_is_read_is_not_on_its_next_page(
    florence: httpx.Client, engine: Engine, patient: Patient, clinician: UUID
) -> None:
    people = [patient() for _ in range(4)]
    first = florence.get("/v1/patients", params={"limit": 2})
    shown = [UUID(item["user_id"]) for item in first.json()["items"]]
    assert shown == people[:1:-1]

    revoke(engine, people[1])
    revoke(engine, shown[-1])  # where the next page begins

    following = florence.get(urljoin(str(first.url), first.links["next"]["url"]))
    assert [UUID(item["user_id"]) for item in following.json()["items"]] == people[:1]
    assert people[1] not in {line.subject_id for line in lines(engine, clinician)}


# --- who is told ----------------------------------------------------------------------------------------


def test_each_person_on_a_page_can_see_that_they_were_looked_at(
    florence: httpx.Client, sign_in: SignIn, engine: Engine, patient: Patient, clinician: UUID
) -> None:
    first, second, third = (patient(status) for status in (Status.BELOW, Status.ABOVE, Status.WELL_ABOVE))

    response = florence.get("/v1/patients", params={"limit": 2})

    found = lines(engine, clinician)
    assert {line.action for line in found} == {"listPatients"}
    assert {line.outcome for line in found} == {"allowed"}
    assert {line.actor_role for line in found} == {"clinician"}
    assert {line.request_id for line in found} == {UUID(response.headers["X-Request-ID"])}
    assert [line.subject_id for line in found if line.subject_id is None] == [None], "the list itself"
    assert {line.subject_id for line in found if line.subject_id} == {third, second}, "who was on the page"
    for line in found:
        with engine.connect() as connection:
            statement = "select id from grants where user_id = :id"
            assert line.grant_id == connection.scalar(text(statement), {"id": line.subject_id})

    told = sign_in(subject_of(engine, second), Role.USER).get("/v1/users/me/accesses").json()["items"]
    assert [(item["action"], item["clinician_id"]) for item in told] == [("listPatients", str(clinician))]
    assert sign_in(subject_of(engine, first), Role.USER).get("/v1/users/me/accesses").json()["items"] == []


def test_a_list_of_nobody_is_written_down_too(
    florence: httpx.Client, engine: Engine, clinician: UUID
) -> None:
    assert listed(florence) == []
    assert florence.get("/v1/patients/overview").json()["persons"] == 0

    found = lines(engine, clinician)
    assert [(line.action, line.subject_id, line.grant_id) for line in found] == [
        ("listPatients", None, None),
        ("getPatientsOverview", None, None),
    ]


@pytest.mark.parametrize("path", ["/v1/patients", "/v1/patients/overview"])
def test_what_cannot_be_written_down_is_not_read(
    sign_in: SignIn, engine: Engine, patient: Patient, clinician: UUID, path: str
) -> None:
    person = patient()
    florence = sign_in(subject_of(engine, clinician), Role.CLINICIAN)
    full_up = "constraint full_up check (subject_id is null) not valid"
    with engine.begin() as connection:
        connection.execute(text(f"alter table access_events add {full_up}"))
    try:
        response = florence.get(path)
    finally:
        with engine.begin() as connection:
            connection.execute(text("alter table access_events drop constraint full_up"))

    assert response.status_code == 500
    assert str(person) not in response.text
    assert lines(engine, clinician) == []


@pytest.mark.parametrize(
    ("subject", "grant", "refused"),
    [("null", "null", False), ("uuidv7()", "null", True), ("null", "uuidv7()", True)],
)
def test_only_a_line_about_nobody_needs_no_grant(
    engine: Engine, subject: str, grant: str, *, refused: bool
) -> None:
    columns = "id, actor_id, actor_role, subject_id, grant_id, action, outcome"
    values = f"uuidv7(), uuidv7(), 'clinician', {subject}, {grant}, 'listPatients', 'allowed'"
    statement = f"insert into access_events ({columns}) values ({values})"  # noqa: S608
    with engine.connect() as connection:  # never committed
        if not refused:
            connection.execute(text(statement))
            return
        with pytest.raises(IntegrityError):
            connection.execute(text(statement))


# --- overview -------------------------------------------------------------------------------------------


def test_an_overview_counts_what_is_granted(
    florence: httpx.Client, engine: Engine, patient: Patient, clinician: UUID
) -> None:
    patient(Status.ABOVE, direction=Direction.RISING, alerts=(NOW - DAY, NOW - 2 * DAY))
    patient(Status.ABOVE, direction=Direction.RISING, last_recorded_at=NOW - 20 * DAY)
    patient(Status.NO_STATUS, direction=Direction.UNCLEAR, last_recorded_at=None)
    patient(Status.WELL_ABOVE, scopes=(Scope.ALERTS,), alerts=(NOW - 3 * DAY,))
    patient(Status.WELL_ABOVE, scopes=(Scope.TRENDS,), alerts=(NOW - 9 * DAY,))
    patient(None)
    patient(Status.BELOW, scopes=())

    response = florence.get("/v1/patients/overview")

    assert response.headers["Cache-Control"] == "no-store"
    found = OverviewView.model_validate(response.json())
    assert found.persons == 6
    assert {status: number for status, number in found.by_status.items() if number} == {
        "above": 2,
        "no_status": 1,
        "well_above": 1,
    }
    assert set(found.by_status) == set(Status)
    assert {way: number for way, number in found.by_direction.items() if number} == {
        "rising": 2,
        "unclear": 1,
        "steady": 1,
    }
    assert (found.not_evaluated, found.trends_not_granted) == (1, 1)
    assert (found.silent, found.silent_days) == (2, 14)
    assert (found.alerts.persons, found.alerts.open, found.alerts.not_granted) == (2, 3, 1)
    assert found.alerts.oldest_since == NOW - 3 * DAY
    assert florence.get("/v1/patients/overview?silent_days=30").json()["silent"] == 1
    written = [line for line in lines(engine, clinician) if line.action == "getPatientsOverview"]
    assert len([line for line in written if line.subject_id]) == 2 * 6
    assert florence.get("/v1/patients/overview?silent_days=0").status_code == 422


# --- labels ---------------------------------------------------------------------------------------------


#: A place in the usual order, with a rank that no status has.
FORGED = encode(PatientSort.STATUS, Order.DESCENDING, Place(1_000_000, UUID(int=1)))


def call(client: httpx.Client, person: UUID, label: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    return client.put(f"/v1/patients/{person}/label", json={"label": label})


def test_a_label_is_its_clinicians_alone(
    florence: httpx.Client, sign_in: SignIn, engine: Engine, patient: Patient, clinician: UUID
) -> None:
    person, other = patient(scopes=(Scope.NOTES,)), add_user(engine, f"clinician-{new_id()}")
    add_grant(engine, person, other)

    response = call(florence, person, "Tuesdays, 10:30")

    assert response.json() == {"user_id": str(person), "label": "Tuesdays, 10:30"}
    assert pages(florence)[0][0]["label"] == "Tuesdays, 10:30"
    assert pages(sign_in(subject_of(engine, other), Role.CLINICIAN))[0][0]["label"] is None
    assert call(florence, person, "=Fridays").status_code == 200
    assert pages(florence)[0][0]["label"] == "=Fridays"
    assert call(florence, person, None).json()["label"] is None
    assert pages(florence)[0][0]["label"] is None
    (line, *_) = lines(engine, clinician)
    assert (line.action, line.outcome, line.subject_id) == ("labelPatient", "allowed", person)


def test_a_label_needs_a_live_grant_and_waits_for_the_next(
    florence: httpx.Client, engine: Engine, patient: Patient, clinician: UUID
) -> None:
    person = patient()
    call(florence, person, "Tuesdays")
    revoke(engine, person)

    refused, unknown = call(florence, person, "Fridays"), call(florence, new_id(), "Fridays")

    assert refused.status_code == unknown.status_code == 404
    assert refused.json() | {"instance": ""} == unknown.json() | {"instance": ""}
    add_grant(engine, person, clinician, Scope.TRENDS)
    assert pages(florence)[0][0]["label"] == "Tuesdays"


@pytest.mark.parametrize("label", ["", "a" * (LONGEST_LABEL + 1), "two\nlines", "a\0b", "\u2028", 3])
def test_what_is_no_label_is_refused(florence: httpx.Client, patient: Patient, label: object) -> None:
    response = call(florence, patient(), label)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["body.label"]


def test_labels_go_with_either_of_both(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    add_grant(engine, person, clinician)
    call(florence, person, "Tuesdays")
    for gone in (person, clinician):
        with engine.connect() as connection:  # never committed
            connection.execute(text("delete from grants where user_id = :id"), {"id": person})
            connection.execute(text("delete from invitations where user_id = :id"), {"id": person})
            connection.execute(text("delete from users where id = :id"), {"id": gone})
            assert connection.scalar(text("select count(*) from patient_labels")) == 0


# --- search ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("tues", {"Tuesdays 50%", "on tuesdays"}),
        ("ESDAYS", {"Tuesdays 50%", "on tuesdays"}),
        ("0%", {"Tuesdays 50%"}),
        ("%", {"Tuesdays 50%"}),
        ("_", {"a_b"}),
        ("/", {"Ä/Ö"}),
        ("ä/ö", {"Ä/Ö"}),
        ("\\", set()),
        ("Wednesdays", set()),
    ],
)
def test_whom_a_clinician_calls_something_can_be_found(
    florence: httpx.Client, patient: Patient, search: str, found: set[str]
) -> None:
    people = {label: patient() for label in ("Tuesdays 50%", "on tuesdays", "a_b", "Ä/Ö")}
    for label, person in people.items():
        call(florence, person, label)
    patient()

    assert set(listed(florence, search=search)) == {people[label] for label in found}


def test_somebody_can_be_found_by_their_id_in_full(florence: httpx.Client, patient: Patient) -> None:
    person, other, stranger = patient(), patient(), patient(scopes=())
    call(florence, other, str(person))

    assert set(listed(florence, search=str(person))) == {person, other}
    assert listed(florence, search=str(person).upper().replace("-", "")) == [person]
    assert listed(florence, search=str(person)[:-1]) == [other]
    assert listed(florence, search=str(stranger)) == []


def test_nobody_is_found_by_what_another_clinician_calls_them(
    florence: httpx.Client, sign_in: SignIn, engine: Engine, patient: Patient, clinician: UUID
) -> None:
    person, other = patient(), add_user(engine, f"clinician-{new_id()}")
    add_grant(engine, person, other)
    call(sign_in(subject_of(engine, other), Role.CLINICIAN), person, "Tuesdays")

    assert listed(florence, search="Tuesdays") == []
    assert person not in {line.subject_id for line in lines(engine, clinician)}, "and nobody was shown"


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("sort", PatientSort)
def test_pages_of_a_search_lead_through_everybody_once(
    florence: httpx.Client, patient: Patient, sort: PatientSort, order: Order
) -> None:
    people = []
    for place, z in enumerate((1.5, 1.5, None, 0.3, 2.5, None, 1.5)):
        person = patient(Status.ABOVE, seven_day_z=z, last_recorded_at=z and NOW - z * DAY)
        if place % 3:
            call(florence, person, f"Group {place}")
            people.append(person)

    found = pages(florence, sort=sort, order=order, search="group", limit=1)

    items = [item for page in found for item in page]
    assert [len(page) for page in found] == [1] * len(people)
    assert {UUID(item["user_id"]) for item in items} == set(people)
    assert items == pages(florence, sort=sort, order=order, search="group")[0]


# --- questions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("sort=name", "query.sort"),
        ("order=up", "query.order"),
        ("status=worse", "query.status.0"),
        ("open_alerts=maybe", "query.open_alerts"),
        ("staus=above", "query.staus"),
        ("cursor=abc", "cursor"),
        (f"cursor={'B' * 36}", "cursor"),
        (f"cursor={FORGED}", "cursor"),
        (f"cursor={'A' * 65}", "query.cursor"),
        ("search=", "query.search"),
        (f"search={'a' * (LONGEST_LABEL + 1)}", "query.search"),
        ("search=a%00", "query.search"),
    ],
)
def test_what_cannot_be_asked_is_refused(florence: httpx.Client, query: str, field: str) -> None:
    response = florence.get(f"/v1/patients?{query}")

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_cursor_holds_in_its_own_order_only(florence: httpx.Client, patient: Patient) -> None:
    for _ in range(2):
        patient()
    cursor = florence.get("/v1/patients?limit=1&sort=seven_day_z").json()["next_cursor"]

    assert florence.get(f"/v1/patients?cursor={cursor}&sort=seven_day_z&status=above").status_code == 200
    for other in ("sort=status", "sort=seven_day_z&order=asc", "sort=last_recorded"):
        assert florence.get(f"/v1/patients?cursor={cursor}&{other}").status_code == 422


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        (PatientSort.STATUS, 1),
        (PatientSort.STATUS, 6),
        (PatientSort.STATUS, None),
        (PatientSort.LAST_RECORDED, NOW),
        (PatientSort.LAST_RECORDED, datetime(1969, 12, 31, tzinfo=UTC)),
        (PatientSort.SEVEN_DAY_Z, 0.1 + 0.2),
        (PatientSort.SEVEN_DAY_Z, -3.5),
        (PatientSort.SEVEN_DAY_Z, None),
    ],
)
def test_a_cursor_is_a_place_and_names_nobody(sort: PatientSort, key: Key) -> None:
    place = Place(key, new_id())

    assert decode(encode(sort, Order.ASCENDING, place), sort, Order.ASCENDING) == place
    with pytest.raises(InvalidRequestError):
        decode(encode(sort, Order.ASCENDING, place), sort, Order.DESCENDING)


#: 2,000 people who all have a standing and some of them an alert. Each has given ten clinicians a grant; a
#: thousand of them gave one to the same.
CROWD = """
insert into users (id, subject) select uuidv7(), 'crowd-of-patients-' || n from generate_series(1, 2000) n;
create temporary table crowd on commit drop as
    select id, row_number() over (order by id) as n from users where subject like 'crowd-of-patients-%';
insert into standings (user_id, status, direction, seven_day_z, recording_days_7, recording_days_28, as_of,
    time_zone, last_recorded_at, evaluated_at, due_at)
select id, (array['below', 'within_range', 'above', 'well_above'])[1 + n % 4], 'steady', n / 1000.0, 3, 9,
    '2026-03-01', 'UTC', now() - make_interval(mins => cast(n as int)), now(), now() + interval '1 day'
from crowd;
insert into alerts (user_id, id, measure, opened_on, rule, rule_version, bundle_revision, reason)
select user_id, uuidv7(), 'stress_score', '2026-03-01', 'sustained_rise', '1', 'r1', '{}'
from standings where status = 'well_above';
insert into invitations (id, user_id, code_sha256, scopes, purpose, use_context, grant_days, created_at,
    expires_at, redeemed_at, redeemed_by)
select uuidv7(), crowd.id, sha256(cast(crowd.n || '-' || turn as bytea)), array['trends', 'alerts'],
    'Sessions', 'healthcare', 90, now(), now() + interval '1 day', now(),
    case when turn = 1 and crowd.n <= 1000 then cast(:mine as uuid) else other.id end
from crowd cross join generate_series(1, 10) turn
join crowd other on other.n = 1 + (crowd.n + 37 * turn) % 2000;
insert into grants (id, user_id, clinician_id, invitation_id, scopes, purpose, use_context, expires_at)
select uuidv7(), user_id, redeemed_by, id, scopes, purpose, use_context, now() + interval '90 days'
from invitations;
insert into patient_labels (clinician_id, user_id, label)
select clinician_id, user_id, 'On day ' || row_number() over () from grants;
analyze users, standings, alerts, invitations, grants, patient_labels
"""


@pytest.fixture
def crowded(engine: Engine, clinician: UUID) -> Iterator[Connection]:
    with engine.connect() as connection:  # never committed
        for part in CROWD.split(";"):
            connection.execute(text(part), {"mine": clinician} if ":mine" in part else {})
        yield connection


@pytest.mark.parametrize("limit", [20, 1000])
@pytest.mark.parametrize("sort", PatientSort)
def test_a_list_looks_into_indexes_whoever_else_there_is(
    crowded: Connection, clinician: UUID, sort: PatientSort, limit: int
) -> None:
    asked = Asked(clinician, "listPatients", None)
    people = {"among": {new_id() for _ in range(20)}}
    for more in ({}, {"statuses": [Status.ABOVE]}, {"open_alerts": True}, people):
        query = patients.page(asked, limit=limit, sort=sort, order=Order.DESCENDING, **more)
        plan = plan_of(crowded, query)
        indexed(plan)
        assert re.search("Index Scan using pk_patient_labels", plan), plan


def test_an_overview_looks_into_indexes_too(crowded: Connection, clinician: UUID) -> None:
    asked = Asked(clinician, "getPatientsOverview", None)
    indexed(plan_of(crowded, patients.overview(asked, silent=14 * DAY)))


def indexed(plan: str) -> None:
    assert "Seq Scan" not in plan, plan
    of_grants = "(uq_grants_current|ix_grants_clinician_id_id|ix_grants_clinician_id_user_id_id)"
    for index in (of_grants, "pk_standings", "uq_alerts_open"):
        assert re.search(rf"Index (Only )?Scan (using|on) {index}", plan), (index, plan)
    assert re.search(r"Index Cond: \(+clinician_id = ", plan), plan
