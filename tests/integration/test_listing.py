"""`GET /v1/jobs` and `POST /v1/jobs/status`: many jobs at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, event, text

from factories import RUNNING, add_job, add_user, end_jobs, move_jobs
from integration_support import plan_of, upload, work
from mindtrack_gateway.jobs import listing
from mindtrack_gateway.jobs.cursor import encode
from mindtrack_gateway.jobs.schemas import JobPage
from mindtrack_gateway.jobs.statuses import EXAMPLE, MAX_IDS, StatusReport
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import jobs
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import first_id, new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def person(engine: Engine) -> UUID:
    return add_user(engine, "ada")


def id_at(at: datetime) -> UUID:
    """Make an id as a gateway would have at a moment."""
    return UUID(int=first_id(at).int | (new_id().int & ((1 << 80) - 1)))


def job_at(engine: Engine, person: UUID, at: datetime, **fields: Any) -> str:  # noqa: ANN401
    columns: dict[str, Any] = {"id": id_at(at), "created_at": at} | fields
    return str(add_job(engine, person, **columns))


def listed(client: httpx.Client, **query: Any) -> list[str]:  # noqa: ANN401 - query values
    response = client.get("/v1/jobs", params=query)
    assert response.status_code == 200, response.text
    return [job["id"] for job in response.json()["items"]]


def followed(client: httpx.Client, **query: Any) -> Iterator[httpx.Response]:  # noqa: ANN401
    """Yield page after page, as the links lead."""
    response = client.get("/v1/jobs", params=query)
    yield response
    while "next" in response.links:
        response = client.get(urljoin(str(response.url), response.links["next"]["url"]))
        yield response


def test_links_lead_through_all_pages_with_the_filters(
    ada: httpx.Client, engine: Engine, person: UUID
) -> None:
    wanted = [add_job(engine, person) for _ in range(5)]
    end_jobs(engine, add_job(engine, person), add_job(engine, person))
    move_jobs(engine, wanted[2], to=RUNNING)

    query = {
        "limit": 2,
        "status": ["queued", "running"],
        "created_after": (datetime.now(UTC) - timedelta(hours=1)).astimezone().isoformat(),
        "created_before": "2999-01-01T00:00:00+01:00",
    }
    pages = list(followed(ada, **query))

    assert [job["id"] for page in pages for job in page.json()["items"]] == [str(job) for job in wanted[::-1]]
    assert [len(page.json()["items"]) for page in pages] == [2, 2, 1]
    for page in pages[:-1]:
        link = page.headers["Link"]
        assert link.startswith("</v1/jobs?")
        assert link.endswith('>; rel="next"')
        assert page.json()["next_cursor"] in link
        assert link.count("cursor=") == 1
    assert "Link" not in pages[-1].headers
    assert pages[-1].json()["next_cursor"] is None


def test_pages_hold_still_while_jobs_arrive(ada: httpx.Client, engine: Engine, person: UUID) -> None:
    before = [add_job(engine, person) for _ in range(7)]

    seen = []
    for page in followed(ada, limit=2):
        seen += [job["id"] for job in page.json()["items"]]
        for _ in range(3):
            add_job(engine, person)

    assert seen == [str(job) for job in before[::-1]]


def test_pages_hold_still_while_jobs_end(ada: httpx.Client, engine: Engine, person: UUID) -> None:
    """Those that fall out of the filter leave it, and nothing else."""
    before = [add_job(engine, person) for _ in range(6)]

    first = ada.get("/v1/jobs", params={"limit": 2, "status": "queued"}).json()
    end_jobs(engine, before[5], before[2])
    rest = listed(ada, limit=10, status="queued", cursor=first["next_cursor"])

    assert rest == [str(before[n]) for n in (3, 1, 0)]


def test_statuses_add_up(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups, person: UUID
) -> None:
    done = upload(ada).json()["id"]
    work(engine, recordings, wakeups, done)
    failed, running, queued = (add_job(engine, person) for _ in range(3))
    end_jobs(engine, failed)
    move_jobs(engine, running, to=RUNNING)

    assert listed(ada, status="succeeded") == [done]
    assert listed(ada, status=["failed", "queued"]) == [str(queued), str(failed)]
    assert listed(ada, status=["queued", "queued"]) == [str(queued)]
    assert listed(ada, status="canceled") == []
    assert listed(ada, status=list(JobStatus)) == listed(ada)


def test_a_day_begins_with_its_first_moment_and_ends_before_the_next(
    ada: httpx.Client, engine: Engine, person: UUID
) -> None:
    step = timedelta(microseconds=1)
    early, first, last, late = (
        job_at(engine, person, at)
        for at in (NOON - step, NOON, NOON + timedelta(days=1) - step, NOON + timedelta(days=1))
    )

    after, before = "2026-03-01T13:00:00+01:00", "2026-03-02T12:00:00Z"
    assert listed(ada, created_after=after, created_before=before) == [last, first]
    assert listed(ada, created_after=after) == [late, last, first]
    assert listed(ada, created_before=before) == [last, first, early]


@pytest.mark.parametrize("clock", [timedelta(hours=-20), timedelta(hours=20)])
def test_the_databases_clock_decides(
    ada: httpx.Client, engine: Engine, person: UUID, clock: timedelta
) -> None:
    """Ids are made by gateways, whose clocks may be off."""
    within, outside = NOON + timedelta(minutes=1), NOON - timedelta(minutes=1)
    inside = job_at(engine, person, within, id=id_at(within + clock))
    job_at(engine, person, outside, id=id_at(outside + clock))

    end = NOON + timedelta(minutes=2)
    assert listed(ada, created_after=NOON.isoformat(), created_before=end.isoformat()) == [inside]


def test_a_cursor_is_a_place_and_holds_with_other_filters(
    ada: httpx.Client, engine: Engine, person: UUID
) -> None:
    queued = [add_job(engine, person) for _ in range(2)]
    failed = add_job(engine, person)
    end_jobs(engine, failed)
    add_job(engine, person)

    cursor = ada.get("/v1/jobs", params={"limit": 1, "status": "queued"}).json()["next_cursor"]

    assert listed(ada, cursor=cursor, status="failed") == [str(failed)]
    assert listed(ada, cursor=cursor) == [str(failed), str(queued[1]), str(queued[0])]


def test_somebody_elses_cursor_opens_nothing(
    ada: httpx.Client, grace: httpx.Client, engine: Engine, person: UUID
) -> None:
    own = add_job(engine, add_user(engine, "grace"))
    for _ in range(2):
        add_job(engine, person)
    cursor = ada.get("/v1/jobs", params={"limit": 1}).json()["next_cursor"]

    assert listed(grace, cursor=cursor) == [str(own)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("created_after=2026-03-01T18:00:00", "query.created_after"),
        ("created_before=2026-03-01", "query.created_before"),
        ("created_after=1772388000", "query.created_after"),
        ("created_after=yesterday", "query.created_after"),
        ("created_after=", "query.created_after"),
        ("created_after=2026-02-30T18:00:00Z", "query.created_after"),
        ("created_after=0001-01-01T00:00:00%2B01:00", "query.created_after"),
        ("created_before=9999-12-31T23:59:59-01:00", "query.created_before"),
        ("created_after=2026-03-02T00:00:00Z&created_before=2026-03-01T00:00:00Z", "query.created_before"),
        ("created_after=2026-03-01T00:00:00Z&created_before=2026-03-01T00:00:00Z", "query.created_before"),
        ("status=done", "query.status.0"),
        ("status=queued&status=", "query.status.1"),
        ("staus=queued", "query.staus"),
        ("limit=0", "query.limit"),
        ("limit=101", "query.limit"),
        ("cursor=abc", "cursor"),
        (f"cursor={'A' * 65}", "query.cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused(ada: httpx.Client, query: str, field: str) -> None:
    response = ada.get(f"/v1/jobs?{query}")

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_lost_plus_is_explained(ada: httpx.Client) -> None:
    (error,) = ada.get("/v1/jobs?created_after=2026-03-01T18:00:00+01:00").json()["errors"]

    assert "%2B" in error["detail"]


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_the_ends_of_time_may_be_asked_for(
    ada: httpx.Client, engine: Engine, person: UUID, year: str
) -> None:
    job = str(add_job(engine, person))
    moment = f"{year}-06-01T00:00:00Z"

    assert listed(ada, created_after=moment) == ([job] if year == "0001" else [])
    assert listed(ada, created_before=moment) == ([] if year == "0001" else [job])


#: 50 000 jobs over 100 days: a diligent person's, and many others'. All but the newest have ended.
CROWD = """
insert into users (id, subject)
select uuidv7(), 'crowd-' || n from generate_series(0, 98) n on conflict do nothing;
insert into recordings
    (id, user_id, object_key, sha256, size_bytes, content_type, recorded_at, recorded_on, time_zone)
