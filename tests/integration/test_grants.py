"""Consent: invite, redeem, read, revoke; what each side sees; and rows that cannot be."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from factories import add_grant, add_user, subject_of
from integration_support import SignIn, plan_of
from mindtrack_gateway.consent.grants import NO_SUCH_CODE
from mindtrack_gateway.consent.invitations import ASKED, MOST_INVITATIONS
from mindtrack_gateway.consent.schemas import NewInvitation
from mindtrack_gateway.identity import Role
from mindtrack_shared.db import access_events
from mindtrack_shared.domain.access_events import ActorRole
from mindtrack_shared.domain.grants import Scope, code_digest
from mindtrack_shared.ids import new_id

WANTED = {"scopes": ["trends"], "purpose": "Weekly sessions", "use_context": "healthcare"}


@pytest.fixture
def owner(sign_in: SignIn, engine: Engine, person: UUID) -> httpx.Client:
    return sign_in(subject_of(engine, person), Role.USER)


@pytest.fixture
def alone(owner: httpx.Client, florence: httpx.Client) -> Callable[..., str]:
    """Make a grant of the person's for Florence through the interface; returns its id."""

    def make(**changes: Any) -> str:  # noqa: ANN401 - JSON
        response = redeem(florence, invite(owner, **changes)["code"])
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    return make


