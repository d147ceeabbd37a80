"""The authorization matrix: every route of the interface, by every kind of caller, for every kind of object.

A route without a row here fails. Whoever lacks the role is told so; whoever lacks the row gets the very bytes
that an id gets which never was. What is not opened is a leak if a single byte of it differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from factories import add_alert, add_grant, add_job, add_service_key, add_user, end_jobs
from integration_support import EMPTY, unguarded
from mindtrack_gateway.app import create_app
from mindtrack_gateway.identity import Role
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db.models import Invitation, Note, Upload, WebhookEndpoint
from mindtrack_shared.domain.grants import Scope, UseContext
from mindtrack_shared.domain.service_keys import SUBJECT_PREFIX, KeyScope
from mindtrack_shared.ids import new_id
from patience import eventually

UNKNOWN = "00000000-0000-7000-8000-000000000000"
METHODS = {"get", "post", "put", "patch", "delete"}

USERS = frozenset({Role.USER})
CLINICIANS = frozenset({Role.CLINICIAN})
OPERATORS = frozenset({Role.OPERATOR})
READERS = USERS | CLINICIANS
EMERGENCY = frozenset({Role.EMERGENCY})
#: Of routes that change nothing.
LOOKERS = READERS | EMERGENCY
SENDERS = frozenset({Role.USER, Role.SERVICE})
DONE = frozenset({200, 201, 202, 204})


class Names(StrEnum):
    """What the id of a route names."""

    JOB = "job"
    PERSON = "person"
    NOTE = "note"
    WEBHOOK = "webhook"
    INVITATION = "invitation"
    GRANT = "grant"
    ALERT = "alert"
    UPLOAD = "upload"


@dataclass(frozen=True)
class Row:
    #: Whose roles open it.
    roles: frozenset[Role] = USERS
    #: What a system's key must open, if one does: then the role of a system does, too.
    key: KeyScope | None = None
    #: What a grant must open for a clinician to find the row.
    scope: Scope | None = None
    #: Whether any other scope will do, too.
    any_scope: bool = False
    #: None for a route without an id.
    names: Names | None = None
    #: `UNKNOWN` in it stands for the object's id.
    body: dict[str, Any] | None = None
    #: What a clinician sends instead.
    label: dict[str, Any] | None = None
    #: Of the request of somebody to whom it opens.
    status: frozenset[int] = DONE
    streams: bool = False
    #: Whether whoever calls it is nobody afterwards.
    ends_caller: bool = False
    #: Whether it answers 200 for what is not opened, too, in the words for what never was.
    tells_unknown: bool = False
    #: Whether a list tells of what a grant opened once.
    tells_former: bool = False

    @property
    def opened_by(self) -> frozenset[Role]:
        return self.roles | {Role.SERVICE} if self.key else self.roles


INVITED = {"scopes": ["trends"], "purpose": "Sessions", "use_context": "healthcare"}
HOOK = {"url": "http://127.0.0.1:9/hook", "events": ["job.succeeded"]}

ROWS: dict[str, Row] = {
    "submitRecording": Row(
        roles=SENDERS,
        key=KeyScope.RECORDINGS,
        names=Names.UPLOAD,
        body={"upload_id": UNKNOWN},
        status=frozenset({409}),
    ),
    "analyzeStress": Row(
        roles=SENDERS,
        key=KeyScope.RECORDINGS,
        names=Names.UPLOAD,
        body={"upload_id": UNKNOWN},
        status=frozenset({409}),
    ),
    "createUpload": Row(key=KeyScope.RECORDINGS, body={}),
    "listJobs": Row(key=KeyScope.JOBS),
    "getJobStatuses": Row(key=KeyScope.JOBS, names=Names.JOB, body={"ids": [UNKNOWN]}, tells_unknown=True),
    "getJob": Row(key=KeyScope.JOBS, names=Names.JOB),
    "deleteJob": Row(key=KeyScope.RECORDINGS, names=Names.JOB),
    "cancelJob": Row(key=KeyScope.RECORDINGS, names=Names.JOB, status=frozenset({409})),
    "followJob": Row(key=KeyScope.JOBS, names=Names.JOB),
    "followJobs": Row(key=KeyScope.JOBS, streams=True),
    "giveFeedback": Row(
        roles=READERS,
        scope=Scope.FEEDBACK,
        names=Names.JOB,
        body={"stress": 3},
        label={"label": "Stressed"},
        status=frozenset({409}),
    ),
    "getFeedback": Row(roles=LOOKERS, scope=Scope.FEEDBACK, names=Names.JOB),
    "getTrends": Row(roles=LOOKERS, scope=Scope.TRENDS, names=Names.PERSON),
    "listAnalyses": Row(roles=LOOKERS, scope=Scope.ANALYSES, names=Names.PERSON),
    "listPatients": Row(roles=CLINICIANS),
    "getPatientsOverview": Row(roles=CLINICIANS),
    "labelPatient": Row(roles=CLINICIANS, any_scope=True, names=Names.PERSON, body={"label": "Tuesdays"}),
    "getHistory": Row(roles=LOOKERS, scope=Scope.TRENDS, names=Names.PERSON),
    "exportHistory": Row(roles=LOOKERS, scope=Scope.TRENDS, names=Names.PERSON),
    "exportAnalyses": Row(roles=LOOKERS, scope=Scope.ANALYSES, names=Names.PERSON),
    "listObservations": Row(roles=LOOKERS, scope=Scope.ANALYSES, names=Names.PERSON),
    "createNote": Row(roles=CLINICIANS, scope=Scope.NOTES, names=Names.PERSON, body={"text": "Well."}),
    "listNotes": Row(roles=LOOKERS, scope=Scope.NOTES, names=Names.PERSON),
    "getNote": Row(roles=LOOKERS, scope=Scope.NOTES, names=Names.NOTE),
    "changeNote": Row(roles=CLINICIANS, scope=Scope.NOTES, names=Names.NOTE, body={"text": "Better."}),
    "deleteNote": Row(roles=CLINICIANS, scope=Scope.NOTES, names=Names.NOTE),
    "createInvitation": Row(body=INVITED),
    "listInvitations": Row(),
    "withdrawInvitation": Row(names=Names.INVITATION),
    "redeemInvitation": Row(roles=CLINICIANS, body={"code": "0000-0000-0000-0000"}, status=frozenset({404})),
    "listGrants": Row(roles=READERS, tells_former=True),
    "revokeGrant": Row(roles=READERS, names=Names.GRANT),
    "listAccesses": Row(),
    "breakGlass": Row(
        roles=EMERGENCY,
        body={"user_id": UNKNOWN, "reason": "Nobody can be asked just now."},
        status=frozenset({404}),
    ),
    "eraseEverything": Row(body={"confirm": "erase everything"}, ends_caller=True),
    "listAlerts": Row(roles=LOOKERS, scope=Scope.ALERTS, names=Names.PERSON),
    "getAlert": Row(roles=LOOKERS, scope=Scope.ALERTS, names=Names.ALERT),
    "acknowledgeAlert": Row(roles=READERS, scope=Scope.ALERTS, names=Names.ALERT),
    "getNotifications": Row(),
    "setNotifications": Row(body={"enabled": False}),
    "testNotifications": Row(status=frozenset({409})),  # without an address
    "getOperations": Row(roles=OPERATORS),
    "listWebhooks": Row(key=KeyScope.WEBHOOKS),
    "createWebhook": Row(key=KeyScope.WEBHOOKS, body=HOOK),
    "getWebhook": Row(key=KeyScope.WEBHOOKS, names=Names.WEBHOOK),
    "changeWebhook": Row(key=KeyScope.WEBHOOKS, names=Names.WEBHOOK, body={"description": "mine"}),
    "deleteWebhook": Row(key=KeyScope.WEBHOOKS, names=Names.WEBHOOK),
    "rotateWebhookSecret": Row(key=KeyScope.WEBHOOKS, names=Names.WEBHOOK),
    "pingWebhook": Row(key=KeyScope.WEBHOOKS, names=Names.WEBHOOK),
    "listWebhookDeliveries": Row(key=KeyScope.WEBHOOKS, names=Names.WEBHOOK),
    "redeliverWebhook": Row(
        key=KeyScope.WEBHOOKS, names=Names.WEBHOOK, status=frozenset({404})
    ),  # of a delivery that never was
}

#: Operations that want no token: the signature in the address of the first is one.
OPEN = {"putUpload", "liveness", "readiness"}


def operations() -> dict[str, tuple[str, str]]:
    """Return method and path of every operation."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, item in create_app().openapi()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


