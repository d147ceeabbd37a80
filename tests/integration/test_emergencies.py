"""In an emergency, somebody reads without a grant: for a reason, for an hour, and not unnoticed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from factories import add_alert, add_grant, add_user, subject_of
from integration_support import SignIn
from mindtrack_gateway.identity import Role
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.ids import new_id

REASON = "Found unconscious; nobody can be asked."


@pytest.fixture
def helper(engine: Engine) -> UUID:
    return add_user(engine, f"helper-{new_id()}")


@pytest.fixture
def aider(sign_in: SignIn, engine: Engine, helper: UUID) -> httpx.Client:
    """An operator who may break the glass."""
    return sign_in(subject_of(engine, helper), Role.OPERATOR, Role.EMERGENCY)


def open_glass(client: httpx.Client, person: UUID, reason: str = REASON) -> httpx.Response:
    return client.post("/v1/break-glass", json={"user_id": str(person), "reason": reason})


def lines(engine: Engine, actor: UUID) -> list[Any]:
    with engine.connect() as connection:
        asked = text("select * from access_events where actor_id = :actor order by id")
        return list(connection.execute(asked, {"actor": actor}))


def expire(engine: Engine, person: UUID) -> None:
    """Let an hour pass: the table refuses to be told so."""
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(
            text(
                "update emergencies set opened_at = opened_at - interval '1 hour',"
                " expires_at = expires_at - interval '1 hour' where user_id = :person"
            ),
            {"person": person},
        )


READ = (
    "trends",
    "history",
    "analyses",
    "alerts",
    "notes",
    "history.csv",
    "analyses.csv",
    "fhir/observations",
)


def test_all_is_open_to_read_for_an_hour(
    aider: httpx.Client, engine: Engine, person: UUID, helper: UUID
) -> None:
    for path in READ:
        assert aider.get(f"/v1/users/{person}/{path}").status_code == 404, "not yet"

    response = open_glass(aider, person)
    assert response.status_code == 201, response.text
    assert response.headers["Cache-Control"] == "no-store"
    opened = response.json()
    lasts = datetime.fromisoformat(opened["expires_at"]) - datetime.fromisoformat(opened["opened_at"])
    assert (opened["user_id"], opened["reason"], lasts) == (str(person), REASON, timedelta(hours=1))

    for path in READ:
        assert aider.get(f"/v1/users/{person}/{path}").status_code == 200, path
    expire(engine, person)
    for path in READ:
        assert aider.get(f"/v1/users/{person}/{path}").status_code == 404, "not any more"
    allowed = [line for line in lines(engine, helper) if line.outcome == "allowed"]
    assert {(str(line.emergency_id), line.actor_role, line.grant_id) for line in allowed} == {
        (opened["id"], "emergency", None)
    }
    assert next(line.action for line in allowed) == "breakGlass"
    assert len(allowed) == 1 + len(READ)
    assert len(lines(engine, helper)) == 1 + 3 * len(READ), "refusals, too"


def test_it_opens_one_person_to_one_person(
    aider: httpx.Client, sign_in: SignIn, engine: Engine, person: UUID
) -> None:
    other = add_user(engine, f"other-{new_id()}")
    assert open_glass(aider, person).status_code == 201

    assert aider.get(f"/v1/users/{other}/trends").status_code == 404
    another = sign_in(f"another-{new_id()}", Role.OPERATOR, Role.EMERGENCY)
    assert another.get(f"/v1/users/{person}/trends").status_code == 404


def test_without_the_role_it_is_closed_and_closes_again(
    sign_in: SignIn, engine: Engine, person: UUID, helper: UUID, aider: httpx.Client
) -> None:
    for role in set(Role) - {Role.EMERGENCY}:
        assert open_glass(sign_in(f"only-{role}", role), person).status_code == 403
    assert open_glass(aider, person).status_code == 201
    former = sign_in(subject_of(engine, helper), Role.OPERATOR, Role.CLINICIAN)
    assert former.get(f"/v1/users/{person}/trends").status_code == 404, "the role was taken away"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "urgent"},
        {"reason": " " * 40},
        {"reason": "x" * 501},
        {"reason": "Two lines\nof which one hides."},
        {"reason": REASON, "hours": 9},
    ],
)
def test_a_reason_is_required(
    aider: httpx.Client, engine: Engine, person: UUID, helper: UUID, body: dict[str, object]
) -> None:
    response = aider.post("/v1/break-glass", json={"user_id": str(person), **body})

    assert (response.status_code, response.json()["type"]) == (422, "urn:mindtrack:problem:invalid-request")
    assert lines(engine, helper) == []
    assert aider.get(f"/v1/users/{person}/trends").status_code == 404


def test_nobody_and_oneself_are_refused_and_written_down(
    aider: httpx.Client, engine: Engine, helper: UUID
) -> None:
    assert open_glass(aider, new_id()).status_code == open_glass(aider, helper).status_code == 404
    assert [(line.action, line.outcome, line.subject_id) for line in lines(engine, helper)] == [
        ("breakGlass", "refused", None)
    ] * 2


def test_it_changes_nothing(aider: httpx.Client, sign_in: SignIn, engine: Engine, person: UUID) -> None:
    doctor = add_user(engine, f"doctor-{new_id()}")
    both = sign_in(subject_of(engine, doctor), Role.CLINICIAN, Role.EMERGENCY)
    alert = add_alert(engine, person)
    for client in (aider, both):
        assert open_glass(client, person).status_code == 201
    base = f"/v1/users/{person}"
    assert both.get(f"{base}/alerts/{alert}").status_code == 200

    assert both.post(f"{base}/notes", json={"text": "Well."}).status_code == 404
    assert both.put(f"/v1/patients/{person}/label", json={"label": "Tuesdays"}).status_code == 404
    assert both.post(f"{base}/alerts/{alert}/acknowledge").status_code == 404
    assert both.get("/v1/patients").json()["items"] == []
    assert aider.post(f"{base}/alerts/{alert}/acknowledge").status_code == 403
    assert aider.get("/v1/jobs").status_code == 403


def test_the_person_is_told(
    aider: httpx.Client, sign_in: SignIn, engine: Engine, person: UUID, helper: UUID
) -> None:
    own = sign_in(subject_of(engine, person), Role.USER)
    opened = open_glass(aider, person).json()
    aider.get(f"/v1/users/{person}/trends")

    items = own.get("/v1/users/me/accesses").json()["items"]
    assert [(item["action"], item["reason"], item["grant_id"], item["clinician_id"]) for item in items] == [
        ("getTrends", REASON, None, str(helper)),
        ("breakGlass", REASON, None, str(helper)),
    ]
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from notifications")) == 0, "they asked for none"
    assert opened["id"] not in str(items), "an id of no use to them"


def test_who_asked_for_messages_gets_one_when_it_is_over(
    aider: httpx.Client, engine: Engine, person: UUID
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "insert into notification_preferences (user_id, enabled, quiet_begin, quiet_end)"
                " values (:person, true, '21:00', '08:00')"
            ),
            {"person": person},
        )
        connection.execute(
            text(
                "insert into notification_addresses (id, user_id, channel, address)"
                " values (uuidv7(), :person, 'email', 'ada@example.org')"
            ),
            {"person": person},
        )
    opened = open_glass(aider, person).json()

    with engine.connect() as connection:
        (queued,) = connection.execute(text("select * from notifications"))
    assert (queued.user_id, queued.occasion, queued.state) == (person, "emergency", "pending")
    assert queued.not_before == datetime.fromisoformat(opened["expires_at"])


def test_a_grant_counts_before_an_emergency(sign_in: SignIn, engine: Engine, person: UUID) -> None:
    doctor = add_user(engine, f"doctor-{new_id()}")
    both = sign_in(subject_of(engine, doctor), Role.CLINICIAN, Role.EMERGENCY)
    grant = add_grant(engine, person, doctor, Scope.TRENDS)
    open_glass(both, person)

    assert both.get(f"/v1/users/{person}/trends").status_code == 200
    assert both.get(f"/v1/users/{person}/analyses").status_code == 200
    by_grant, in_emergency = lines(engine, doctor)[1:]
    assert (by_grant.actor_role, by_grant.grant_id, by_grant.emergency_id) == ("clinician", grant, None)
    assert (in_emergency.actor_role, in_emergency.grant_id) == ("emergency", None)


@pytest.mark.parametrize(
    "statement",
    ["update emergencies set reason = reason", "delete from emergencies", "truncate emergencies"],
)
def test_emergencies_stay_as_they_were(
    aider: httpx.Client, engine: Engine, person: UUID, statement: str
) -> None:
    open_glass(aider, person)
    with pytest.raises(IntegrityError, match="only grows"), engine.begin() as connection:
        connection.execute(text(statement))
