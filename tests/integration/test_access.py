"""Every route by every role, and by the owner, a stranger, clinicians with and without a grant, and for an id
that never was.

A route of the interface without a row here fails. Whoever lacks the role is told so; whoever lacks the row
gets the very bytes that an unknown id gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import add_alert, add_grant, add_user, end_jobs
from integration_support import upload
from mindtrack_gateway.app import create_app
from mindtrack_gateway.identity import Role
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db.models import Note
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.ids import new_id

UNKNOWN = "00000000-0000-7000-8000-000000000000"
METHODS = {"get", "post", "put", "patch", "delete"}

USERS = frozenset({Role.USER})
CLINICIANS = frozenset({Role.CLINICIAN})
OPERATORS = frozenset({Role.OPERATOR})
READERS = USERS | CLINICIANS
EMERGENCY = frozenset({Role.EMERGENCY})
#: Of routes that change nothing.
LOOKERS = READERS | EMERGENCY


@dataclass(frozen=True)
class Row:
    #: Whose roles open it.
    roles: frozenset[Role] = USERS
    #: What a grant must open for a clinician to find the row.
    scope: Scope | None = None
    #: Whether any other scope will do, too.
    any_scope: bool = False
    #: What its id names; None for a route without one.
    names: str | None = None
    body: dict[str, Any] | None = None
    #: What a clinician sends instead.
    label: dict[str, Any] | None = None
    #: Of the owner's request.
    status: frozenset[int] = field(default_factory=lambda: frozenset({200, 201, 202, 204}))
    streams: bool = False


JOB = "job"
PERSON = "person"
NOTE = "note"
WEBHOOK = "webhook"
INVITATION = "invitation"
GRANT = "grant"
INVITED = {"scopes": ["trends"], "purpose": "Sessions", "use_context": "healthcare"}
ALERT = "alert"
HOOK = {"url": "http://127.0.0.1:9/hook", "events": ["job.succeeded"]}

ROWS: dict[str, Row] = {
    "submitRecording": Row(body={"upload_id": UNKNOWN}, status=frozenset({404})),
    "analyzeStress": Row(body={"upload_id": UNKNOWN}, status=frozenset({404})),
    "createUpload": Row(body={}),
    "listJobs": Row(),
    "getJobStatuses": Row(body={"ids": [UNKNOWN]}),
    "getJob": Row(names=JOB),
    "deleteJob": Row(names=JOB),
    "cancelJob": Row(names=JOB, status=frozenset({409})),
    "followJob": Row(names=JOB),
    "followJobs": Row(streams=True),
    "giveFeedback": Row(
        roles=READERS,
        scope=Scope.FEEDBACK,
        names=JOB,
        body={"stress": 3},
        label={"label": "Stressed"},
        status=frozenset({409}),
    ),
    "getFeedback": Row(roles=LOOKERS, scope=Scope.FEEDBACK, names=JOB),
    "getTrends": Row(roles=LOOKERS, scope=Scope.TRENDS, names=PERSON),
    "listAnalyses": Row(roles=LOOKERS, scope=Scope.ANALYSES, names=PERSON),
    "listPatients": Row(roles=CLINICIANS),
    "getPatientsOverview": Row(roles=CLINICIANS),
    "labelPatient": Row(roles=CLINICIANS, any_scope=True, names=PERSON, body={"label": "Tuesdays"}),
    "getHistory": Row(roles=LOOKERS, scope=Scope.TRENDS, names=PERSON),
    "exportHistory": Row(roles=LOOKERS, scope=Scope.TRENDS, names=PERSON),
    "exportAnalyses": Row(roles=LOOKERS, scope=Scope.ANALYSES, names=PERSON),
    "listObservations": Row(roles=LOOKERS, scope=Scope.ANALYSES, names=PERSON),
    "createNote": Row(roles=CLINICIANS, scope=Scope.NOTES, names=PERSON, body={"text": "Well."}),
    "listNotes": Row(roles=LOOKERS, scope=Scope.NOTES, names=PERSON),
    "getNote": Row(roles=LOOKERS, scope=Scope.NOTES, names=NOTE),
    "changeNote": Row(roles=CLINICIANS, scope=Scope.NOTES, names=NOTE, body={"text": "Better."}),
    "deleteNote": Row(roles=CLINICIANS, scope=Scope.NOTES, names=NOTE),
    "createInvitation": Row(body=INVITED),
    "listInvitations": Row(),
    "withdrawInvitation": Row(names=INVITATION),
    "redeemInvitation": Row(roles=CLINICIANS, body={"code": "0000-0000-0000-0000"}, status=frozenset({404})),
    "listGrants": Row(roles=READERS),
    "revokeGrant": Row(roles=READERS, names=GRANT),
    "listAccesses": Row(),
    "breakGlass": Row(
        roles=EMERGENCY,
        body={"user_id": UNKNOWN, "reason": "Nobody can be asked just now."},
        status=frozenset({404}),
    ),
    "eraseEverything": Row(body={"confirm": "erase everything"}),
    "listAlerts": Row(roles=LOOKERS, scope=Scope.ALERTS, names=PERSON),
    "getAlert": Row(roles=LOOKERS, scope=Scope.ALERTS, names=ALERT),
    "acknowledgeAlert": Row(roles=READERS, scope=Scope.ALERTS, names=ALERT),
    "getNotifications": Row(),
    "setNotifications": Row(body={"enabled": False}),
    "testNotifications": Row(status=frozenset({409})),  # without an address
    "getOperations": Row(roles=OPERATORS),
    "listWebhooks": Row(),
    "createWebhook": Row(body=HOOK),
    "getWebhook": Row(names=WEBHOOK),
    "changeWebhook": Row(names=WEBHOOK, body={"description": "mine"}),
    "deleteWebhook": Row(names=WEBHOOK),
    "rotateWebhookSecret": Row(names=WEBHOOK),
    "pingWebhook": Row(names=WEBHOOK),
    "listWebhookDeliveries": Row(names=WEBHOOK),
    "redeliverWebhook": Row(names=WEBHOOK, status=frozenset({404})),  # of a delivery that never was
}


def operations() -> dict[str, tuple[str, str]]:
    """Return method and path of every operation that wants a token."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, item in create_app().openapi()["paths"].items()
        for method, operation in item.items()
        if method in METHODS and "security" in operation
    }