OPERATIONS = operations()


class Kind(StrEnum):
    """Who calls."""

    NOBODY = "nobody"
    EXPIRED = "expired token"
    USER = "user"
    CLINICIAN = "clinician"
    BOTH = "clinician who records"
    OPERATOR = "operator"
    SERVICE = "service"
    KEY = "service key"
    NARROW_KEY = "service key without the scope"
    REVOKED_KEY = "revoked service key"
    EXPIRED_KEY = "expired service key"


#: Whoever has no token that holds.
NOT_LET_IN = frozenset({Kind.NOBODY, Kind.EXPIRED, Kind.REVOKED_KEY, Kind.EXPIRED_KEY})
KEYS = frozenset({Kind.KEY, Kind.NARROW_KEY, Kind.REVOKED_KEY, Kind.EXPIRED_KEY})

#: What systems are called.
SERVICES = {kind: f"s{new_id()}" for kind in KEYS}

ROLES: dict[Kind, tuple[Role, ...]] = {
    Kind.NOBODY: (),
    Kind.EXPIRED: (Role.USER, Role.CLINICIAN),
    Kind.USER: (Role.USER,),
    Kind.CLINICIAN: (Role.CLINICIAN,),
    Kind.BOTH: (Role.USER, Role.CLINICIAN),
    Kind.OPERATOR: (Role.OPERATOR,),
    Kind.SERVICE: (Role.SERVICE,),
    **dict.fromkeys(KEYS, (Role.SERVICE,)),
}


