"""From the end of a job to somebody's server: every process's part, on real Postgres and real sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload
from standardwebhooks import Webhook, WebhookVerificationError

from factories import QUALITY, add_job, add_user, analysis, load_job
from integration_support import as_role
from mindtrack_inference.lease import ClaimedJob
from mindtrack_inference.retry import GiveUp
from mindtrack_inference.settlement import Outcome, Reject, Release, Settlement
from mindtrack_scheduler.deliveries import Deliverer
from mindtrack_scheduler.rescue import rescue
from mindtrack_scheduler.sending import Sender
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_shared.db import jobs, roles, webhooks
from mindtrack_shared.db.engine import async_engine
from mindtrack_shared.db.models import WebhookDelivery, WebhookEndpoint
from mindtrack_shared.domain.jobs import FailureCode, JobStatus, Priority, RejectionCode
from mindtrack_shared.domain.webhooks import SCHEDULE, SUBSCRIBABLE, DeliveryState, DisabledReason
from mindtrack_shared.ids import new_id
from mindtrack_shared.outbound import Guard
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.settings import DatabaseSettings, JobSettings, WebhookSettings
from patience import eventually
from webhook_receiver import Receiver, answer, garbage, receiving, silence

pytestmark = pytest.mark.usefixtures("engine")  # which empties the tables

QUICK = SchedulerSettings(
    deliver_poll=timedelta(seconds=0.1),
    deliver_timeout=timedelta(seconds=1),
    deliver_lease=timedelta(seconds=3),
)
SECRET = bytes(range(32))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@contextmanager
def delivering(database: DatabaseSettings, settings: SchedulerSettings = QUICK) -> Iterator[None]:
    stopped: list[Callable[[], object]] = []
    ready = threading.Event()

    async def run() -> None:
        engine, stop = async_engine(database, application_name="deliverer"), asyncio.Event()
        loop = asyncio.get_running_loop()
        stopped.append(lambda: loop.call_soon_threadsafe(stop.set))
        ready.set()
        sender = Sender(Guard(WebhookSettings(allow_loopback=True)), timeout=settings.deliver_timeout)
        await Deliverer(engine=engine, sender=sender, settings=settings).run(stop)
        await engine.dispose()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        stopped[0]()
        thread.join(timeout=20)
        assert not thread.is_alive()


def add_endpoint(engine: Engine, user_id: UUID, url: str, **fields: Any) -> UUID:  # noqa: ANN401
    endpoint = WebhookEndpoint(
        user_id=user_id, url=url, **({"events": list(SUBSCRIBABLE), "secret": SECRET} | fields)
    )
    with Session(engine) as session, session.begin():
        session.add(endpoint)
        session.flush()
        return endpoint.id


def add_ping(engine: Engine, user_id: UUID, endpoint_id: UUID) -> UUID:
    delivery_id = new_id()
    with engine.begin() as connection:
        connection.execute(webhooks.ping(delivery_id, endpoint_id, user_id))
        connection.execute(webhooks.announce())
    return delivery_id


def load(engine: Engine, delivery_id: UUID) -> WebhookDelivery:
    query = select(WebhookDelivery).options(selectinload(WebhookDelivery.attempts))
    with Session(engine) as session:
        return session.scalars(query.where(WebhookDelivery.id == delivery_id)).one()


def load_endpoint(engine: Engine, endpoint_id: UUID) -> WebhookEndpoint:
    with Session(engine) as session:
        return session.scalars(select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)).one()


def told(engine: Engine) -> list[tuple[UUID | None, str]]:
    with Session(engine) as session:
        rows = session.execute(select(WebhookDelivery.job_id, WebhookDelivery.event))
        return [(job_id, event) for job_id, event in rows]


def change(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def attempted(engine: Engine, delivery_id: UUID, times: int) -> Callable[[], bool]:
    return lambda: len(load(engine, delivery_id).attempts) >= times


# --- Ends of jobs are told ------------------------------------------------------------------------------


def claimed(engine: Engine, user_id: UUID, **fields: Any) -> ClaimedJob:  # noqa: ANN401
    job_id = add_job(engine, user_id, **fields)
    with engine.begin() as connection:
        row = connection.execute(
            jobs.claim(worker_id=new_id(), lease=timedelta(seconds=60), job_id=job_id)
        ).one()
    return ClaimedJob(*row)


REJECT = Reject(RejectionCode.TOO_SHORT, 1.0, 4.0, QUALITY)


@pytest.mark.parametrize(
    ("outcome", "event"),
    [(analysis(), "job.succeeded"), (REJECT, "job.rejected"), (GiveUp(FailureCode.INTERNAL), "job.failed")],
    ids=["succeeded", "rejected", "failed"],
)
def test_a_settled_job_is_told_to_those_who_asked(
    engine: Engine, wakeups: Wakeups, outcome: Outcome, event: str
) -> None:
    ada, grace = add_user(engine), add_user(engine, "grace")
    wanting = add_endpoint(engine, ada, "http://127.0.0.1/", events=[event])
    add_endpoint(engine, ada, "http://127.0.0.1/", events=[e for e in SUBSCRIBABLE if e != event])
    add_endpoint(engine, ada, "http://127.0.0.1/", status="disabled", disabled_reason="owner")
    add_endpoint(engine, grace, "http://127.0.0.1/")
    job = claimed(engine, ada)

    Settlement(engine, wakeups).settle(job, Priority.INTERACTIVE, outcome)

    with Session(engine) as session:
        (row,) = session.scalars(select(WebhookDelivery))
        assert (row.endpoint_id, row.user_id, row.job_id, row.event) == (wanting, ada, job.id, event)
        assert (row.state, row.attempt) == (DeliveryState.PENDING, 0)
        assert row.id.version == 7
        assert abs(row.id.int >> 80) - row.created_at.timestamp() * 1000 < 1000


def test_a_job_that_goes_on_is_told_to_nobody(engine: Engine, wakeups: Wakeups) -> None:
    ada = add_user(engine)
    add_endpoint(engine, ada, "http://127.0.0.1/")

    Settlement(engine, wakeups).settle(claimed(engine, ada), Priority.INTERACTIVE, Release())

    assert told(engine) == []


def test_an_end_that_is_not_written_is_not_told(engine: Engine, wakeups: Wakeups) -> None:
    """Neither by a worker that was overtaken, nor where the commit fails."""
    ada = add_user(engine)
    add_endpoint(engine, ada, "http://127.0.0.1/")
    job = claimed(engine, ada)
    change(engine, "update jobs set fence = fence + 1")

    Settlement(engine, wakeups).settle(job, Priority.INTERACTIVE, analysis())
    with suppress(ZeroDivisionError), engine.begin() as connection:
        connection.execute(jobs.fail(job.id, job.fence + 1, FailureCode.INTERNAL))
        assert connection.scalars(webhooks.tell_ends([job.id])).all() != []
        raise ZeroDivisionError

    assert load_job(engine, job.id).status is JobStatus.RUNNING
    assert told(engine) == []


def test_a_job_that_rescue_ends_is_told(engine: Engine, wakeups: Wakeups) -> None:
    ada = add_user(engine)
    add_endpoint(engine, ada, "http://127.0.0.1/")
    job = claimed(engine, ada, max_attempts=1)
    lapsed = claimed(engine, ada)
    change(engine, "update jobs set lease_expires_at = now() - interval '1 hour'")

    rescue(engine, wakeups, JobSettings())

    assert load_job(engine, lapsed.id).status is JobStatus.QUEUED
    assert told(engine) == [(job.id, "job.failed")]


def test_a_job_that_its_owner_cancels_can_be_told(engine: Engine) -> None:
    ada = add_user(engine)
    add_endpoint(engine, ada, "http://127.0.0.1/")
    job_id, queued = add_job(engine, ada), add_job(engine, ada)

    with engine.begin() as connection:
        connection.execute(
            text("update jobs set status = 'canceled', finished_at = now() where id = :id"), {"id": job_id}
        )
        assert len(connection.scalars(webhooks.tell_ends([job_id, queued])).all()) == 1
        assert connection.scalars(webhooks.tell_ends([job_id])).all() == [], "a job ends once"

    assert told(engine) == [(job_id, "job.canceled")]


def test_a_worker_ahead_of_its_database_settles_all_the_same(engine: Engine, wakeups: Wakeups) -> None:
    job = claimed(engine, add_user(engine))
    tables = ("webhook_attempts", "webhook_deliveries", "webhook_endpoints")
    for table in tables:
        change(engine, f"alter table {table} rename to former_{table}")
    try:
        Settlement(engine, wakeups).settle(job, Priority.INTERACTIVE, analysis())
        rescue(engine, wakeups, JobSettings())
    finally:
        for table in tables:
            change(engine, f"alter table former_{table} rename to {table}")

    assert load_job(engine, job.id).status is JobStatus.SUCCEEDED


def test_an_end_waits_for_whoever_disables_the_endpoint(engine: Engine) -> None:
    """Or it would queue a delivery that nobody makes and nobody gives up."""
    ada = add_user(engine)
    endpoint = add_endpoint(engine, ada, "http://127.0.0.1/")
    job_id = add_job(engine, ada)
    change(engine, "update jobs set status = 'canceled', finished_at = now()")

    def tell() -> list[UUID]:
        with engine.begin() as connection:
            return list(connection.scalars(webhooks.tell_ends([job_id])))

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(webhooks.disable(endpoint, DisabledReason.OWNER))
            connection.execute(webhooks.give_up_pending(endpoint))
            telling = pool.submit(tell)
            time.sleep(0.3)
            assert not telling.done()
        assert telling.result(timeout=10) == []


def test_deleting_a_job_deletes_what_was_told_of_it(engine: Engine) -> None:
    ada = add_user(engine)
    add_endpoint(engine, ada, "http://127.0.0.1/")
    job_id = add_job(engine, ada)
    change(engine, "update jobs set status = 'canceled', finished_at = now()")
    with engine.begin() as connection:
        connection.execute(webhooks.tell_ends([job_id]))

    change(engine, "delete from jobs")

    assert told(engine) == []


# --- Delivering -----------------------------------------------------------------------------------------


def test_an_announced_delivery_arrives_at_once(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    ada = add_user(engine)
    endpoint = add_endpoint(engine, ada, receiver.url)
    slow_poll = QUICK.model_copy(update={"deliver_poll": timedelta(seconds=5)})
    with delivering(database, slow_poll):
        time.sleep(0.5)  # let it listen, so that only the announcement can be the cause
        delivery = add_ping(engine, ada, endpoint)
        eventually(lambda: load(engine, delivery).state is DeliveryState.DELIVERED, within=2)

    row = load(engine, delivery)
    assert receiver.ids == [str(delivery)]
    assert json.loads(receiver.received[0].body)["type"] == "ping"
    assert [(a.number, a.status_code, a.error) for a in row.attempts] == [(1, 204, None)]
    assert 0 < row.attempts[0].seconds < 1


def test_a_lost_announcement_costs_one_poll_and_every_delivery_is_made_once(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    ada = add_user(engine)
    endpoints = [add_endpoint(engine, ada, receiver.url) for _ in range(3)]
    waiting = [add_ping(engine, ada, endpoint) for endpoint in endpoints for _ in range(10)]

    with delivering(database), delivering(database):
        eventually(lambda: len(receiver.received) >= len(waiting))
        time.sleep(0.3)

    assert sorted(receiver.ids) == sorted(map(str, waiting))
    assert {load(engine, delivery).state for delivery in waiting} == {DeliveryState.DELIVERED}


@pytest.mark.parametrize(
    ("behaviour", "logged"),
    [
        (answer(500), (500, None)),
        (answer(302, Location="/elsewhere"), (302, None)),
        (garbage, (None, "protocol")),
        (silence, (None, "timeout")),
    ],
    ids=["failing", "redirecting", "garbage", "slow"],
)
def test_what_fails_is_repeated_under_the_same_id(
    engine: Engine,
    database: DatabaseSettings,
    receiver: Receiver,
    behaviour: Callable[[BaseHTTPRequestHandler], None],
    logged: tuple[int | None, str | None],
) -> None:
    receiver.behaves(behaviour, answer(200))
    ada = add_user(engine)
    endpoint = add_endpoint(engine, ada, receiver.url)
    delivery = add_ping(engine, ada, endpoint)
    with delivering(database):
        eventually(attempted(engine, delivery, 1))
        waits = load(engine, delivery)
        assert waits.next_attempt_at is not None
        assert timedelta(seconds=3.5) < waits.next_attempt_at - waits.attempts[0].at < timedelta(seconds=8)
        assert load_endpoint(engine, endpoint).failing_since is not None
        change(engine, "update webhook_deliveries set next_attempt_at = now()")
        eventually(attempted(engine, delivery, 2))

    row = load(engine, delivery)
    assert [(a.status_code, a.error) for a in row.attempts] == [logged, (200, None)]
    assert row.state is DeliveryState.DELIVERED
    assert receiver.ids == [str(delivery)] * 2
    assert receiver.received[0].body == receiver.received[1].body
    assert load_endpoint(engine, endpoint).failing_since is None


def test_after_the_last_attempt_it_is_given_up(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    receiver.behaves(answer(500))
    ada = add_user(engine)
    delivery = add_ping(engine, ada, add_endpoint(engine, ada, receiver.url))
    with delivering(database):
        for times in range(1, len(SCHEDULE) + 1):
            eventually(attempted(engine, delivery, times))
            change(engine, "update webhook_deliveries set next_attempt_at = now() where state = 'pending'")
        eventually(lambda: load(engine, delivery).state is DeliveryState.FAILED)
        time.sleep(0.3)

    assert receiver.ids == [str(delivery)] * len(SCHEDULE)


def test_an_endpoint_that_asks_for_time_gets_it(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    receiver.behaves(answer(429, Retry_After="200"))
    ada = add_user(engine)
    delivery = add_ping(engine, ada, add_endpoint(engine, ada, receiver.url))
    with delivering(database):
        eventually(attempted(engine, delivery, 1))

    row = load(engine, delivery)
    assert row.next_attempt_at is not None
    waited = row.next_attempt_at - row.attempts[0].at
    assert timedelta(seconds=200) <= waited < timedelta(seconds=203)


def test_an_endpoint_that_is_gone_is_left_alone(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    receiver.behaves(answer(410))
    ada = add_user(engine)
    endpoint = add_endpoint(engine, ada, receiver.url)
    other = add_endpoint(engine, ada, receiver.url)
    waiting = add_ping(engine, ada, endpoint)
    change(engine, "update webhook_deliveries set next_attempt_at = now() + interval '1 hour'")
    delivery = add_ping(engine, ada, endpoint)
    with delivering(database):
        eventually(lambda: load_endpoint(engine, endpoint).status == "disabled")
        eventually(lambda: load(engine, waiting).state is DeliveryState.FAILED)

    assert load_endpoint(engine, endpoint).disabled_reason == "gone"
    assert load_endpoint(engine, other).status == "enabled"
    assert load(engine, delivery).state is DeliveryState.FAILED
    assert receiver.ids == [str(delivery)]


@pytest.mark.parametrize(("failing_for", "status"), [("4 days 23 hours", "enabled"), ("5 days", "disabled")])
def test_an_endpoint_that_fails_for_five_days_is_disabled(
    engine: Engine, database: DatabaseSettings, receiver: Receiver, failing_for: str, status: str
) -> None:
    receiver.behaves(answer(500))
    ada = add_user(engine)
    endpoint = add_endpoint(engine, ada, receiver.url)
    change(engine, "update webhook_endpoints set failing_since = now() - cast(:t as interval)", t=failing_for)
    delivery = add_ping(engine, ada, endpoint)
    with delivering(database):
        eventually(attempted(engine, delivery, 1))

    row = load_endpoint(engine, endpoint)
    assert (row.status, row.disabled_reason) == (status, "failing" if status == "disabled" else None)
    assert (load(engine, delivery).state is DeliveryState.FAILED) == (status == "disabled")


def test_a_slow_endpoint_leaves_room_for_others(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    ada = add_user(engine)
    settings = QUICK.model_copy(update={"deliver_concurrency": 4, "deliver_per_endpoint": 2})
    with receiving() as slow:
        slow.behaves(silence)
        stuck = add_endpoint(engine, ada, slow.url)
        for _ in range(8):
            add_ping(engine, ada, stuck)
        delivery = add_ping(engine, ada, add_endpoint(engine, ada, receiver.url))
        with delivering(database, settings):
            eventually(lambda: load(engine, delivery).state is DeliveryState.DELIVERED, within=0.9)
            assert len(slow.received) == 2


def test_a_name_that_leads_inside_is_an_attempt_that_failed(
    engine: Engine, database: DatabaseSettings
) -> None:
    ada = add_user(engine)
    delivery = add_ping(engine, ada, add_endpoint(engine, ada, "https://169.254.169.254/latest/meta-data"))
    with delivering(database):
        eventually(attempted(engine, delivery, 1))

    assert load(engine, delivery).attempts[0].error == "address"


def test_the_deliverer_outlives_its_database_connections(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    ada = add_user(engine)
    endpoint = add_endpoint(engine, ada, receiver.url)
    with delivering(database):
        delivery = add_ping(engine, ada, endpoint)
        eventually(lambda: load(engine, delivery).state is DeliveryState.DELIVERED)
        change(
            engine,
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'deliverer'",
        )
        delivery = add_ping(engine, ada, endpoint)
        eventually(lambda: load(engine, delivery).state is DeliveryState.DELIVERED)


def test_a_message_that_ends_every_process_is_given_up_in_the_end(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    ada = add_user(engine)
    delivery = add_ping(engine, ada, add_endpoint(engine, ada, receiver.url))
    change(
        engine,
        "update webhook_deliveries set attempt = :n, tries = :n, lease_expires_at = now() - interval '1 s'",
        n=len(SCHEDULE),
    )
    with delivering(database):
        eventually(lambda: load(engine, delivery).state is DeliveryState.FAILED)

    assert receiver.received == []


def test_what_was_sent_and_not_written_down_is_sent_again_under_the_same_id(
    engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    """The process is killed while the receiver answers: between the POST and the commit."""
    started: list[subprocess.Popen[bytes]] = []

    def kill_it(_: BaseHTTPRequestHandler) -> None:
        started[0].kill()
        started[0].wait()

    receiver.behaves(kill_it, answer(200))
    ada = add_user(engine)
    delivery = add_ping(engine, ada, add_endpoint(engine, ada, receiver.url))
    variables = {
        "MINDTRACK_DATABASE_URL": as_role(roles.WORKER, database).url.get_secret_value(),
        "MINDTRACK_WEBHOOK_ALLOW_LOOPBACK": "true",
        "MINDTRACK_SCHEDULER_DELIVER_TIMEOUT": "1",
        "MINDTRACK_SCHEDULER_DELIVER_LEASE": "2",
    }
    command = [sys.executable, "-m", "mindtrack_scheduler", "deliver"]
    try:
        for _ in range(2):
            started.insert(0, subprocess.Popen(command, env=os.environ | variables))
            if len(started) == 1:
                eventually(lambda: started[0].poll() == -signal.SIGKILL, within=30)
                assert load(engine, delivery).attempts == []
        eventually(lambda: load(engine, delivery).state is DeliveryState.DELIVERED, within=30)
        started[0].send_signal(signal.SIGTERM)
        assert started[0].wait(timeout=15) == 0
    finally:
        for process in started:
            process.kill()
            process.wait()

    assert receiver.ids == [str(delivery)] * 2
    assert receiver.received[0].body == receiver.received[1].body
    assert [a.number for a in load(engine, delivery).attempts] == [2]


# --- The API --------------------------------------------------------------------------------------------


def create(client: httpx.Client, url: str, **fields: object) -> dict[str, Any]:
    response = client.post("/v1/webhooks", json={"url": url, "events": ["job.succeeded"]} | fields)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/v1/webhooks/{made['id']}"
    return made


def test_a_secret_is_shown_once(ada: httpx.Client, receiver: Receiver) -> None:
    made = create(ada, receiver.url, description="my clinic", events=["job.failed", "job.succeeded"])

    secret = made.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert made["events"] == ["job.failed", "job.succeeded"]
    assert (made["status"], made["disabled_reason"]) == ("enabled", None)
    assert ada.get(f"/v1/webhooks/{made['id']}").json() == made
    assert ada.get("/v1/webhooks").json() == {"items": [made]}
    changed = ada.patch(f"/v1/webhooks/{made['id']}", json={"description": None}).json()
    assert changed == made | {"description": None}


def verify(secret: str, receiver: Receiver) -> None:
    """By the reference library, and by hand."""
    got = receiver.received[-1]
    Webhook(secret).verify(got.body, got.headers)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert expected in got.headers["webhook-signature"].split(" ")


def test_a_ping_arrives_and_both_secrets_verify_it_after_a_rotation(
    ada: httpx.Client, engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    made = create(ada, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    with delivering(database):
        sent = ada.post(f"{path}/ping")
        eventually(lambda: len(receiver.received) == 1)
        verify(made["secret"], receiver)

        rotated = ada.post(f"{path}/rotate-secret").json()
        ada.post(f"{path}/ping")
        eventually(lambda: len(receiver.received) == 2)
        for secret in (made["secret"], rotated["secret"]):
            verify(secret, receiver)

        change(engine, "update webhook_endpoints set previous_secret_expires_at = now()")
        ada.post(f"{path}/ping")
        eventually(lambda: len(receiver.received) == 3)
        verify(rotated["secret"], receiver)
        with pytest.raises(WebhookVerificationError):
            verify(made["secret"], receiver)

    assert sent.status_code == 202
    assert (sent.json()["event"], sent.json()["state"]) == ("ping", "pending")
    assert receiver.ids[0] == sent.json()["id"]
    assert rotated["secret"] != made["secret"]
    until = ada.get(path).json()["previous_secret_expires_at"]
    assert until is not None
    assert "secret" not in ada.get(path).json()


def test_deliveries_are_listed_with_their_attempts_page_by_page(
    ada: httpx.Client, database: DatabaseSettings, receiver: Receiver
) -> None:
    made = create(ada, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    receiver.behaves(answer(200), answer(500), answer(200))
    with delivering(database):
        for number in range(3):
            ada.post(f"{path}/ping")
            eventually(lambda number=number: len(receiver.received) == number + 1)  # type: ignore[misc]
        eventually(lambda: len(ada.get(f"{path}/deliveries?state=delivered").json()["items"]) == 2)
        eventually(lambda: ada.get(f"{path}/deliveries?state=pending").json()["items"][0]["attempts"])

    first = ada.get(f"{path}/deliveries?limit=2")
    rest = ada.get(f"{path}/deliveries", params={"limit": 2, "cursor": first.json()["next_cursor"]}).json()
    items = first.json()["items"] + rest["items"]
    assert [item["id"] for item in items] == receiver.ids[::-1]
    assert [[a["status_code"] for a in item["attempts"]] for item in items] == [[200], [500], [200]]
    assert items[1]["next_attempt_at"] is not None
    assert rest["next_cursor"] is None
    assert first.links["next"]["url"].startswith(f"{path}/deliveries?limit=2&cursor=")


def test_a_message_is_sent_again_when_its_owner_asks(
    ada: httpx.Client, engine: Engine, database: DatabaseSettings, receiver: Receiver
) -> None:
    made = create(ada, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    with delivering(database):
        delivery = ada.post(f"{path}/ping").json()["id"]
        eventually(attempted(engine, UUID(delivery), 1))
        again = ada.post(f"{path}/deliveries/{delivery}/redeliver")
        eventually(attempted(engine, UUID(delivery), 2))

    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert again.json()["finished_at"] is None
    assert receiver.ids == [delivery] * 2
    row = load(engine, UUID(delivery))
    assert (row.state, row.attempt, row.tries) == (DeliveryState.DELIVERED, 2, 1)


def test_disabling_gives_up_what_waits_and_enabling_begins_afresh(
    ada: httpx.Client, engine: Engine, receiver: Receiver
) -> None:
    made = create(ada, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    delivery = ada.post(f"{path}/ping").json()["id"]
    change(engine, "update webhook_endpoints set failing_since = now()")

    disabled = ada.patch(path, json={"status": "disabled"}).json()
    assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "owner")
    assert load(engine, UUID(delivery)).state is DeliveryState.FAILED
    for action in ("ping", f"deliveries/{delivery}/redeliver"):
        refused = ada.post(f"{path}/{action}")
        assert (refused.status_code, refused.json()["type"]) == (
            409,
            "urn:mindtrack:problem:webhook-disabled",
        )

    enabled = ada.patch(path, json={"status": "enabled", "events": ["job.failed"]}).json()
    assert (enabled["status"], enabled["disabled_reason"], enabled["failing_since"]) == (
        "enabled",
        None,
        None,
    )
    assert enabled["events"] == ["job.failed"]
    assert ada.post(f"{path}/deliveries/{delivery}/redeliver").status_code == 202


def test_deleting_takes_deliveries_along(ada: httpx.Client, engine: Engine, receiver: Receiver) -> None:
    made = create(ada, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    ada.post(f"{path}/ping")

    assert ada.delete(path).status_code == 204
    assert ada.get(path).status_code == 404
    assert told(engine) == []


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate-secret"),
        ("POST", "/ping"),
        ("GET", "/deliveries"),
        ("POST", "/deliveries/{delivery}/redeliver"),
    ],
)
def test_a_foreign_webhook_looks_like_an_unknown_one(  # noqa: PLR0913, PLR0917 - fixtures
    ada: httpx.Client, grace: httpx.Client, engine: Engine, receiver: Receiver, method: str, suffix: str
) -> None:
    theirs, unknown = create(ada, receiver.url)["id"], str(new_id())
    delivery = ada.post(f"/v1/webhooks/{theirs}/ping").json()["id"]
    body = {"url": receiver.url} if method == "PATCH" else None
    before = load_endpoint(engine, UUID(theirs)).secret

    foreign, nobodys = (
        grace.request(method, f"/v1/webhooks/{one}{suffix.format(delivery=delivery)}", json=body)
        for one in (theirs, unknown)
    )

    assert foreign.status_code == nobodys.status_code == 404
    assert foreign.text.replace(theirs, unknown) == nobodys.text
    assert load_endpoint(engine, UUID(theirs)).secret == before
    assert grace.get("/v1/webhooks").json() == {"items": []}


def test_a_delivery_of_another_webhook_looks_unknown(ada: httpx.Client, receiver: Receiver) -> None:
    first, second = (create(ada, receiver.url)["id"] for _ in range(2))
    delivery = ada.post(f"/v1/webhooks/{first}/ping").json()["id"]

    for one in (delivery, new_id()):
        response = ada.post(f"/v1/webhooks/{second}/deliveries/{one}/redeliver")
        assert (response.status_code, response.json()["detail"]) == (404, "No such delivery.")


def test_ten_webhooks_are_enough(ada: httpx.Client, grace: httpx.Client, receiver: Receiver) -> None:
    body = {"url": receiver.url, "events": ["job.succeeded"]}
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ada.post("/v1/webhooks", json=body).status_code))
        for _ in range(13)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [201] * 10 + [409] * 3
    refused = ada.post("/v1/webhooks", json=body).json()
    assert refused["type"] == "urn:mindtrack:problem:too-many-webhooks"
    create(grace, receiver.url)


GOOD = {"url": "http://127.0.0.1/", "events": ["job.succeeded"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"events": ["job.succeeded"]}, "body.url"),
        (GOOD | {"url": "https://10.0.0.1/"}, "body.url"),
        (GOOD | {"url": "https://169.254.169.254/latest/meta-data/"}, "body.url"),
        (GOOD | {"url": "https://[::ffff:10.0.0.1]/"}, "body.url"),
        (GOOD | {"url": "http://93.184.215.14/"}, "body.url"),
        (GOOD | {"url": "https://93.184.215.14:22/"}, "body.url"),
        (GOOD | {"url": "https://user:secret@93.184.215.14/"}, "body.url"),
        (GOOD | {"url": "https://no-such-host.invalid/"}, "body.url"),
        (GOOD | {"url": 7}, "body.url"),
        ({"url": "http://127.0.0.1/"}, "body.events"),
        (GOOD | {"events": []}, "body.events"),
        (GOOD | {"events": ["job.queued"]}, "body.events.0"),
        (GOOD | {"events": ["ping"]}, "body.events.0"),
        (GOOD | {"description": ""}, "body.description"),
        (GOOD | {"description": "a\x00b"}, "body.description"),
        (GOOD | {"description": "a" * 201}, "body.description"),
        (GOOD | {"secret": "whsec_mine"}, "body.secret"),
    ],
    ids=[str(number) for number in range(17)],
)
def test_what_cannot_be_registered_is_refused_with_a_reason(
    ada: httpx.Client, engine: Engine, body: dict[str, object], field: str
) -> None:
    response = ada.post("/v1/webhooks", json=body)

    assert response.status_code == 422, response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(WebhookEndpoint)) == 0


@pytest.mark.parametrize(
    "body",
    [
        {"url": "https://10.0.0.1/"},
        {"url": None},
        {"events": None},
        {"status": None},
        {"status": "paused"},
        {"secret": "whsec_mine"},
    ],
    ids=str,
)
def test_a_change_that_cannot_be_changes_nothing(
    ada: httpx.Client, receiver: Receiver, body: dict[str, object]
) -> None:
    made = create(ada, receiver.url)
    del made["secret"]

    assert ada.patch(f"/v1/webhooks/{made['id']}", json=body).status_code == 422
    assert ada.get(f"/v1/webhooks/{made['id']}").json() == made


def test_the_gateway_tells_what_is_due(ada: httpx.Client, engine: Engine, receiver: Receiver) -> None:
    made = create(ada, receiver.url)
    for _ in range(3):
        ada.post(f"/v1/webhooks/{made['id']}/ping")
    change(engine, "update webhook_deliveries set next_attempt_at = now() - interval '90 s'")
    ids = [row["id"] for row in ada.get(f"/v1/webhooks/{made['id']}/deliveries").json()["items"]]
    later = "update webhook_deliveries set next_attempt_at = now() + interval '1 hour' where id = :id"
    change(engine, later, id=ids[0])
    leased = "update webhook_deliveries set lease_expires_at = now() + interval '1 minute' where id = :id"
    change(engine, leased, id=ids[1])

    lines = dict(line.rsplit(" ", 1) for line in ada.get("/metrics").text.splitlines() if line[0] != "#")

    assert float(lines["mindtrack_due_webhooks"]) == 1
    assert 90 <= float(lines["mindtrack_oldest_due_webhook_seconds"]) < 100


# --- Illegal rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("update webhook_endpoints set url = ''", "url_bounded"),
        ("update webhook_endpoints set description = ''", "description_bounded"),
        ("update webhook_endpoints set events = '{}'", "events_known"),
        ("update webhook_endpoints set events = '{job.queued}'", "events_known"),
        ("update webhook_endpoints set secret = '\\x00'", "secret_length"),
        ("update webhook_endpoints set previous_secret = secret", "previous_secret_expires"),
        ("update webhook_endpoints set status = 'disabled'", "disabled_for_a_reason"),
        ("update webhook_endpoints set disabled_reason = 'owner'", "disabled_for_a_reason"),
        (
            "update webhook_endpoints set status = 'disabled', disabled_reason = 'whim'",
            "disabled_reason_known",
        ),
        ("update webhook_deliveries set event = 'job.queued'", "event_known"),
        ("update webhook_deliveries set event = 'job.failed'", "subject_fits_event"),
        ("update webhook_deliveries set event = 'alert.opened'", "subject_fits_event"),
        ("update webhook_deliveries set tries = 1", "tries_are_attempts"),
        ("update webhook_deliveries set next_attempt_at = null", "due_while_pending"),
        ("update webhook_deliveries set finished_at = now()", "finished_when_terminal"),
        (
            """update webhook_deliveries set state = 'failed', next_attempt_at = null, finished_at = now(),
            lease_expires_at = now()""",
            "leased_while_pending",
        ),
        ("update webhook_deliveries set user_id = (select id from users where subject = 'grace')", "user_id"),
        ("insert into webhook_attempts select id, 0, now(), 200, null, 1 from webhook_deliveries", "number"),
        (
            "insert into webhook_attempts select id, 1, now(), null, null, 1 from webhook_deliveries",
            "answered_or_not",
        ),
        (
            "insert into webhook_attempts select id, 1, now(), 200, 'tls', 1 from webhook_deliveries",
            "answered_or_not",
        ),
        (
            "insert into webhook_attempts select id, 1, now(), 20, null, 1 from webhook_deliveries",
            "status_code_bounded",
        ),
        (
            "insert into webhook_attempts select id, 1, now(), 200, null, -1 from webhook_deliveries",
            "seconds_not_negative",
        ),
        (
            "insert into webhook_attempts select id, 1, now(), null, 'whim', 1 from webhook_deliveries",
            "error_known",
        ),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(engine: Engine, statement: str, constraint: str) -> None:
    add_user(engine, "grace")
    ada = add_user(engine)
    add_ping(engine, ada, add_endpoint(engine, ada, "http://127.0.0.1/"))

    with pytest.raises(IntegrityError, match=constraint):
        change(engine, statement)
