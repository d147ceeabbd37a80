"""Notes: who may write and read them, what becomes of what they said, and what is left of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from factories import add_grant, add_user, subject_of
from integration_support import SignIn
from mindtrack_gateway.identity import Role
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.notes import LONGEST_NOTE
from mindtrack_shared.ids import new_id

WORDS = "Sleeps better since the exams.\n=1+1, naïve, 😴"


@pytest.fixture
def owner(sign_in: SignIn, engine: Engine, person: UUID) -> httpx.Client:
    return sign_in(subject_of(engine, person), Role.USER)


@pytest.fixture
def grant(engine: Engine, person: UUID, clinician: UUID) -> UUID:
    return add_grant(engine, person, clinician, Scope.NOTES)


def write(client: httpx.Client, person: UUID | str, said: str = WORDS, **headers: str) -> httpx.Response:
    return client.post(f"/v1/users/{person}/notes", json={"text": said}, headers=headers)


def listed(client: httpx.Client, person: UUID | str = "me", **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    response = client.get(f"/v1/users/{person}/notes", params=query)
    found: list[dict[str, Any]] = []
    while True:
        assert response.status_code == 200, response.text
        assert response.headers["Cache-Control"] == "no-store"
        found += response.json()["items"]
        if "next" not in response.links:
            return found
        response = client.get(urljoin(str(response.url), response.links["next"]["url"]))


def lines(engine: Engine, person: UUID) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        statement = "select action, outcome from access_events where subject_id = :id order by id"
        return [(row.action, row.outcome) for row in connection.execute(text(statement), {"id": person})]


@pytest.mark.usefixtures("grant")
def test_a_note_is_there_to_read_for_its_author_and_the_person(
    florence: httpx.Client, owner: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    response = write(florence, person)

    note = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/users/{person}/notes/{note['id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert (note["text"], note["revision"], note["deleted_at"]) == (WORDS, 1, None)
    assert (note["user_id"], note["author_id"]) == (str(person), str(clinician))
    assert note["created_at"] == note["updated_at"]
    assert listed(florence, person) == listed(owner) == listed(owner, person) == [note]
    one = florence.get(response.headers["Location"]).json()
    assert one == note | {"former": []} == owner.get(response.headers["Location"]).json()
    assert lines(engine, person) == [
        (action, "allowed") for action in ("createNote", "listNotes", "getNote")
    ], "who reads of themselves leaves no line"


def test_another_clinician_is_not_shown_it(
    florence: httpx.Client, sign_in: SignIn, engine: Engine, person: UUID, clinician: UUID
) -> None:
    other = add_user(engine, f"clinician-{new_id()}")
    for each in (clinician, other):
        add_grant(engine, person, each, Scope.NOTES)
    place = write(florence, person).headers["Location"]
    mary = sign_in(subject_of(engine, other), Role.CLINICIAN)
    never = f"/v1/users/{person}/notes/{new_id()}"

    assert listed(mary, person) == []
    for method, body in (("GET", None), ("PATCH", {"text": "No."}), ("DELETE", None)):
        foreign, unknown = (mary.request(method, path, json=body) for path in (place, never))
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json() | {"instance": ""} == unknown.json() | {"instance": ""}


@pytest.mark.usefixtures("grant")
def test_a_change_keeps_what_was_said_before(
    florence: httpx.Client, owner: httpx.Client, person: UUID
) -> None:
    place = write(florence, person, "First.").headers["Location"]
    first = florence.get(place).json()

    for said in ("Second.", "Second.", "Third."):
        assert florence.patch(place, json={"text": said}).status_code == 200

    note = owner.get(place).json()
    assert (note["text"], note["revision"]) == ("Third.", 3), "the same once more changes nothing"
    assert [(each["revision"], each["text"]) for each in note["former"]] == [(2, "Second."), (1, "First.")]
    assert note["former"][1]["written_at"] == first["updated_at"] == note["created_at"]
    assert note["updated_at"] > note["former"][0]["written_at"]


@pytest.mark.usefixtures("grant")
def test_a_deleted_note_leaves_the_list_and_stays_on_record(
    florence: httpx.Client, owner: httpx.Client, engine: Engine, person: UUID
) -> None:
    place = write(florence, person).headers["Location"]

    assert florence.delete(place).status_code == 204
    deleted_at = florence.get(place).json()["deleted_at"]
    assert florence.delete(place).status_code == 204, "the answer may have been lost"
    assert florence.get(place).json()["deleted_at"] == deleted_at

    assert listed(florence, person) == listed(owner) == []
    for client in (florence, owner):
        (note,) = listed(client, person, deleted=True)
        assert note["deleted_at"]
        assert client.get(place).json()["text"] == WORDS
    assert florence.patch(place, json={"text": "No."}).status_code == 404
    assert owner.delete(place).status_code == 403
    assert ("deleteNote", "allowed") in lines(engine, person)


@pytest.mark.usefixtures("grant")
def test_a_note_that_is_sent_again_is_one(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    key, another = str(new_id()), add_user(engine, f"person-{new_id()}")
    add_grant(engine, another, clinician, Scope.NOTES)
    first = write(florence, person, **{"Idempotency-Key": key})
    place = first.headers["Location"]
    florence.patch(place, json={"text": "Changed."})

    again = write(florence, person, **{"Idempotency-Key": f'"{key}"'})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["text"] == "Changed.", "as it stands now"
    for response in (
        write(florence, person, "Other words.", **{"Idempotency-Key": key}),
        write(florence, another, **{"Idempotency-Key": key}),
    ):
        assert response.status_code == 422
        assert response.json()["type"] == "urn:mindtrack:problem:idempotency-key-reused"
    assert len(listed(florence, person)) == 1
    assert write(florence, person).status_code == write(florence, person).status_code == 201, "without a key"


def test_a_note_goes_out_of_sight_with_the_grant_and_stays_with_the_person(  # noqa: PLR0913, PLR0917 - both sides, and what is between them
    florence: httpx.Client, owner: httpx.Client, engine: Engine, person: UUID, clinician: UUID, grant: UUID
) -> None:
    place = write(florence, person).headers["Location"]
    assert owner.delete(f"/v1/grants/{grant}").status_code == 200

    for method, path in (("GET", f"/v1/users/{person}/notes"), ("GET", place), ("DELETE", place)):
        assert florence.request(method, path).status_code == 404
    assert write(florence, person).status_code == 404
    assert len(listed(owner)) == 1
    add_grant(engine, person, clinician, Scope.NOTES)
    assert len(listed(florence, person)) == 1, "and comes back with the next"


def test_pages_lead_on(florence: httpx.Client, person: UUID, grant: UUID) -> None:
    made = [write(florence, person, f"Note {number}").json()["id"] for number in range(5)]

    assert [note["id"] for note in listed(florence, person, limit=2)] == made[::-1]


@pytest.mark.usefixtures("grant")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": " \n"},
        {"text": "a\0b"},
        {"text": "a" * (LONGEST_NOTE + 1)},
        {"text": "Well.", "author_id": str(new_id())},
        {"text": 3},
    ],
)
def test_what_is_no_note_is_refused(florence: httpx.Client, person: UUID, body: dict[str, Any]) -> None:
    response = florence.post(f"/v1/users/{person}/notes", json=body)

    assert response.status_code == 422
    assert listed(florence, person) == []


@pytest.mark.usefixtures("grant")
def test_the_longest_note_fits(florence: httpx.Client, person: UUID) -> None:
    assert write(florence, person, "ä" * LONGEST_NOTE).status_code == 201


def test_nobody_writes_about_themselves(sign_in: SignIn, engine: Engine, person: UUID) -> None:
    both = sign_in(subject_of(engine, person), Role.USER, Role.CLINICIAN)

    assert write(both, person).status_code == 404
    assert write(sign_in(subject_of(engine, person), Role.USER), person).status_code == 403


@pytest.mark.usefixtures("grant")
def test_who_is_both_reads_as_who_they_are(
    florence: httpx.Client, sign_in: SignIn, engine: Engine, person: UUID
) -> None:
    """A clinician who records sees what was written about them, and of others only their own words."""
    write(florence, person)
    both = sign_in(subject_of(engine, person), Role.USER, Role.CLINICIAN)

    assert len(listed(both)) == len(listed(both, person)) == 1


@pytest.mark.usefixtures("grant")
def test_notes_go_with_the_person_and_outlive_their_author(
    florence: httpx.Client, engine: Engine, person: UUID, clinician: UUID
) -> None:
    place = write(florence, person).headers["Location"]
    florence.patch(place, json={"text": "Changed."})
    count = (
        "select count(*) from notes n left join note_revisions r on r.note_id = n.id where n.user_id = :id"
    )

    with engine.connect() as connection:  # never committed
        connection.execute(text("delete from grants where user_id = :id"), {"id": person})
        connection.execute(text("delete from invitations where user_id = :id"), {"id": person})
        assert connection.scalar(text(count), {"id": person}) == 1
        connection.execute(text("delete from users where id = :id"), {"id": clinician})
        assert (
            connection.scalar(text("select author_id from notes where user_id = :id"), {"id": person}) is None
        )
        connection.execute(text("delete from users where id = :id"), {"id": person})
        assert connection.scalar(text(count), {"id": person}) == 0
        assert connection.scalar(text("select count(*) from note_revisions")) == 0


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({}, None),
        ({"author_id": ":person"}, "by_another"),
        ({"text": "''"}, "text_bounded"),
        ({"text": f"repeat('a', {LONGEST_NOTE + 1})"}, "text_bounded"),
        ({"revision": "0"}, "revision_positive"),
        ({"key": "'with blanks'"}, "key_visible_ascii"),
        ({"created_at": "now() + interval '1 day'"}, "updated_after"),
        ({"deleted_at": "now() - interval '1 day'"}, "deleted_after"),
    ],
)
def test_a_note_that_contradicts_itself_is_refused(
    engine: Engine, person: UUID, clinician: UUID, change: dict[str, str], constraint: str | None
) -> None:
    row = {
        "id": "uuidv7()",
        "user_id": ":person",
        "author_id": ":clinician",
        "text": "'Well.'",
        "created_at": "now()",
        "updated_at": "now()",
    } | change
    statement = f"insert into notes ({', '.join(row)}) values ({', '.join(row.values())})"  # noqa: S608
    known = {"person": person, "clinician": clinician}

    def insert() -> None:
        with engine.begin() as connection:
            asked = {name: value for name, value in known.items() if f":{name}" in statement}
            connection.execute(text(statement), asked)

    if constraint is None:
        insert()
    else:
        with pytest.raises(IntegrityError, match=constraint):
            insert()