OPERATIONS = operations()


def test_every_route_has_a_row() -> None:
    assert ROWS.keys() == OPERATIONS.keys()


class Caller:
    def __init__(self, gateway: str, token: str | None, *, labels: bool) -> None:
        self._labels = labels
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(base_url=gateway, headers=headers, timeout=30)

    def call(self, operation: str, target: str = UNKNOWN) -> httpx.Response:
        row = ROWS[operation]
        method, path = OPERATIONS[operation]
        target, _, part = target.partition("/")
        for name in ("note_id", "alert_id"):
            path = path.replace(f"{{{name}}}", part or UNKNOWN)
        for name in ("job_id", "user_id", "webhook_id", "invitation_id", "grant_id"):
            path = path.replace(f"{{{name}}}", target)
        path = path.replace("{delivery_id}", UNKNOWN)
        if row.streams:
            with self.client.stream(method, path) as response:
                if response.is_success:
                    return response
                response.read()
                return response
        return self.client.request(method, path, json=row.label if self._labels and row.label else row.body)


@pytest.fixture
def caller(gateway: str, infrastructure: Infrastructure) -> Iterator[Callable[..., Caller]]:
    with ExitStack() as opened:

        def make(subject: str | None, *roles: Role) -> Caller:
            token = infrastructure.issuer.token(subject, *(role.value for role in roles)) if subject else None
            made = Caller(gateway, token, labels=Role.CLINICIAN in roles)
            opened.enter_context(made.client)
            return made

        yield make


@pytest.fixture
def target(ada: httpx.Client, engine: Engine) -> Callable[..., str]:
    """Make what a row's id names, as Ada's; what a clinician writes, by one of them."""

    def make(row: Row, clinician: UUID | None = None) -> str:  # noqa: PLR0911 - one for each
        match row.names:
            case "job":
                job_id: str = upload(ada).json()["id"]
                end_jobs(engine, UUID(job_id))
                return job_id
            case "webhook":
                webhook: str = ada.post("/v1/webhooks", json=HOOK).json()["id"]
                return webhook
            case "invitation":
                invitation: str = ada.post("/v1/invitations", json=INVITED).json()["id"]
                return invitation
            case "grant":
                return str(add_grant(engine, add_user(engine, "ada"), add_user(engine, "another")))
            case "note":
                note = Note(
                    user_id=add_user(engine, "ada"),
                    author_id=clinician or add_user(engine, "another"),
                    text="Well.",
                )
                with Session(engine, expire_on_commit=False) as session, session.begin():
                    session.add(note)
                return f"{note.user_id}/{note.id}"
            case "alert":
                person_id = add_user(engine, "ada")
                return f"{person_id}/{add_alert(engine, person_id)}"
            case "person":
                person: str = ada.get("/v1/users/me/trends").json()["user_id"]
                return person
            case _:
                return UNKNOWN

    return make


@pytest.mark.parametrize("operation", ROWS)
def test_without_a_token_nothing_opens(caller: Callable[..., Caller], operation: str) -> None:
    response = caller(None).call(operation)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("operation", ROWS)
def test_a_role_opens_what_it_opens(caller: Callable[..., Caller], operation: str, role: Role) -> None:
    """For an id that never was: whoever is let in finds nothing, or does what needs none."""
    response = caller(f"only-{role}", role).call(operation)
    if role in ROWS[operation].roles:
        assert response.status_code in ({404} if ROWS[operation].names else ROWS[operation].status)
    else:
        assert response.status_code == 403