class Object(StrEnum):
    """How the caller stands to what is asked for."""

    OWN = "own"
    GRANTED = "granted"
    TOO_NARROW = "granted, but not this"
    REVOKED = "revoked"
    EXPIRED = "expired"
    FOREIGN = "foreign"
    MISSING = "missing"


class Access(StrEnum):
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    UNKNOWN = "404"
    OPENS = "opens"


def expected(row: Row, kind: Kind, what: Object) -> Access:  # noqa: PLR0911 - one for each reason
    """Say what a cell holds: the whole policy, in one place."""
    if kind in NOT_LET_IN:
        return Access.UNAUTHORIZED
    roles = row.opened_by.intersection(ROLES[kind])
    if not roles or kind is Kind.NARROW_KEY:
        return Access.FORBIDDEN
    if row.names is None:
        return Access.OPENS
    if row.names is Names.GRANT and what in {
        Object.GRANTED,
        Object.TOO_NARROW,
        Object.REVOKED,
        Object.EXPIRED,
    }:
        return (
            Access.OPENS if Role.CLINICIAN in roles else Access.UNKNOWN
        )  # either side may end it, again too
    if what is Object.OWN:
        return Access.OPENS if roles & SENDERS else Access.UNKNOWN
    if Role.CLINICIAN in roles and what is Object.GRANTED:
        return Access.OPENS if row.scope or row.any_scope else Access.UNKNOWN
    if Role.CLINICIAN in roles and what is Object.TOO_NARROW:
        return Access.OPENS if row.any_scope else Access.UNKNOWN
    return Access.UNKNOWN


class Caller:
    """Somebody with a token, or without one, and everybody they stand in some way to."""

    def __init__(self, world: World, kind: Kind) -> None:
        self._world = world
        self._engine = world.engine
        self._kind = kind
        subject = f"{kind}-{new_id()}" if kind not in KEYS else f"{SUBJECT_PREFIX}{SERVICES[kind]}"
        self.id = add_user(world.engine, subject)
        self.client = world.client(subject, kind)
        self._people: dict[tuple[Object, Scope | None], UUID] = {}

    def call(self, operation: str, target: str = UNKNOWN, what: Object = Object.MISSING) -> httpx.Response:
        row = ROWS[operation]
        method, path = OPERATIONS[operation]
        first, _, second = target.partition("/")
        path = path.replace("{delivery_id}", UNKNOWN)
        for name in ("note_id", "alert_id"):
            path = path.replace(f"{{{name}}}", second or UNKNOWN)
        for name in ("job_id", "user_id", "webhook_id", "invitation_id", "grant_id"):
            path = path.replace(f"{{{name}}}", first)
        as_person = what is Object.OWN and Role.USER in ROLES[self._kind]
        labels = Role.CLINICIAN in ROLES[self._kind] and row.label is not None and not as_person
        body = row.label if labels else row.body
        headers = self._world.narrow_key(row.key) if self._kind is Kind.NARROW_KEY else None
        if row.streams:
            with self.client.stream(method, path, headers=headers) as response:
                if not response.is_success:
                    response.read()
                return response
        return self.client.request(method, path, json=_naming(first, body), headers=headers)

    def person(self, what: Object, scope: Scope | None) -> UUID:
        """Return whose object it is that one stands so to."""
        if what is Object.OWN:
            return self.id
        found = self._people.get((what, scope))
        if found is None:
            found = self._people[what, scope] = add_user(self._engine, f"{what}-{new_id()}")
            self._relate(found, what, scope)
        return found

    def _relate(self, person: UUID, what: Object, scope: Scope | None) -> UUID:
        """Have a person grant something to the caller, and return the grant."""
        lasting = timedelta(days=2)
        match what:
            case Object.GRANTED:
                return add_grant(self._engine, person, self.id, *([scope] if scope else Scope))
            case Object.TOO_NARROW:
                return add_grant(self._engine, person, self.id, *(other for other in Scope if other != scope))
            case Object.REVOKED:
                grant = add_grant(self._engine, person, self.id)
                with self._engine.begin() as connection:
                    ended = "update grants set revoked_at = now(), revoked_by = 'person' where id = :id"
                    connection.execute(text(ended), {"id": grant})
                return grant
            case Object.EXPIRED:
                since = lasting + timedelta(seconds=1)
                return add_grant(self._engine, person, self.id, since=since, lasting=lasting)
            case _:
                return add_grant(self._engine, person, self._world.another)

    def target(self, row: Row, what: Object) -> str:
        """Make what a row's id names, and return the id."""
        if what is Object.MISSING or row.names is None:
            return UNKNOWN
        if row.names is Names.GRANT:
            person = self.id if what is Object.OWN else add_user(self._engine, f"{what}-{new_id()}")
            return str(self._relate(person, what, None))
        return self._world.make(row.names, self.person(what, row.scope), author=self.id)

    def strangers(self, row: Row) -> set[str]:
        """Return the ids of everybody of whom the caller is to hear nothing."""
        closed = {Object.FOREIGN} if row.tells_former else {Object.FOREIGN, Object.REVOKED, Object.EXPIRED}
        return {str(person) for (what, _), person in self._people.items() if what in closed}


