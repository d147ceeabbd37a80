"""Feedback: who may give it, on what, what is kept of it, and what is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from factories import RUNNING, add_job, add_user, end_jobs, move_jobs
from integration_support import as_role, serving, upload, work
from mindtrack_gateway.app import create_app
from mindtrack_gateway.feedback.routes import ASKED, GIVEN, LISTED
from mindtrack_gateway.feedback.schemas import FeedbackGiven, FeedbackList, FeedbackQuery
from mindtrack_gateway.seals import of_feedback
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import roles
from mindtrack_shared.domain.feedback import LONGEST_NOTE, ClinicalLabel
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import DataKeys, SealedRecordings, unseal_text
from mindtrack_shared.settings import DatabaseSettings
from mindtrack_shared.storage import RecordingStore

SUCCEEDED = "status = 'succeeded', worker_id = null, lease_expires_at = null, finished_at = now()"
CALM_ITEMS = [1, 1, 0, 2, 0, 0, 1, 0, 0]
DARK_ITEMS = [1, 1, 0, 2, 0, 0, 1, 0, 1]
NOTHING = dict.fromkeys(("stress", "anxiety", "mood", "phq9", "gad7", "note", "label"))


def analysed(engine: Engine, subject: str = "ada") -> str:
    job_id = add_job(engine, add_user(engine, subject))
    move_jobs(engine, job_id, to=RUNNING)
    move_jobs(engine, job_id, to=SUCCEEDED)
    return str(job_id)


@pytest.fixture
def job_id(engine: Engine) -> str:
    return analysed(engine)


@pytest.fixture
def clinician(gateway: str, infrastructure: Infrastructure) -> Callable[..., httpx.Client]:
    def make(*roles: Any, subject: str = "florence") -> httpx.Client:  # noqa: ANN401 - names of roles
        token = infrastructure.issuer.token(subject, *(roles or ("clinician",)))
        return httpx.Client(base_url=gateway, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    return make


def give(client: httpx.Client, job_id: str, **said: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    return client.post(f"/v1/jobs/{job_id}/feedback", json=said)


def given(client: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    response = client.get(f"/v1/jobs/{job_id}/feedback")
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def rows(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text("select * from feedback order by created_at")))


def test_what_was_said_is_there_to_read(
    ada: httpx.Client, engine: Engine, store: RecordingStore, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = upload(ada).json()["id"]
    work(engine, recordings, wakeups, job_id)
    assert given(ada, job_id) == []

    said = {"stress": 7, "anxiety": 0, "mood": 10, "note": "Exam on Friday; slept badly. 😴"}
    response = give(ada, job_id, **said, answered_at="2026-03-01T18:05:00+01:00")

    kept = response.json()
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert kept.pop("support") is None
    age = datetime.now(UTC) - datetime.fromisoformat(kept.pop("given_at"))
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert kept == NOTHING | said | {"kind": "self", "answered_at": "2026-03-01T17:05:00Z"}
    (item,) = given(ada, job_id)
    del item["given_at"]
    assert item == kept


@pytest.mark.parametrize(
    ("name", "asked", "total"),
    [
        ("phq9", {"items": CALM_ITEMS}, 5),
        ("phq9", {"items": [3] * 9}, 27),
        ("phq9", {"total": 27}, 27),
        ("phq9", {"total": 0}, 0),
        ("gad7", {"items": [0] * 7}, 0),
        ("gad7", {"items": [3] * 7}, 21),
        ("gad7", {"total": 21}, 21),
    ],
)
def test_questionnaires_come_as_items_or_total(
    ada: httpx.Client, job_id: str, name: str, asked: dict[str, Any], total: int
) -> None:
    assert give(ada, job_id, **{name: asked}).status_code == 201

    (item,) = given(ada, job_id)
    assert item[name] == {"items": asked.get("items"), "total": total}
    assert item["answered_at"] == item["given_at"]


def test_the_later_word_holds_and_the_earlier_is_history(
    ada: httpx.Client, engine: Engine, keys: DataKeys, job_id: str
) -> None:
    assert give(ada, job_id, stress=7, note="First").status_code == 201
    replaced = give(ada, job_id, mood=4)

    assert replaced.status_code == 200
    (item,) = given(ada, job_id)
    assert (item["mood"], item["stress"], item["note"]) == (4, None, None), "as a whole"
    first, second = rows(engine)
    place = of_feedback(first.user_id, first.id)
    said = unseal_text(first.note, keys.of(place.person), person=place.person, place=place.name)
    assert (first.stress, said, second.superseded_at) == (7, "First", None)
    assert first.created_at <= first.superseded_at <= second.created_at


def test_words_said_at_once_leave_one_that_holds(ada: httpx.Client, engine: Engine, job_id: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda stress: give(ada, job_id, stress=stress % 11), range(24)))

    assert sorted(answer.status_code for answer in answers) == [200] * 23 + [201]
    kept = rows(engine)
    assert len(kept) == 24
    (last,) = (row for row in kept if row.superseded_at is None)
    assert last == kept[-1]
    assert given(ada, job_id)[0]["stress"] == last.stress


def test_one_authors_word_leaves_anothers(ada: httpx.Client, engine: Engine, job_id: str) -> None:
    insert(engine, job_id, CLINICAL)
    assert give(ada, job_id, stress=7).status_code == 201
    assert give(ada, job_id, stress=6).status_code == 200

    heard, said = given(ada, job_id)
    assert (heard["kind"], heard["label"], heard["stress"]) == ("clinician", "Sad", None)
    assert (said["kind"], said["label"], said["stress"]) == ("self", None, 6)


def test_each_job_has_its_own(ada: httpx.Client, engine: Engine) -> None:
    jobs = [analysed(engine) for _ in range(2)]
    for stress, job_id in enumerate(jobs):
        assert give(ada, job_id, stress=stress).status_code == 201

    assert [given(ada, job_id)[0]["stress"] for job_id in jobs] == [0, 1]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_somebody_elses_job_looks_like_one_that_never_was(
    ada: httpx.Client, grace: httpx.Client, engine: Engine, job_id: str, method: str
) -> None:
    give(ada, job_id, stress=7)
    waiting = str(add_job(engine, add_user(engine, "ada")))
    body = {"stress": 1} if method == "POST" else None
    never = str(new_id())

    foreign, unended, unknown = (
        grace.request(method, f"/v1/jobs/{asked}/feedback", json=body) for asked in (job_id, waiting, never)
    )

    assert foreign.status_code == unknown.status_code == unended.status_code == 404
    assert foreign.text.replace(job_id, never) == unknown.text == unended.text.replace(waiting, never)
    assert len(rows(engine)) == 1


@pytest.mark.parametrize("roles", [("clinician",), ("clinician", "user")])
def test_a_clinician_without_a_grant_finds_no_job(
    clinician: Callable[..., httpx.Client], engine: Engine, job_id: str, roles: tuple[str, ...]
) -> None:
    never = str(new_id())
    with clinician(*roles) as florence:
        for asked in ({"label": "Anxious"}, None):
            foreign, unknown = (
                give(florence, job, **asked) if asked else florence.get(f"/v1/jobs/{job}/feedback")
                for job in (job_id, never)
            )
            assert foreign.status_code == unknown.status_code == 404
            assert foreign.text.replace(job_id, never) == unknown.text
    assert rows(engine) == []


def test_nobody_is_their_own_clinician(
    clinician: Callable[..., httpx.Client], engine: Engine, job_id: str
) -> None:
    with clinician("clinician", "user", subject="ada") as ada:
        assert give(ada, job_id, label="Anxious").status_code == 404
        assert give(ada, job_id, stress=3).status_code == 201


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (("user",), {"label": "Anxious"}),
        (("clinician",), {"stress": 3}),
        (("operator",), {"stress": 3}),
        (("operator",), {"label": "unclear"}),
    ],
)
def test_each_kind_takes_its_role(
    clinician: Callable[..., httpx.Client],
    engine: Engine,
    job_id: str,
    roles: tuple[str, ...],
    said: dict[str, Any],
) -> None:
    with clinician(*roles, subject="ada") as caller:
        assert give(caller, job_id, **said).status_code == 403
    assert rows(engine) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_says_or_reads_anything_without_a_token(gateway: str, job_id: str, method: str) -> None:
    response = httpx.request(method, f"{gateway}/v1/jobs/{job_id}/feedback")

    assert response.status_code == 401


def test_operators_read_nobodys_words(clinician: Callable[..., httpx.Client], job_id: str) -> None:
    with clinician("operator", "service", subject="ada") as operator:
        assert operator.get(f"/v1/jobs/{job_id}/feedback").status_code == 403


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_without_an_analysis_there_is_nothing_to_rate(ada: httpx.Client, engine: Engine, status: str) -> None:
    job_id = add_job(engine, add_user(engine, "ada"))
    if status == "running":
        move_jobs(engine, job_id, to=RUNNING)
    if status == "failed":
        end_jobs(engine, job_id)

    response = give(ada, str(job_id), stress=5)

    assert response.status_code == 409
    assert response.json()["type"] == "urn:mindtrack:problem:nothing-to-rate"
    assert ("ended without" in response.json()["detail"]) == (status == "failed")
    assert given(ada, str(job_id)) == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "body"),
        ({"note": "Only words."}, "body"),
        ({"stress": None, "label": None}, "body"),
        ({"stress": 11}, "body.stress"),
        ({"anxiety": -1}, "body.anxiety"),
        ({"mood": 5.5}, "body.mood"),
        ({"mood": 5.0}, "body.mood"),
        ({"stress": True}, "body.stress"),
        ({"stress": "3"}, "body.stress"),
        ({"phq9": {"items": [0] * 8}}, "body.phq9.items"),
        ({"phq9": {"items": [0] * 10}}, "body.phq9.items"),
        ({"phq9": {"items": [0] * 8 + [4]}}, "body.phq9.items.8"),
        ({"phq9": {"items": [0] * 8 + [None]}}, "body.phq9.items.8"),
        ({"phq9": {"total": 28}}, "body.phq9.total"),
        ({"phq9": {"total": 5, "items": CALM_ITEMS}}, "body.phq9"),
        ({"phq9": {}}, "body.phq9"),
        ({"phq9": CALM_ITEMS}, "body.phq9"),
        ({"gad7": {"items": [0] * 9}}, "body.gad7.items"),
        ({"gad7": {"total": 22}}, "body.gad7.total"),
        ({"gad7": {"total": 3, "severity": "mild"}}, "body.gad7.severity"),
        ({"stress": 1, "note": "x" * (LONGEST_NOTE + 1)}, "body.note"),
        ({"stress": 1, "note": ""}, "body.note"),
        ({"stress": 1, "note": "nul\0"}, "body.note"),
        ({"stress": 1, "calm": 3}, "body.calm"),
        ({"label": "Angry"}, "body.label"),
        ({"label": "Sad", "stress": 3}, "body"),
        ({"label": "Sad", "note": "Heard it."}, "body"),
        ({"stress": 1, "answered_at": "2026-03-01T18:00:00"}, "body.answered_at"),
        ({"stress": 1, "answered_at": 1772388000}, "body.answered_at"),
        ({"stress": 1, "answered_at": "2999-01-01T00:00:00Z"}, "body.answered_at"),
        ({"stress": 1, "answered_at": "1999-01-01T00:00:00Z"}, "body.answered_at"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    ada: httpx.Client, engine: Engine, job_id: str, said: dict[str, Any], field: str
) -> None:
    give(ada, job_id, stress=7)

    response = give(ada, job_id, **said)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert given(ada, job_id)[0]["stress"] == 7
    assert len(rows(engine)) == 1


def test_half_a_character_is_refused(ada: httpx.Client, job_id: str) -> None:
    response = ada.post(
        f"/v1/jobs/{job_id}/feedback",
        content=rb'{"stress": 1, "note": "\ud83d"}',
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == 422


@pytest.mark.parametrize("note", ["x" * LONGEST_NOTE, "😴" * LONGEST_NOTE, "'; drop table feedback; --", " "])
def test_a_note_is_kept_as_it_comes(ada: httpx.Client, job_id: str, note: str) -> None:
    assert give(ada, job_id, stress=1, note=note).status_code == 201
    assert given(ada, job_id)[0]["note"] == note


@pytest.mark.parametrize(
    ("said", "supported"),
    [
        ({"phq9": {"items": DARK_ITEMS}}, True),
        ({"phq9": {"items": [0] * 8 + [3]}}, True),
        ({"phq9": {"items": CALM_ITEMS}}, False),
        ({"phq9": {"items": [3] * 8 + [0]}}, False),
        ({"phq9": {"total": 27}}, False),
        ({"gad7": {"items": [3] * 7}}, False),
        ({"stress": 10}, False),
    ],
)
def test_the_ninth_item_is_answered_with_support(
    ada: httpx.Client,
    job_id: str,
    said: dict[str, Any],
    supported: bool,  # noqa: FBT001 - the expectation
) -> None:
    support = give(ada, job_id, **said).json()["support"]

    assert (support is not None) == supported
    if supported:
        assert support["link"] is None, "not set"
        assert "Nobody was told" in support["notice"]
    assert "support" not in given(ada, job_id)[0]


def test_support_leads_where_the_settings_say(
    infrastructure: Infrastructure,
    database: DatabaseSettings,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = analysed(engine)
    for name, value in infrastructure.environment.variables().items():
        monkeypatch.setenv(name, value)
    login = as_role(roles.GATEWAY, database)
    monkeypatch.setenv("MINDTRACK_DATABASE_URL", login.url.get_secret_value())
    monkeypatch.setenv("MINDTRACK_GATEWAY_SUPPORT_URL", "https://support.example/talk")
    headers = {"Authorization": f"Bearer {infrastructure.issuer.token('ada')}"}
    with serving(create_app()) as url, httpx.Client(base_url=url, headers=headers) as ada:
        support = give(ada, job_id, phq9={"items": DARK_ITEMS}).json()["support"]

    assert support["link"] == "https://support.example/talk"


def test_nothing_of_it_is_logged(
    ada: httpx.Client,
    job_id: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    word = "unmistakable"
    give(ada, job_id, stress=7, note=word, phq9={"items": DARK_ITEMS})
    give(ada, job_id, stress=70, note=word)
    assert give(ada, job_id, stress=7, note=word + "\0").status_code == 422

    captured = capfd.readouterr()
    assert word not in caplog.text + captured.out + captured.err
    assert str(DARK_ITEMS) not in caplog.text + captured.out + captured.err


def test_feedback_goes_with_its_job(ada: httpx.Client, engine: Engine, job_id: str) -> None:
    give(ada, job_id, stress=7)
    give(ada, job_id, stress=8)
    with engine.begin() as connection:
        connection.execute(text("delete from jobs where id = :id"), {"id": job_id})

    assert rows(engine) == []


LEGAL = {
    "kind": "'self'",
    "author_id": "user_id",
    "stress": "5",
    "answered_at": "now()",
}
CLINICAL = {"kind": "'clinician'", "author_id": ":other", "stress": "null", "label": "'Sad'"}


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({}, None),
        (CLINICAL, None),
        ({"phq9_items": "'{0,0,0,0,0,0,0,0,3}'", "phq9_total": "3"}, None),
        ({"kind": "'friend'"}, "kind_known|self_is_the_owner"),
        ({"author_id": ":other"}, "self_is_the_owner"),
        (CLINICAL | {"author_id": "user_id"}, "self_is_the_owner"),
        ({"label": "'Sad'"}, "says_what_its_kind_says"),
        ({"stress": "null"}, "says_what_its_kind_says"),
        ({"stress": "null", "note": "'Only words'"}, "says_what_its_kind_says"),
        (CLINICAL | {"label": "null"}, "says_what_its_kind_says"),
        (CLINICAL | {"mood": "3"}, "says_what_its_kind_says"),
        (CLINICAL | {"note": "'Heard it.'"}, "says_what_its_kind_says"),
        (CLINICAL | {"label": "'Angry'"}, "label_known"),
        ({"stress": "11"}, "stress_bounded"),
        ({"anxiety": "-1"}, "anxiety_bounded"),
        ({"mood": "11"}, "mood_bounded"),
        ({"phq9_total": "28"}, "phq9_total_bounded"),
        ({"gad7_total": "22"}, "gad7_total_bounded"),
        ({"phq9_items": "'{0,0,0,0,0,0,0,0,3}'"}, "phq9_items_make_the_total"),
        ({"phq9_items": "'{0,0,0,0,0,0,0,0,3}'", "phq9_total": "4"}, "phq9_items_make_the_total"),
        ({"phq9_items": "'{0,0,0,0,0,0,0,0,null}'", "phq9_total": "0"}, "phq9_items_make_the_total"),
        ({"phq9_items": "'{0,0,0,0,0,0,0,-1,4}'", "phq9_total": "3"}, "phq9_items_make_the_total"),
        ({"phq9_items": "'{0,0,0,0,0,0,0,3}'", "phq9_total": "3"}, "phq9_items_make_the_total"),
        ({"phq9_items": "'{}'", "phq9_total": "0"}, "phq9_items_make_the_total"),
        ({"gad7_items": "'{0,0,0,0,0,0,0,0}'", "gad7_total": "0"}, "gad7_items_make_the_total"),
        ({"note": "''"}, "note_bounded"),
        ({"note": "repeat('x', 501)"}, "note_bounded"),
        ({"superseded_at": "now() - interval '1 hour'"}, "superseded_after"),
        ({"user_id": ":other", "author_id": ":other"}, "fk_feedback_job_id_user_id"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(
    engine: Engine, job_id: str, change: dict[str, str], constraint: str | None
) -> None:
    insert(engine, job_id, change) if constraint is None else refused(engine, job_id, change, constraint)


def test_two_words_cannot_hold_at_once(engine: Engine, job_id: str) -> None:
    insert(engine, job_id, {"superseded_at": "now()"})
    insert(engine, job_id, {})
    insert(engine, job_id, CLINICAL)
    refused(engine, job_id, {}, "uq_feedback_current")


def insert(engine: Engine, job_id: str, change: dict[str, str]) -> None:
    values = {"id": "uuidv7()", "job_id": "jobs.id", "user_id": "user_id"} | LEGAL | change
    columns, sources = ", ".join(values), ", ".join(values.values())
    other = add_user(engine, "florence")
    statement = f"insert into feedback ({columns}) select {sources} from jobs where jobs.id = :job"  # noqa: S608
    bound: dict[str, UUID | str] = {"job": job_id} | ({"other": other} if ":other" in sources else {})
    with engine.begin() as connection:
        connection.execute(text(statement), bound)


def refused(engine: Engine, job_id: str, change: dict[str, str], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        insert(engine, job_id, change)


def test_every_label_may_be_kept(engine: Engine) -> None:
    for label in ClinicalLabel:
        insert(engine, analysed(engine), CLINICAL | {"label": f"'{label}'"})


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/v1/jobs", "get", {"200", "401", "403", "422", "503"}),
        ("/v1/jobs/status", "post", {"200", "401", "403", "422", "503"}),
        ("/v1/jobs/{job_id}/feedback", "get", {"200", "401", "403", "404", "422", "503"}),
        ("/v1/jobs/{job_id}/feedback", "post", {"200", "201", "401", "403", "404", "409", "422", "503"}),
    ],
)
def test_every_answer_has_an_example(gateway: str, path: str, method: str, statuses: set[str]) -> None:
    answers = httpx.get(f"{gateway}/openapi.json").json()["paths"][path][method]["responses"]

    assert statuses <= answers.keys()
    for status, answer in answers.items():
        media = "application/json" if status.startswith("2") else "application/problem+json"
        assert {"example", "examples"} & answer["content"][media].keys(), status


def test_the_examples_are_what_they_show() -> None:
    for example in ASKED.values():
        FeedbackQuery.model_validate(example["value"])
    assert FeedbackGiven.model_validate(GIVEN).model_dump(mode="json") == GIVEN
    assert FeedbackList.model_validate(LISTED).model_dump(mode="json") == LISTED
