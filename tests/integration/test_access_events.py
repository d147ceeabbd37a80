"""What clinicians read is written down, with what they were refused, and what people do with their own; what
cannot be written down is not done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from factories import RUNNING, add_alert, add_grant, add_job, add_user, move_jobs, subject_of
from integration_support import SignIn, upload
from mindtrack_gateway.app import create_app
from mindtrack_gateway.identity import Role
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.ids import new_id

SUCCEEDED = "status = 'succeeded', worker_id = null, lease_expires_at = null, finished_at = now()"
VOLATILE = {"date", "x-request-id", "ratelimit"}


def written(engine: Engine, *people: UUID) -> list[Any]:
    """Return lines about these people, as who reads or whose it is, oldest first."""
    with engine.connect() as connection:
        statement = (
            "select * from access_events where actor_id = any(:ids) or subject_id = any(:ids) order by id"
        )
        return list(connection.execute(text(statement), {"ids": list(people)}))


def trends(client: httpx.Client, person: UUID | str) -> httpx.Response:
    return client.get(f"/v1/users/{person}/trends")


def told(response: httpx.Response) -> tuple[str, dict[str, str]]:
    ours = {name: value for name, value in response.headers.items() if name not in VOLATILE}
    return response.text, ours


def analysed(engine: Engine, person: UUID) -> str:
    job_id = add_job(engine, person)
    move_jobs(engine, job_id, to=RUNNING)
    move_jobs(engine, job_id, to=SUCCEEDED)
    return str(job_id)


def test_a_line_says_who_read_what_of_whom_by_which_grant(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    grant = add_grant(engine, person, clinician, Scope.TRENDS)

    response = trends(florence, person)

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json()["user_id"] == str(person)
    (line,) = written(engine, person)
    assert (line.actor_id, line.actor_role, line.subject_id) == (clinician, "clinician", person)
    assert (line.action, line.outcome, line.grant_id) == ("getTrends", "allowed", grant)
    assert line.request_id == UUID(response.headers["X-Request-ID"])
    assert timedelta(0) <= datetime.now(UTC) - line.at < timedelta(minutes=1)


@contextmanager
def broken(engine: Engine, how: str, undo: str) -> Iterator[None]:
    with engine.begin() as connection:
        connection.execute(text(how))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text(undo))


UNWRITABLE = {
    "at once": (
        "alter table access_events add constraint full_up check (false) not valid",
        "alter table access_events drop constraint full_up",
    ),
    "at the end": (
        """
        create function lose() returns trigger language plpgsql as $$ begin raise 'lost'; end $$;
        create constraint trigger lost after insert on access_events deferrable initially deferred
            for each row execute function lose()
        """,
        "drop function lose cascade",
    ),
}


def for_another(engine: Engine, person: UUID, _clinician: UUID) -> None:
    add_grant(engine, person, add_user(engine, "other"))


def the_other_way_round(engine: Engine, person: UUID, clinician: UUID) -> None:
    add_grant(engine, clinician, person)


def revoked(engine: Engine, person: UUID, clinician: UUID) -> UUID:
    grant = add_grant(engine, person, clinician)
    with engine.begin() as connection:
        statement = "update grants set revoked_at = now(), revoked_by = 'person' where id = :id"
        connection.execute(text(statement), {"id": grant})
    return grant


#: How a grant can be of no use; returns the one that the line names.
USELESS: dict[str, Callable[[Engine, UUID, UUID], UUID | None]] = {
    "never": lambda *_: None,
    "another scope": lambda engine, person, clinician: add_grant(engine, person, clinician, Scope.ANALYSES),
    "expired": lambda engine, person, clinician: add_grant(
        engine, person, clinician, since=timedelta(days=2), lasting=timedelta(days=2, seconds=-1)
    ),
    "revoked": revoked,
    "for another": for_another,
    "the other way round": the_other_way_round,
}


@pytest.mark.parametrize("useless", USELESS)
def test_a_refusal_looks_like_nobody_and_is_written_down(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID, useless: str
) -> None:
    grant = USELESS[useless](engine, person, clinician)
    nobody = new_id()

    refused, unknown = trends(florence, person), trends(florence, nobody)

    assert refused.status_code == unknown.status_code == 404
    assert told(refused)[0].replace(str(person), str(nobody)) == told(unknown)[0]
    assert told(refused)[1] == told(unknown)[1]
    of_person, of_nobody = written(engine, clinician)
    assert (of_person.subject_id, of_person.grant_id, of_person.outcome) == (person, grant, "refused")
    assert (of_nobody.subject_id, of_nobody.grant_id, of_nobody.outcome) == (None, None, "refused")


def test_the_last_of_several_former_grants_is_named(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    revoked(engine, person, clinician)
    last = revoked(engine, person, clinician)

    assert trends(florence, person).status_code == 404
    assert written(engine, person)[0].grant_id == last


@pytest.mark.parametrize("roles", [(Role.USER,), (Role.USER, Role.CLINICIAN)])
def test_who_reads_their_own_leaves_no_line(
    sign_in: SignIn, engine: Engine, person: UUID, roles: tuple[Role, ...]
) -> None:
    own = sign_in(subject_of(engine, person), *roles)

    assert trends(own, "me").status_code == trends(own, person).status_code == 200
    assert written(engine, person) == []


#: What leaves a line of one's own, and what of one's own does not: read, or no health data.
OWN: dict[str, Callable[[httpx.Client, Engine, UUID], httpx.Response]] = {
    "submitRecording": lambda own, *_: upload(own),
    "cancelJob": lambda own, engine, person: own.post(f"/v1/jobs/{add_job(engine, person)}/cancel"),
    "deleteJob": lambda own, engine, person: own.delete(f"/v1/jobs/{add_job(engine, person)}"),
    "giveFeedback": lambda own, engine, person: own.post(
        f"/v1/jobs/{analysed(engine, person)}/feedback", json={"stress": 7}
    ),
    "acknowledgeAlert": lambda own, engine, person: own.post(
        f"/v1/users/me/alerts/{add_alert(engine, person)}/acknowledge"
    ),
    "exportHistory": lambda own, *_: own.get("/v1/users/me/history.csv"),
    "exportAnalyses": lambda own, *_: own.get("/v1/users/me/analyses.csv"),
    "listObservations": lambda own, *_: own.get("/v1/users/me/fhir/observations"),
    "eraseEverything": lambda own, *_: own.request(
        "DELETE", "/v1/users/me", json={"confirm": "erase everything"}
    ),
}
LEAVES_NONE = {
    # Bytes that are no recording yet: `submitRecording` makes them one.
    *("createUpload", "putUpload", "getJobStatuses"),
    # Submits, as `submitRecording` does, and is named like it.
    "analyzeStress",
    # Of others, which leave lines of their own; and who may see something: rows with a history.
    *("createNote", "changeNote", "deleteNote", "labelPatient", "breakGlass"),
    *("createInvitation", "withdrawInvitation", "redeemInvitation", "revokeGrant"),
    # Where to send word, which holds no health data.
    *("setNotifications", "testNotifications", "createWebhook", "changeWebhook", "deleteWebhook"),
    *("rotateWebhookSecret", "pingWebhook", "redeliverWebhook"),
}


@pytest.mark.parametrize("action", OWN)
def test_who_changes_or_takes_out_their_own_leaves_a_line(
    sign_in: SignIn, engine: Engine, person: UUID, action: str
) -> None:
    own = sign_in(subject_of(engine, person), Role.USER)

    response = OWN[action](own, engine, person)

    assert response.is_success, response.text
    (line,) = written(engine, person)
    assert (line.actor_id, line.actor_role, line.subject_id) == (person, "self", person)
    assert (line.action, line.outcome) == (action, "allowed")
    assert line.request_id == UUID(response.headers["X-Request-ID"])


def test_every_route_that_changes_something_is_one_or_the_other() -> None:
    changing = {
        each["operationId"]
        for methods in create_app().openapi()["paths"].values()
        for method, each in methods.items()
        if method != "get"
    }
    exports = {"exportHistory", "exportAnalyses", "listObservations"}
    assert changing == LEAVES_NONE | OWN.keys() - exports
    assert not LEAVES_NONE & OWN.keys()


def test_what_comes_to_nothing_of_ones_own_leaves_none(sign_in: SignIn, engine: Engine, person: UUID) -> None:
    own = sign_in(subject_of(engine, person), Role.USER)
    waiting = add_job(engine, person)

    assert own.post(f"/v1/jobs/{waiting}/feedback", json={"stress": 7}).status_code == 409
    assert own.delete(f"/v1/jobs/{new_id()}").status_code == 404
    assert written(engine, person) == []


@pytest.mark.parametrize("when", UNWRITABLE)
def test_what_cannot_be_written_down_is_not_done(
    sign_in: SignIn, engine: Engine, person: UUID, when: str
) -> None:
    job = add_job(engine, person)
    subject = subject_of(engine, person)
    with broken(engine, *UNWRITABLE[when]):
        assert sign_in(subject, Role.USER).delete(f"/v1/jobs/{job}").status_code == 500

    assert sign_in(subject, Role.USER).get(f"/v1/jobs/{job}").status_code == 200


@pytest.mark.parametrize(
    ("asked", "action"),
    [
        (("GET", ""), "getJob"),
        (("GET", "/events"), "followJob"),
        (("POST", "/cancel"), "cancelJob"),
        (("DELETE", ""), "deleteJob"),
        (("POST", "/feedback"), "giveFeedback"),
    ],
)
def test_who_asks_for_a_strangers_job_is_written_down(
    grace: httpx.Client, engine: Engine, person: UUID, asked: tuple[str, str], action: str
) -> None:
    method, below = asked
    stranger = UUID(grace.get("/v1/users/me/trends").json()["user_id"])
    said = {"mood": 4} if action == "giveFeedback" else None
    before = len(written(engine, stranger, person))

    for job_id in (analysed(engine, person), new_id()):
        assert grace.request(method, f"/v1/jobs/{job_id}{below}", json=said).status_code == 404

    (line,) = written(engine, stranger, person)[before:]
    assert (line.actor_id, line.actor_role, line.subject_id) == (stranger, "self", person)
    assert (line.action, line.outcome) == (action, "refused")
    assert line.request_id is not None


def test_who_asks_for_a_strangers_is_refused_and_written_down(
    sign_in: SignIn, engine: Engine, person: UUID
) -> None:
    stranger = add_user(engine, "stranger")

    assert trends(sign_in("stranger", Role.USER), person).status_code == 404
    (line,) = written(engine, person)
    assert (line.actor_id, line.actor_role, line.outcome) == (stranger, "self", "refused")


def test_nobody_is_their_own_clinician(florence: httpx.Client, engine: Engine, clinician: UUID) -> None:
    assert trends(florence, "me").status_code == trends(florence, clinician).status_code == 404
    assert {line.outcome for line in written(engine, clinician)} == {"refused"}


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.SERVICE])
def test_other_roles_are_let_in_nowhere_and_leave_no_line(
    sign_in: SignIn, engine: Engine, person: UUID, clinician: UUID, role: Role
) -> None:
    add_grant(engine, person, clinician)
    other = sign_in(subject_of(engine, clinician), role)

    assert trends(other, person).status_code == 403
    assert written(engine, person) == []


def test_a_clinician_reads_and_gives_feedback(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    job = analysed(engine, person)
    grant = add_grant(engine, person, clinician, Scope.FEEDBACK)

    assert florence.post(f"/v1/jobs/{job}/feedback", json={"label": "Sad"}).status_code == 201
    (item,) = florence.get(f"/v1/jobs/{job}/feedback").json()["items"]

    assert (item["kind"], item["label"]) == ("clinician", "Sad")
    assert [(line.action, line.outcome, line.grant_id) for line in written(engine, person)] == [
        ("giveFeedback", "allowed", grant),
        ("getFeedback", "allowed", grant),
    ]
    assert trends(florence, person).status_code == 404, "another scope"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_job_of_somebody_who_did_not_grant_it_looks_like_none(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID, method: str
) -> None:
    job, never = analysed(engine, person), str(new_id())
    add_grant(engine, person, clinician, Scope.TRENDS, Scope.ANALYSES)
    body = {"label": "Sad"} if method == "POST" else None

    foreign, unknown = (
        florence.request(method, f"/v1/jobs/{asked}/feedback", json=body) for asked in (job, never)
    )

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(job, never) == unknown.text
    of_person, of_nobody = written(engine, clinician)
    assert (of_person.subject_id, of_nobody.subject_id) == (person, None)
    assert of_person.outcome == of_nobody.outcome == "refused"


def test_an_attempt_that_comes_to_nothing_is_written_down_without_what_it_began(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    waiting = add_job(engine, person)
    add_grant(engine, person, clinician, Scope.FEEDBACK)

    assert florence.post(f"/v1/jobs/{waiting}/feedback", json={"label": "Sad"}).status_code == 409
    (line,) = written(engine, person)
    assert (line.action, line.outcome) == ("giveFeedback", "allowed")


@pytest.mark.parametrize("when", UNWRITABLE)
def test_what_cannot_be_written_down_is_not_read(
    sign_in: SignIn, engine: Engine, person: UUID, clinician: UUID, when: str
) -> None:
    add_grant(engine, person, clinician)
    subject = subject_of(engine, clinician)
    with broken(engine, *UNWRITABLE[when]):
        response = trends(sign_in(subject, Role.CLINICIAN), person)

    assert response.status_code == 500
    assert str(person) not in response.text.replace(response.json()["instance"], "")
    assert written(engine, person) == []
    # On another connection: the server hangs up after an error of its own.
    assert trends(sign_in(subject, Role.CLINICIAN), person).status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "update access_events set outcome = 'refused'",
        "update access_events set outcome = outcome where false",
        "delete from access_events",
        "truncate access_events",
        "truncate access_events, users cascade",
    ],
)
def test_lines_stay_as_they_were_written(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID, statement: str
) -> None:
    add_grant(engine, person, clinician)
    trends(florence, person)
    before = written(engine, person)

    with pytest.raises(IntegrityError, match="only grows"), engine.begin() as connection:
        connection.execute(text(statement))

    assert written(engine, person) == before
    assert len(before) == 1


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({}, None),
        ({"outcome": "'refused'", "subject_id": "null", "grant_id": "null"}, None),
        ({"outcome": "'refused'", "grant_id": "null"}, None),
        ({"actor_role": "'operator'"}, "actor_role_known"),
        ({"actor_role": "'self'", "actor_id": ":person", "grant_id": "null"}, None),
        ({"actor_role": "'self'", "grant_id": "null"}, "allowed_by_a_grant"),
        ({"actor_id": ":person", "grant_id": "null"}, "allowed_by_a_grant"),
        ({"outcome": "'maybe'"}, "outcome_known"),
        ({"action": "'GET /v1/users?name=ada'"}, "action_is_a_name"),
        ({"action": f"'{'a' * 65}'"}, "action_is_a_name"),
        ({"grant_id": "null"}, "allowed_by_a_grant"),
        ({"subject_id": "null"}, "grant_of_a_person"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(
    engine: Engine, person: UUID, change: dict[str, str], constraint: str | None
) -> None:
    row = {
        "id": "uuidv7()",
        "actor_id": "uuidv7()",
        "actor_role": "'clinician'",
        "subject_id": ":person",
        "grant_id": "uuidv7()",
        "action": "'getTrends'",
        "outcome": "'allowed'",
    } | change
    statement = f"insert into access_events ({', '.join(row)}) values ({', '.join(row.values())})"  # noqa: S608

    def insert() -> None:
        with engine.begin() as connection:
            connection.execute(text(statement), {"person": person} if ":person" in statement else {})

    if constraint is None:
        insert()
    else:
        with pytest.raises(IntegrityError, match=constraint):
            insert()