def _naming(target: str, body: Any) -> Any:  # noqa: ANN401 - JSON
    match body:
        case dict():
            return {name: _naming(target, value) for name, value in body.items()}
        case list():
            return [_naming(target, value) for value in body]
        case _:
            return target if body == UNKNOWN else body


class World:
    """One gateway, one of each kind of caller, and what they ask for."""

    def __init__(
        self, gateway: str, infrastructure: Infrastructure, engine: Engine, opened: ExitStack
    ) -> None:
        self.engine = engine
        self._gateway = gateway
        self._issuer = infrastructure.issuer
        self._opened = opened
        self.another = add_user(engine, "another clinician")
        self.callers = {kind: Caller(self, kind) for kind in Kind}
        self._alerts: dict[UUID, UUID] = {}
        self._narrow: dict[KeyScope | None, str] = {}
        self.cells = 0
        self.leaks = 0

    def client(self, subject: str, kind: Kind) -> httpx.Client:
        token = self._key(kind) if kind in KEYS else self._token(subject, kind)
        headers = {} if kind is Kind.NOBODY else {"Authorization": f"Bearer {token}"}
        return self._opened.enter_context(httpx.Client(base_url=self._gateway, headers=headers, timeout=30))

    def narrow_key(self, scope: KeyScope | None) -> dict[str, str]:
        """Return a header with a key that opens all but something."""
        if scope not in self._narrow:
            others = [other for other in KeyScope if other is not scope]
            key = self._narrow[scope] = add_service_key(self.engine, SERVICES[Kind.NARROW_KEY], *others)
            self._wait_until_known(key)
        return {"Authorization": f"Bearer {self._narrow[scope]}"}

    def _wait_until_known(self, key: str) -> None:
        """A flood of keys that do not hold, as we send, has a gateway wait before it looks for new ones."""
        with httpx.Client(base_url=self._gateway, headers={"Authorization": f"Bearer {key}"}) as client:
            eventually(
                lambda: client.get("/v1/jobs").status_code != 401, within=30, what="a new key is let in"
            )

    def _token(self, subject: str, kind: Kind) -> str:
        life = timedelta(hours=-1 if kind is Kind.EXPIRED else 1)
        return self._issuer.token(subject, *(role.value for role in ROLES[kind]), life=life)

    def _key(self, kind: Kind) -> str:
        service, lasting = SERVICES[kind], timedelta(days=2)
        if kind is Kind.EXPIRED_KEY:
            return add_service_key(
                self.engine, service, lasting=lasting, since=lasting + timedelta(seconds=1)
            )
        key = add_service_key(self.engine, service, lasting=lasting, revoked=kind is Kind.REVOKED_KEY)
        if kind is not Kind.REVOKED_KEY:
            self._wait_until_known(key)
        return key

    def make(self, names: Names, owner: UUID, *, author: UUID) -> str:  # noqa: PLR0911 - one for each
        """Add an object of a person's; what a clinician writes, by one of them."""
        match names:
            case Names.PERSON:
                return str(owner)
            case Names.JOB:
                job = add_job(self.engine, owner)
                end_jobs(self.engine, job)
                return str(job)
            case Names.ALERT:
                if owner not in self._alerts:  # of a person, one at a time is open
                    self._alerts[owner] = add_alert(self.engine, owner)
                return f"{owner}/{self._alerts[owner]}"
            case Names.NOTE:
                note = Note(
                    user_id=owner, author_id=author if author != owner else self.another, text="Well."
                )
                return f"{owner}/{self._add(note)}"
            case Names.WEBHOOK:
                return self._add(WebhookEndpoint(user_id=owner, secret=bytes(32), **HOOK))
            case Names.INVITATION:
                return self._add(_invitation(owner))
            case Names.UPLOAD:
                expiry = datetime.now(UTC) + timedelta(minutes=15)
                key = f"uploads/{new_id()}"
                return self._add(Upload(user_id=owner, object_key=key, expires_at=expiry))
            case _:
                raise AssertionError(names)

    def _add(self, row: Note | WebhookEndpoint | Invitation | Upload) -> str:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.add(row)
        return str(row.id)