def invite(client: httpx.Client, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    response = client.post("/v1/invitations", json=WANTED | changes)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def redeem(client: httpx.Client, code: str) -> httpx.Response:
    return client.post("/v1/grants", json={"code": code})


def listed(client: httpx.Client, what: str, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - query values
    """Return a whole list, page by page, as the links lead."""
    response = client.get(f"/v1/{what}", params=query)
    items: list[dict[str, Any]] = []
    while True:
        assert response.status_code == 200, response.text
        items += response.json()["items"]
        if "next" not in response.links:
            assert response.json()["next_cursor"] is None
            return items
        assert response.json()["next_cursor"] in response.headers["Link"]
        response = client.get(urljoin(str(response.url), response.links["next"]["url"]))


def change(engine: Engine, table: str, row: object, values: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"update {table} set {values} where id = :id"), {"id": row})  # noqa: S608


# --- from an invitation to its end ----------------------------------------------------------------------


def test_a_grant_from_its_invitation_to_its_end(
    owner: httpx.Client, florence: httpx.Client, person: UUID, clinician: UUID
) -> None:
    """The clinician reads, the person revokes, the next request is refused, and the person sees both."""
    made = owner.post("/v1/invitations", json=WANTED | {"grant_days": 30})
    assert made.headers["Cache-Control"] == "no-store"
    invitation = made.json()
    assert invitation["state"] == "open"
    assert florence.get(f"/v1/users/{person}/trends").status_code == 404

    redeemed = redeem(florence, invitation["code"].lower().replace("-", " "))
    grant = redeemed.json()
    assert redeemed.status_code == 201
    assert (grant["user_id"], grant["clinician_id"]) == (str(person), str(clinician))
    assert (grant["state"], grant["you_are"], grant["revoked_at"]) == ("live", "clinician", None)
    assert {name: grant[name] for name in WANTED} == WANTED
    lasts = datetime.fromisoformat(grant["expires_at"]) - datetime.fromisoformat(grant["granted_at"])
    assert lasts == timedelta(days=30)

    assert florence.get(f"/v1/users/{person}/trends").status_code == 200
    (told,) = listed(owner, "invitations")
    assert (told["state"], told["clinician_id"]) == ("redeemed", str(clinician))
    assert "code" not in told

    revoked = owner.delete(f"/v1/grants/{grant['id']}")
    assert revoked.status_code == 200
    assert (revoked.json()["state"], revoked.json()["revoked_by"]) == ("revoked", "person")
    assert florence.get(f"/v1/users/{person}/trends").status_code == 404

    accesses = listed(owner, "users/me/accesses")
    assert [(access["action"], access["outcome"]) for access in accesses] == [
        ("getTrends", "refused"),
        ("getTrends", "allowed"),
    ]
    assert {access["grant_id"] for access in accesses} == {grant["id"]}
    assert {access["clinician_id"] for access in accesses} == {str(clinician)}
    assert all(
        datetime.now(UTC) - datetime.fromisoformat(one["at"]) < timedelta(minutes=1) for one in accesses
    )


def test_a_revocation_reaches_who_is_reading_already(
    owner: httpx.Client, florence: httpx.Client, person: UUID, alone: Callable[..., str]
) -> None:
    """Somebody who asks all the time is refused from the answer to the revocation on."""
    grant = alone()
    over = threading.Event()

    def go_on_reading() -> list[tuple[bool, int]]:
        """Whether the revocation was answered when a request began, and what came of it."""
        seen = []
        for _ in range(200):
            after = over.is_set()
            seen.append((after, florence.get(f"/v1/users/{person}/trends").status_code))
            if after and len([1 for late, _ in seen if late]) > 5:
                break
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(go_on_reading)
        assert owner.delete(f"/v1/grants/{grant}").status_code == 200
        over.set()
        seen = reading.result()

    assert {status for after, status in seen if after} == {404}
    outcomes = [access["outcome"] for access in reversed(listed(owner, "users/me/accesses", limit=100))]
    assert outcomes == ["allowed" if status == 200 else "refused" for _, status in seen if status != 429]
    assert outcomes == sorted(outcomes), "allowed, then refused, never back"


def test_the_example_is_accepted(owner: httpx.Client) -> None:
    for example in ASKED.values():
        NewInvitation.model_validate(example["value"])
        assert owner.post("/v1/invitations", json=example["value"]).status_code == 201


# --- codes ----------------------------------------------------------------------------------------------


def test_codes_that_open_nothing_look_alike(
    owner: httpx.Client, florence: httpx.Client, sign_in: SignIn, engine: Engine
) -> None:
    used, expired, withdrawn = (invite(owner) for _ in range(3))
    redeem(sign_in(f"another-{new_id()}", Role.CLINICIAN), used["code"])
    change(engine, "invitations", expired["id"], "created_at = now() - interval '8 days', expires_at = now()")
    assert owner.delete(f"/v1/invitations/{withdrawn['id']}").json()["state"] == "withdrawn"

    codes = [used["code"], expired["code"], withdrawn["code"], "0000-0000-0000-0000", "no code", "é" * 16]
    answers = [redeem(florence, code) for code in codes]

    assert [answer.status_code for answer in answers] == [404] * len(codes)
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["detail"] == NO_SUCH_CODE
    volatile = {"date", "x-request-id", "ratelimit"}
    assert len({str([h for h in answer.headers.items() if h[0] not in volatile]) for answer in answers}) == 1


def test_of_several_who_redeem_a_code_at_once_one_wins(
    owner: httpx.Client, sign_in: SignIn, engine: Engine, person: UUID
) -> None:
    clinicians = [sign_in(f"racer-{n}-{new_id()}", Role.CLINICIAN) for n in range(6)]
    for _ in range(3):
        code = invite(owner)["code"]
        with ThreadPoolExecutor(len(clinicians)) as pool:
            answers = list(pool.map(lambda client, code=code: redeem(client, code), clinicians))
        assert sorted(answer.status_code for answer in answers) == [201] + [404] * 5

    with engine.connect() as connection:
        statement = text("select count(*) from grants where user_id = :person")
        assert connection.scalar(statement, {"person": person}) == 3


def test_a_code_sent_again_is_answered_with_its_grant(
    owner: httpx.Client, florence: httpx.Client, engine: Engine
) -> None:
    """The first answer may have been lost. Once the grant has ended, the code is used like any other."""
    code = invite(owner)["code"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: redeem(florence, code), range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    owner.delete(f"/v1/grants/{answers[0].json()['id']}")
    assert redeem(florence, code).status_code == 404


def test_nobody_redeems_their_own_invitation(sign_in: SignIn, florence: httpx.Client) -> None:
    both = sign_in(f"both-{new_id()}", Role.USER, Role.CLINICIAN)
    code = invite(both)["code"]

    refused = redeem(both, code)

    assert refused.status_code == 404
    assert refused.json()["detail"] == NO_SUCH_CODE
    assert redeem(florence, code).status_code == 201, "it is still good for others"


def test_guessing_has_a_budget_of_its_own(sign_in: SignIn) -> None:
    guesser = sign_in(f"guesser-{new_id()}", Role.CLINICIAN)

    answers = [redeem(guesser, "0000-0000-0000-0000") for _ in range(12)]

    assert {answer.status_code for answer in answers[:10]} == {404}
    assert {answer.status_code for answer in answers[-2:]} == {429}
    assert answers[0].headers["RateLimit-Policy"].startswith('"codes"')
    assert guesser.get("/v1/grants").status_code == 200


def test_only_a_digest_is_kept_and_nothing_is_logged(
    owner: httpx.Client,
    florence: httpx.Client,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    code = invite(owner, purpose="unmistakable")["code"]
    redeem(florence, code)
    redeem(florence, f"{code}-")

    captured = capfd.readouterr()
    logged = caplog.text + captured.out + captured.err
    for secret in (code, code.replace("-", ""), "unmistakable"):
        assert secret not in logged
    with engine.connect() as connection:
        rows = str(
            connection.execute(text("select invitations::text, grants::text from invitations, grants")).all()
        )
        digests = connection.scalars(text("select code_sha256 from invitations")).all()
    assert code not in rows
    assert code.replace("-", "") not in rows
    assert digests == [code_digest(code)]


# --- invitations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", ["workplace", "education"])
def test_work_and_education_are_refused_by_law(owner: httpx.Client, context: str) -> None:
    response = owner.post("/v1/invitations", json=WANTED | {"use_context": context})

    assert response.status_code == 422
    assert response.json()["type"] == "urn:mindtrack:problem:use-context-prohibited"
    assert "Regulation (EU) 2024/1689" in response.json()["detail"]
    assert "Article 5(1)(f)" in response.json()["detail"]
    assert listed(owner, "invitations") == []


@pytest.mark.parametrize("context", ["healthcare", "self_support", "research"])
def test_other_contexts_are_kept(owner: httpx.Client, alone: Callable[..., str], context: str) -> None:
    alone(use_context=context)

    assert listed(owner, "grants")[0]["use_context"] == context


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scopes": []}, "body.scopes"),
        ({"scopes": ["everything"]}, "body.scopes.0"),
        ({"purpose": ""}, "body.purpose"),
        ({"purpose": "x" * 201}, "body.purpose"),
        ({"purpose": "two\nlines"}, "body.purpose"),
        ({"purpose": "nul\0"}, "body.purpose"),
        ({"purpose": "line\u2028separator"}, "body.purpose"),
        ({"use_context": "marketing"}, "body.use_context"),
        ({"grant_days": 0}, "body.grant_days"),
        ({"grant_days": 367}, "body.grant_days"),
        ({"grant_days": 1.5}, "body.grant_days"),
        ({"grant_days": "30"}, "body.grant_days"),
        ({"code_days": 0}, "body.code_days"),
        ({"code_days": 31}, "body.code_days"),
        ({"clinician_id": str(new_id())}, "body.clinician_id"),
    ],
)
def test_what_makes_no_sense_is_refused(owner: httpx.Client, changes: dict[str, Any], field: str) -> None:
    response = owner.post("/v1/invitations", json=WANTED | changes)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert listed(owner, "invitations") == []


def test_the_longest_words_and_times_are_kept(owner: httpx.Client, alone: Callable[..., str]) -> None:
    purpose = "😴" * 200
    alone(scopes=["notes", "trends", "notes"], purpose=purpose, grant_days=366, code_days=30)

    (grant,) = listed(owner, "grants")
    assert grant["scopes"] == ["notes", "trends"]
    assert grant["purpose"] == purpose


def test_open_invitations_are_few(owner: httpx.Client, engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: owner.post("/v1/invitations", json=WANTED), range(MOST_INVITATIONS + 4))
        )
    assert sorted(answer.status_code for answer in answers) == [201] * MOST_INVITATIONS + [409] * 4
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["type"] == "urn:mindtrack:problem:too-many-invitations"

    first, second, *_ = (answer.json()["id"] for answer in answers if answer.status_code == 201)
    owner.delete(f"/v1/invitations/{first}")
    change(engine, "invitations", second, "created_at = now() - interval '8 days', expires_at = now()")
    assert [invite(owner)["state"] for _ in range(2)] == ["open", "open"]
    states = [invitation["state"] for invitation in listed(owner, "invitations", limit=3)]
    assert sorted(states) == ["expired"] + ["open"] * MOST_INVITATIONS + ["withdrawn"]