@pytest.mark.parametrize(
    "operation", [name for name, row in ROWS.items() if row.names and Role.USER in row.roles]
)
def test_only_the_owner_finds_it(
    caller: Callable[..., Caller], target: Callable[..., str], operation: str
) -> None:
    row = ROWS[operation]
    own = target(row)
    stranger = caller("grace", Role.USER)

    foreign, unknown = stranger.call(operation, own), stranger.call(operation, UNKNOWN)
    assert foreign.status_code == unknown.status_code == 404
    assert alike(foreign, own) == alike(unknown, UNKNOWN)

    assert caller("ada", Role.USER).call(operation, own).status_code in row.status, "the owner does"


#: Of every answer, whatever it says.
VOLATILE = {"date", "x-request-id", "ratelimit"}


def alike(response: httpx.Response, asked: str) -> tuple[int, str, dict[str, str]]:
    """Return what an answer says, apart from the id that was asked for."""
    ours = {name: value for name, value in response.headers.items() if name not in VOLATILE}
    said = response.text
    for part in asked.split("/"):
        said = said.replace(part, UNKNOWN)
    return response.status_code, said, ours


SITUATIONS = ("granted", "another scope", "revoked", "expired", "for another", "never")


def bring_about(engine: Engine, situation: str, clinician: UUID, scope: Scope | None) -> None:
    """Have Ada and a clinician stand to each other in some way; a grant of no scope opens everything."""
    ada = add_user(engine, "ada")
    others = [other for other in Scope if other is not scope]
    everything = [scope] if scope else others
    match situation:
        case "granted":
            add_grant(engine, ada, clinician, *everything)
        case "another scope":
            add_grant(engine, ada, clinician, *others)
        case "revoked":
            grant = add_grant(engine, ada, clinician)
            with engine.begin() as connection:
                statement = "update grants set revoked_at = now(), revoked_by = 'person' where id = :id"
                connection.execute(text(statement), {"id": grant})
        case "expired":
            lasting = timedelta(days=2)
            add_grant(engine, ada, clinician, since=lasting + timedelta(seconds=1), lasting=lasting)
        case "for another":
            add_grant(engine, ada, add_user(engine, "yet another"))


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("operation", ROWS)
def test_a_clinician_finds_what_a_live_grant_opens(
    caller: Callable[..., Caller],
    target: Callable[..., str],
    engine: Engine,
    operation: str,
    situation: str,
) -> None:
    row, subject = ROWS[operation], f"clinician-{new_id()}"
    clinician = caller(subject, Role.CLINICIAN)
    own = target(row, add_user(engine, subject))
    bring_about(engine, situation, add_user(engine, subject), row.scope)
    opened = situation == "granted" or (row.any_scope and situation == "another scope")

    asked, unknown = clinician.call(operation, own), clinician.call(operation, UNKNOWN)

    if Role.CLINICIAN not in row.roles:
        assert asked.status_code == 403, "whatever was granted"
    elif (row.scope is not None or row.any_scope) and opened:
        assert asked.status_code in row.status
        assert unknown.status_code == 404
    elif row.names is not None:
        assert alike(asked, own) == alike(unknown, UNKNOWN)
        assert asked.status_code == 404


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.SERVICE])
@pytest.mark.parametrize("operation", ROWS)
def test_a_grant_opens_nothing_to_other_roles(
    caller: Callable[..., Caller],
    target: Callable[..., str],
    engine: Engine,
    operation: str,
    role: Role,
) -> None:
    row = ROWS[operation]
    own, subject = target(row), f"{role}-{new_id()}"
    bring_about(engine, "granted", add_user(engine, subject), row.scope)

    status = caller(subject, role).call(operation, own).status_code
    assert status == 403 if role not in row.roles else status in row.status


@pytest.mark.parametrize(
    "operation", [name for name, row in ROWS.items() if row.scope and Role.USER in row.roles]
)
def test_a_grant_opens_nothing_to_somebody_who_only_records(
    caller: Callable[..., Caller], target: Callable[..., str], engine: Engine, operation: str
) -> None:
    """A clinician's id, with a token that does not make them one."""
    row = ROWS[operation]
    own, subject = target(row), f"person-{new_id()}"
    bring_about(engine, "granted", add_user(engine, subject), row.scope)
    person = caller(subject, Role.USER)

    asked, unknown = person.call(operation, own), person.call(operation, UNKNOWN)
    assert alike(asked, own) == alike(unknown, UNKNOWN)
    assert asked.status_code == 404


def test_many_roles_open_what_each_does(caller: Callable[..., Caller]) -> None:
    assert caller("both", Role.OPERATOR, Role.USER).call("listJobs").status_code == 200