def _invitation(owner: UUID) -> Invitation:
    return Invitation(
        user_id=owner,
        code_sha256=hashlib.sha256(new_id().bytes).digest(),
        grant_days=90,
        expires_at=datetime.now(UTC) + timedelta(days=6),
        scopes=["trends"],
        purpose="Sessions",
        use_context=UseContext.HEALTHCARE,
    )


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, gateway: str, infrastructure: Infrastructure, session_engine: Engine
) -> Iterator[World]:
    with ExitStack() as opened:
        made = World(gateway, infrastructure, session_engine, opened)
        yield made
    with session_engine.begin() as connection:
        connection.execute(text(EMPTY))
    manager = request.config.pluginmanager
    reporter, capture = manager.get_plugin("terminalreporter"), manager.get_plugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"\nauthorization matrix: {made.cells} cells, {made.leaks} leaks")


def test_every_route_has_a_row() -> None:
    assert ROWS.keys() | OPEN == OPERATIONS.keys()
    assert not ROWS.keys() & OPEN


@pytest.mark.parametrize("operation", ROWS)
def test_every_cell_holds_what_it_should(world: World, operation: str) -> None:
    row = ROWS[operation]
    objects = tuple(Object) if row.names is not None else (Object.MISSING,)
    wrong = []
    for kind in Kind:
        caller = Caller(world, kind) if row.ends_caller else world.callers[kind]
        missing = alike(caller.call(operation), UNKNOWN) if row.names is not None else None
        for what in objects:
            world.cells += 1
            target = caller.target(row, what)
            response = caller.call(operation, target, what)
            access = expected(row, kind, what)
            complaint = _complaint(row, access, response)
            if complaint is None and missing is not None and access is not Access.OPENS:
                said = alike(response, target)
                complaint = None if said == missing else f"{said}, and of what never was {missing}"
            if complaint is None and response.is_success and row.names is None and not row.streams:
                heard = [person for person in caller.strangers(row) if person in response.text]
                complaint = f"tells of {heard}" if heard else None
            if complaint is not None:
                world.leaks += access is not Access.OPENS or response.is_success
                wrong.append(f"{kind}, {what}: {complaint}")
    assert not wrong, "\n".join(wrong)


def _complaint(row: Row, access: Access, response: httpx.Response) -> str | None:
    """Say what is wrong with an answer by itself."""
    if access is Access.OPENS or (access is Access.UNKNOWN and row.tells_unknown):
        wanted = row.status
    else:
        wanted = frozenset({int(access)})
    if response.status_code not in wanted:
        return f"{response.status_code} instead of {sorted(wanted)}"
    if access is Access.UNAUTHORIZED and not response.headers["WWW-Authenticate"].startswith("Bearer"):
        return "no challenge"
    lacking = unguarded(response)
    return f"says too little in {sorted(lacking)}" if lacking else None


#: Of every answer, whatever it says.
VOLATILE = {"date", "x-request-id", "ratelimit"}


def alike(response: httpx.Response, asked: str) -> tuple[int, str, dict[str, str]]:
    """Return what an answer says, apart from the id that was asked for."""
    ours = {name: value for name, value in response.headers.items() if name not in VOLATILE}
    said = response.text
    for part in asked.split("/"):
        said = said.replace(part, UNKNOWN)
    return response.status_code, said, ours