def test_an_invitation_that_was_redeemed_is_not_withdrawn(
    owner: httpx.Client, florence: httpx.Client
) -> None:
    """Whoever withdraws must not believe that nobody reads."""
    invitation = invite(owner)
    redeem(florence, invitation["code"])

    response = owner.delete(f"/v1/invitations/{invitation['id']}")

    assert response.status_code == 409
    assert response.json()["type"] == "urn:mindtrack:problem:invitation-redeemed"
    assert listed(owner, "grants", live=True) != []


def test_an_invitation_is_withdrawn_or_redeemed_never_both(
    owner: httpx.Client, florence: httpx.Client
) -> None:
    for _ in range(4):
        invitation = invite(owner)
        with ThreadPoolExecutor(2) as pool:
            withdrawing = pool.submit(owner.delete, f"/v1/invitations/{invitation['id']}")
            redeeming = pool.submit(redeem, florence, invitation["code"])
        outcome = (withdrawing.result().status_code, redeeming.result().status_code)
        assert outcome in {(200, 404), (409, 201)}


def test_an_invitation_is_withdrawn_once(owner: httpx.Client) -> None:
    path = f"/v1/invitations/{invite(owner)['id']}"

    assert owner.delete(path).json() == owner.delete(path).json()


# --- grants ---------------------------------------------------------------------------------------------