select uuidv7(make_interval(mins => -3 * n)),
    case when n % 101 = 0 then :user_id else crowd[n % 99 + 1] end,
    'key-' || n, sha256(n::text::bytea), n, 'audio/wav', now(), now()::date, 'UTC'
from generate_series(1, 50000) n,
    (select array_agg(id) as crowd from users where subject like 'crowd-%');
insert into jobs
    (id, recording_id, user_id, status, max_attempts, attempt, fence, code, created_at, finished_at)
select id, id, user_id,
    (case when size_bytes <= 300 then 'queued' when fine then 'succeeded' else 'failed' end)::job_status,
    3, 1, 1, case when size_bytes > 300 and not fine then 'internal_error' end,
    now() - make_interval(mins => 3 * size_bytes::int), case when size_bytes > 300 then now() end
from (select *, size_bytes % 20 > 0 as fine from recordings);
analyze users, recordings, jobs
"""


def test_each_list_finds_its_index_on_a_busy_table(engine: Engine, person: UUID) -> None:
    now = datetime.now(UTC)
    before = {"before": id_at(now - timedelta(days=35))}
    month = {"created_after": now - timedelta(days=60), "created_before": now - timedelta(days=30)}
    usual = {"statuses": {JobStatus.SUCCEEDED}}
    most = {"statuses": {JobStatus.SUCCEEDED, JobStatus.FAILED}}
    lists: list[dict[str, Any]] = [{}, before, month, before | month, usual, usual | before, most]
    #: Few jobs are so: they are looked for among the person's, or the few that have not ended, and sorted.
    rare: list[dict[str, Any]] = [
        {"statuses": {status}} for status in JobStatus if status is not JobStatus.SUCCEEDED
    ]
    with engine.connect() as connection:  # never committed
        connection.execute(text("set local statement_timeout = 0"))  # of services; this fills a table
        for part in CROWD.split(";"):
            connection.execute(text(part), {"user_id": person} if ":user_id" in part else {})
        for asked in (*lists, *rare):
            plan = plan_of(connection, jobs.page(person, limit=21, **asked))
            assert "Seq Scan" not in plan, (asked, plan)
            if asked in rare:
                sorted_rows = re.findall(r"Sort .*rows=(\d+)", plan)
                assert all(int(rows) < 100 for rows in sorted_rows), (asked, plan)
                continue
            assert "Sort" not in plan, (asked, plan)
            assert "Index Scan Backward using ix_jobs_user_id_id" in plan, (asked, plan)
            condition = plan[plan.index("ix_jobs_user_id_id") :].splitlines()[1]
            assert condition.count("id <") == ("before" in asked) + ("created_before" in asked)
            assert condition.count("id >=") == ("created_after" in asked)


def test_many_are_told_at_once_in_the_order_asked_for(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups, person: UUID
) -> None:
    done = upload(ada).json()["id"]
    work(engine, recordings, wakeups, done)
    queued, running, failed = (str(add_job(engine, person)) for _ in range(3))
    move_jobs(engine, UUID(running), to=RUNNING)
    end_jobs(engine, UUID(failed))
    asked = [failed, done, queued, running]

    report = ada.post("/v1/jobs/status", json={"ids": [*asked, done.upper(), failed]}).json()

    assert report["unknown"] == []
    assert [(item["id"], item["status"]) for item in report["items"]] == [
        (failed, "failed"),
        (done, "succeeded"),
        (queued, "queued"),
        (running, "running"),
    ]
    for item in report["items"]:
        alone = ada.get(f"/v1/jobs/{item['id']}")
        assert item["etag"] == alone.headers["ETag"]
        assert item["queue"] == alone.json()["queue"]
        assert item["retry_after"] == (
            int(alone.headers["Retry-After"]) if "Retry-After" in alone.headers else None
        )
    assert report["items"][2]["queue"]["position"] >= 1
    assert report["items"][2]["retry_after"] >= 1
    assert report["items"][0]["retry_after"] is None


def test_foreign_jobs_are_as_unknown_as_those_that_never_were(
    ada: httpx.Client, grace: httpx.Client, engine: Engine, person: UUID
) -> None:
    foreign, own, never = add_job(engine, person), add_job(engine, add_user(engine, "grace")), new_id()
    asked = [str(never), str(own), str(foreign)]
    for _ in range(2):  # found, and recalled
        ada.get(f"/v1/jobs/{foreign}")
        report = grace.post("/v1/jobs/status", json={"ids": asked}).json()

        assert [item["id"] for item in report["items"]] == [str(own)]
        assert report["unknown"] == [str(never), str(foreign)]
        assert ada.post("/v1/jobs/status", json={"ids": asked}).json()["unknown"] == asked[:2]


def test_a_hundred_are_one_look(ada: httpx.Client, engine: Engine, person: UUID) -> None:
    ids = [str(add_job(engine, person)) for _ in range(MAX_IDS)]
    end_jobs(engine, *map(UUID, ids))
    ada.get("/v1/jobs", params={"limit": 1})  # so that the person is known
    asked: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM jobs" in statement:
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        first, second = (ada.post("/v1/jobs/status", json={"ids": ids}).json() for _ in range(2))
    finally:
        event.remove(Engine, "before_cursor_execute", hear)

    assert [item["id"] for item in first["items"]] == ids
    assert second == first
    assert len(asked) == 2, "a glance, and the documents of those that were not known"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ids": []}, "body.ids"),
        ({"ids": [str(new_id()) for _ in range(MAX_IDS + 1)]}, "body.ids"),
        ({"ids": ["42"]}, "body.ids.0"),
        ({"ids": str(new_id())}, "body.ids"),
        ({}, "body.ids"),
        ({"ids": [str(new_id())], "status": "queued"}, "body.status"),
        ([], "body"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(ada: httpx.Client, body: object, field: str) -> None:
    response = ada.post("/v1/jobs/status", json=body)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_many_are_told_to_those_who_record_only(gateway: str, infrastructure: Infrastructure) -> None:
    body = {"ids": [str(new_id())]}
    assert httpx.post(f"{gateway}/v1/jobs/status", json=body).status_code == 401
    token = infrastructure.issuer.token("ada", "clinician")
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.post(f"{gateway}/v1/jobs/status", json=body, headers=headers).status_code == 403


def test_the_examples_are_answers() -> None:
    assert JobPage.model_validate(listing.EXAMPLE).model_dump(mode="json") == listing.EXAMPLE
    assert encode(UUID(listing.EXAMPLE["items"][-1]["id"])) == listing.EXAMPLE["next_cursor"]
    assert StatusReport.model_validate(EXAMPLE).model_dump(mode="json") == EXAMPLE