def test_a_new_grant_replaces_the_one_before_as_a_whole(
    owner: httpx.Client, florence: httpx.Client, person: UUID, alone: Callable[..., str]
) -> None:
    alone(scopes=["trends", "analyses"])
    assert florence.get(f"/v1/users/{person}/trends").status_code == 200
    alone(scopes=["analyses"])

    assert florence.get(f"/v1/users/{person}/trends").status_code == 404
    assert florence.get(f"/v1/users/{person}/analyses").status_code == 200
    now, before = listed(owner, "grants")
    assert (now["state"], before["state"], before["revoked_by"]) == ("live", "revoked", "replacement")
    assert listed(owner, "grants", live=True) == [now]


def test_grants_of_one_pair_at_once_leave_one_live(owner: httpx.Client, florence: httpx.Client) -> None:
    codes = [invite(owner)["code"] for _ in range(6)]
    with ThreadPoolExecutor(len(codes)) as pool:
        answers = list(pool.map(lambda code: redeem(florence, code), codes))

    assert [answer.status_code for answer in answers] == [201] * len(codes)
    assert [grant["state"] for grant in listed(owner, "grants")].count("live") == 1


def test_an_expired_grant_stays_expired_when_another_follows(
    owner: httpx.Client, engine: Engine, person: UUID, clinician: UUID, alone: Callable[..., str]
) -> None:
    add_grant(engine, person, clinician, since=timedelta(days=3), lasting=timedelta(days=2))
    alone()

    assert [grant["state"] for grant in listed(owner, "grants")] == ["live", "expired"]


def test_a_clinician_gives_a_grant_back(
    owner: httpx.Client, florence: httpx.Client, person: UUID, alone: Callable[..., str]
) -> None:
    grant = alone()

    answer = florence.delete(f"/v1/grants/{grant}").json()

    assert (answer["state"], answer["revoked_by"], answer["you_are"]) == ("revoked", "clinician", "clinician")
    assert florence.get(f"/v1/users/{person}/trends").status_code == 404
    assert owner.delete(f"/v1/grants/{grant}").json() == answer | {"you_are": "person"}, "the first end stays"


def test_a_grant_that_expired_cannot_be_revoked_any_more(
    owner: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    grant = add_grant(engine, person, clinician, since=timedelta(days=3), lasting=timedelta(days=2))

    answer = owner.delete(f"/v1/grants/{grant}")

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["revoked_at"]) == ("expired", None)


def test_both_sides_list_theirs_and_nobody_elses(  # noqa: PLR0913, PLR0917 - fixtures
    owner: httpx.Client,
    florence: httpx.Client,
    sign_in: SignIn,
    engine: Engine,
    person: UUID,
    clinician: UUID,
) -> None:
    others = [add_user(engine, f"somebody-{new_id()}") for _ in range(2)]
    ours = str(add_grant(engine, person, clinician))
    received = str(add_grant(engine, others[0], clinician))
    add_grant(engine, others[0], others[1])
    given = str(add_grant(engine, clinician, others[1]))

    assert [grant["id"] for grant in listed(owner, "grants")] == [ours]
    assert [grant["id"] for grant in listed(florence, "grants", limit=1)] == [received, ours]
    both = sign_in(subject_of(engine, clinician), Role.USER, Role.CLINICIAN)
    assert [(grant["id"], grant["you_are"]) for grant in listed(both, "grants", limit=2)] == [
        (given, "person"),
        (received, "clinician"),
        (ours, "clinician"),
    ]
    assert both.delete(f"/v1/grants/{given}").json()["revoked_by"] == "person"
    assert both.delete(f"/v1/grants/{received}").json()["revoked_by"] == "clinician"


def test_a_person_is_told_of_former_clinicians_and_not_of_strangers(  # noqa: PLR0913, PLR0917 - fixtures
    owner: httpx.Client,
    florence: httpx.Client,
    sign_in: SignIn,
    engine: Engine,
    person: UUID,
    alone: Callable[..., str],
) -> None:
    florence.get(f"/v1/users/{person}/trends")  # before there was a grant
    sign_in(f"stranger-{new_id()}", Role.CLINICIAN).get(f"/v1/users/{person}/trends")
    grant = alone()
    for _ in range(3):
        florence.get(f"/v1/users/{person}/trends")
    florence.get(f"/v1/users/{person}/analyses")
    owner.delete(f"/v1/grants/{grant}")
    florence.get(f"/v1/users/{person}/analyses")

    accesses = listed(owner, "users/me/accesses", limit=2)

    assert [(access["action"], access["outcome"]) for access in accesses] == [
        ("listAnalyses", "refused"),
        ("listAnalyses", "refused"),
        *[("getTrends", "allowed")] * 3,
    ]
    assert listed(sign_in(f"other-{new_id()}", Role.USER), "users/me/accesses") == []


@pytest.mark.parametrize("what", ["invitations", "grants", "users/me/accesses"])
@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=abc", "livs=true"])
def test_what_cannot_be_asked_is_refused(owner: httpx.Client, what: str, query: str) -> None:
    assert owner.get(f"/v1/{what}?{query}").status_code == 422


# --- rows that cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "values", "constraint"),
    [
        ("invitations", "scopes = '{}'", "scopes_known"),
        ("invitations", "scopes = '{trends,everything}'", "scopes_known"),
        ("invitations", "scopes = '{trends,null}'", "scopes_known"),
        ("invitations", "purpose = ''", "purpose_bounded"),
        ("invitations", "purpose = E'two\\nlines'", "purpose_bounded"),
        ("invitations", "use_context = 'workplace'", "use_context_permitted"),
        ("invitations", "use_context = 'education'", "use_context_permitted"),
        ("invitations", "code_sha256 = 'short'", "code_sha256_length"),
        ("invitations", "grant_days = 367", "grant_days_bounded"),
        ("invitations", "expires_at = created_at", "expires_in_time"),
        ("invitations", "expires_at = created_at + interval '31 days'", "expires_in_time"),
        ("invitations", "redeemed_at = null", "redeemed_by_somebody"),
        ("invitations", "redeemed_by = user_id", "redeemed_by_another"),
        ("invitations", "redeemed_by = :other", "fk_grants_invitation_id"),
        ("invitations", "redeemed_at = expires_at", "redeemed_before_it_expired"),
        ("invitations", "redeemed_at = created_at - interval '1 s'", "redeemed_before_it_expired"),
        ("invitations", "withdrawn_at = now()", "redeemed_or_withdrawn"),
        (
            "invitations",
            "redeemed_at = null, redeemed_by = null, withdrawn_at = created_at - interval '1 s'",
            "withdrawn_after|fk_grants_invitation_id",
        ),
        ("grants", "scopes = '{}'", "scopes_known"),
        ("grants", "use_context = 'workplace'", "use_context_permitted"),
        ("grants", "clinician_id = user_id", "for_another"),
        ("grants", "clinician_id = :other", "fk_grants_invitation_id"),
        ("grants", "user_id = :other", "fk_grants_invitation_id"),
        ("grants", "expires_at = granted_at", "expires_in_time"),
        ("grants", "expires_at = granted_at + interval '367 days'", "expires_in_time"),
        ("grants", "revoked_at = now()", "revoked_by_somebody"),
        ("grants", "revoked_at = now(), revoked_by = 'operator'", "revoked_by_known"),
        ("grants", "revoked_at = granted_at - interval '1 s', revoked_by = 'person'", "revoked_after"),
        ("grants", "revoked_at = expires_at, revoked_by = 'person'", "revoked_while_live"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(  # noqa: PLR0913, PLR0917 - fixtures
    engine: Engine, person: UUID, clinician: UUID, table: str, values: str, constraint: str
) -> None:
    add_grant(engine, person, clinician)
    other = add_user(engine, "other")
    asked = {"person": person} | ({"other": other} if ":other" in values else {})

    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(text(f"update {table} set {values} where user_id = :person"), asked)  # noqa: S608


def test_a_pair_has_one_grant_that_was_not_revoked(engine: Engine, person: UUID, clinician: UUID) -> None:
    add_grant(engine, person, clinician)

    with pytest.raises(IntegrityError, match="uq_grants_current"):
        add_grant(engine, person, clinician)


#: Twenty clinicians with three hundred people each, half of which took their grant back.
CROWD = """
insert into users (id, subject)
select uuidv7(), 'granted-' || n from generate_series(0, 319) n on conflict do nothing;
create temporary table crowd on commit drop as
    select id, substr(subject, 9)::int as n from users where subject like 'granted-%';
insert into invitations (id, user_id, code_sha256, scopes, purpose, use_context, grant_days, expires_at,
    redeemed_at, redeemed_by)
select uuidv7(), p.id, sha256((p.n || '-' || c.n)::bytea), '{trends}', 'x', 'research', 9,
    now() + interval '1 day', now(), c.id
from crowd p, crowd c where p.n < 300 and c.n >= 300;
insert into grants (id, user_id, clinician_id, invitation_id, scopes, purpose, use_context, expires_at,
    revoked_at, revoked_by)
select uuidv7(), user_id, redeemed_by, id, scopes, purpose, use_context, now() + interval '9 days',
    case when get_byte(code_sha256, 0) < 128 then now() end,
    case when get_byte(code_sha256, 0) < 128 then 'person' end
from invitations
"""


def test_a_decision_is_one_look_at_an_index(engine: Engine) -> None:
    with engine.connect() as connection:
        for part in CROWD.split(";"):
            connection.execute(text(part))
        pair = "select user_id, clinician_id from grants where revoked_at is null limit 1"
        person, clinician = connection.execute(text(pair)).one()
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze grants, users, access_events"))
    with engine.connect() as connection:
        plan = explained(connection, person, clinician)
        connection.rollback()

    assert "Index Only Scan using uq_grants_current" in plan, plan
    assert "Index Only Scan using pk_users" in plan, plan
    assert "Seq Scan" not in plan, plan
    (former,) = (line for line in plan.splitlines() if "ix_grants_clinician_id_user_id_id" in line)
    assert "Index Only Scan Backward" in former
    assert "never executed" in former, "there is a current one"


def explained(connection: Connection, person: UUID, clinician: UUID) -> str:
    statement = access_events.decide(
        clinician, person, Scope.TRENDS, by=[ActorRole.CLINICIAN], action="getTrends", request_id=None
    )
    return plan_of(connection, statement, "analyze")
