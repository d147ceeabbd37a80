"""From an alert to a person's mailbox or phone: real Postgres, a real SMTP server, a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from factories import add_history, add_user, rise
from integration_support import as_role, serving_gateway
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_scheduler.channels import Channels
from mindtrack_scheduler.notifying import Notifier
from mindtrack_scheduler.settings import SchedulerSettings
from mindtrack_scheduler.standings import evaluate
from mindtrack_shared.db import notifications, roles
from mindtrack_shared.db.engine import async_engine
from mindtrack_shared.db.models import Notification, NotificationAddress
from mindtrack_shared.domain.notifications import SCHEDULE, Channel, NotificationState
from mindtrack_shared.settings import DatabaseSettings, NotificationSettings
from patience import eventually
from smtp_sink import Sink, taking_mail
from webhook_receiver import Receiver, answer, receiving

QUICK = SchedulerSettings(
    deliver_poll=timedelta(seconds=0.1),
    deliver_timeout=timedelta(seconds=1),
    deliver_lease=timedelta(seconds=3),
)
TODAY = datetime.now(UTC).date()
APP = "https://app.example.org/"
TOPIC = "0123456789-abcdef"
PENDING, SENT = NotificationState.PENDING, NotificationState.SENT
WITHHELD, FAILED = NotificationState.WITHHELD, NotificationState.FAILED


@pytest.fixture
def mail() -> Iterator[Sink]:
    with taking_mail() as sink:
        yield sink


@pytest.fixture
def push() -> Iterator[Receiver]:
    with receiving() as receiver:
        receiver.behaves(answer(200, b"{}"))
        yield receiver


@pytest.fixture
def ada_id(engine: Engine) -> UUID:
    return add_user(engine)


def settings(mail: Sink, push: Receiver) -> NotificationSettings:
    host = push.url.removeprefix("http://").partition("/")[0]
    sender = f"mailto://127.0.0.1:{mail.port}?from=noreply@example.org&mode=insecure&format=text"
    return NotificationSettings.model_validate(
        {
            "channels": ["email", "push"],
            "email_url": sender + "&to={address}",
            "push_url": f"ntfy://{host}/{{address}}",
            "app_url": APP,
        }
    )


@contextmanager
def notifying(database: DatabaseSettings, notify: NotificationSettings) -> Iterator[None]:
    stopped: list[Callable[[], object]] = []
    ready = threading.Event()

    async def run() -> None:
        engine, stop = async_engine(database, application_name="notifier"), asyncio.Event()
        loop = asyncio.get_running_loop()
        stopped.append(lambda: loop.call_soon_threadsafe(stop.set))
        ready.set()
        channels = Channels(notify, timeout=timedelta(seconds=1.5))
        await Notifier(engine=engine, channels=channels, link=str(notify.app_url), settings=QUICK).run(stop)
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


def run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def wants(engine: Engine, user_id: UUID, *addresses: tuple[Channel, str], **preferences: Any) -> None:  # noqa: ANN401
    noon = datetime.min.time().replace(hour=12)
    said: dict[str, Any] = {"enabled": True, "quiet_begin": noon, "quiet_end": noon, "time_zone": None}
    with engine.begin() as connection:
        connection.execute(notifications.prefer(user_id, **(said | preferences)))
        for channel, address in addresses or [(Channel.EMAIL, "ada@example.org")]:
            connection.execute(notifications.add_address(user_id, channel, address))


def open_alert(engine: Engine, user_id: UUID) -> None:
    add_history(engine, user_id, rise(TODAY))
    evaluate(engine)


def quiet_now(zone: str = "UTC") -> dict[str, Any]:
    now = datetime.now(ZoneInfo(zone)).replace(second=0, microsecond=0, tzinfo=None)
    return {"quiet_begin": (now - timedelta(hours=1)).time(), "quiet_end": (now + timedelta(hours=2)).time()}


def held(engine: Engine) -> list[Notification]:
    with Session(engine) as session:
        return list(session.scalars(select(Notification).order_by(Notification.channel, Notification.id)))


def states(engine: Engine) -> list[str]:
    return [row.state for row in held(engine)]


def attempted(engine: Engine, times: int) -> Callable[[], bool]:
    return lambda: all(row.attempts >= times and row.lease_expires_at is None for row in held(engine))


def test_who_asked_is_notified_once_by_each_channel(
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID
) -> None:
    wants(engine, ada_id, (Channel.EMAIL, "ada+voice@example.org"), (Channel.PUSH, TOPIC))
    with notifying(database, settings(mail, push)), notifying(database, settings(mail, push)):
        open_alert(engine, ada_id)
        eventually(lambda: states(engine) == [SENT, SENT], what="both are sent")
        run(engine, "update standings set stale_since = now()")
        evaluate(engine)
        time.sleep(0.5)

    (letter,) = mail.received
    assert letter.recipients == ("ada+voice@example.org",)
    assert letter.sender == "noreply@example.org"
    assert letter.text.strip().endswith(APP)
    (shown,) = push.received
    message = json.loads(shown.body)
    assert (message["topic"], message["title"]) == (TOPIC, letter.subject)
    assert "x-icon" not in shown.headers, "nobody else is asked for a picture"
    for words in (letter.text, message["message"]):
        assert not any(telling in words.lower() for telling in ("stress", "tense", "score", "usual range"))


def test_what_fails_is_tried_again_until_it_is_taken(
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID
) -> None:
    mail.refusals = 1
    push.behaves(answer(503), answer(200, b"{}"))
    wants(engine, ada_id, (Channel.EMAIL, "ada@example.org"), (Channel.PUSH, TOPIC))
    open_alert(engine, ada_id)
    with notifying(database, settings(mail, push)):
        eventually(attempted(engine, 1), what="both are tried")
        for row in held(engine):
            assert row.state == PENDING
            waits = row.not_before - datetime.now(UTC)
            assert timedelta(seconds=40) < waits < timedelta(seconds=75)
        run(engine, "update notifications set not_before = now()")
        eventually(lambda: states(engine) == [SENT, SENT], what="both are sent")

    assert (len(mail.received), len(push.received)) == (1, 2)
    assert [row.attempts for row in held(engine)] == [2, 2]


def test_after_the_last_attempt_it_is_given_up(
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID
) -> None:
    push.behaves(answer(500))
    wants(engine, ada_id, (Channel.PUSH, TOPIC))
    open_alert(engine, ada_id)
    with notifying(database, settings(mail, push)):
        for times in range(1, len(SCHEDULE) + 1):
            eventually(attempted(engine, times), what=f"attempt {times}")
            run(engine, "update notifications set not_before = now() where state = 'pending'")
        eventually(lambda: states(engine) == [FAILED], what="it is given up")
        time.sleep(0.3)

    assert len(push.received) == len(SCHEDULE)


def test_nothing_goes_out_in_quiet_hours_and_that_is_no_attempt(
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID
) -> None:
    """A retry that falls into them waits as well, and so does what was queued before they were changed."""
    wants(engine, ada_id)
    open_alert(engine, ada_id)
    wants(engine, ada_id, **quiet_now())
    with notifying(database, settings(mail, push)):
        eventually(lambda: held(engine)[0].not_before > datetime.now(UTC), what="it waits")
        (row,) = held(engine)
        assert (row.state, row.attempts, row.lease_expires_at) == (PENDING, 0, None)
        assert timedelta(hours=1, minutes=50) < row.not_before - datetime.now(UTC) <= timedelta(hours=2)
        assert mail.received == []

        wants(engine, ada_id, **quiet_now("Asia/Kolkata"), time_zone="America/New_York")
        run(engine, "update notifications set not_before = now()")
        eventually(lambda: states(engine) == [SENT], what="it is sent by another clock")
    assert len(mail.received) == 1


@pytest.mark.parametrize(
    "change",
    [
        "update notification_preferences set enabled = false",
        "update alerts set ended_at = now(), ended_on = opened_on, ended_why = 'settled'",
        "update alerts set acknowledged_at = now(), acknowledged_by = user_id",
    ],
    ids=["turned off", "ended", "seen"],
)
def test_what_is_not_wanted_any_more_is_withheld(  # noqa: PLR0913, PLR0917 - fixtures
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID, change: str
) -> None:
    wants(engine, ada_id)
    open_alert(engine, ada_id)
    run(engine, change)
    with notifying(database, settings(mail, push)):
        eventually(lambda: states(engine) == [WITHHELD], what="it is withheld")

    assert mail.received == []


def test_that_a_clinician_saw_it_keeps_nothing_from_the_person(
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID
) -> None:
    wants(engine, ada_id)
    open_alert(engine, ada_id)
    run(
        engine,
        "update alerts set acknowledged_at = now(), acknowledged_by = :clinician",
        clinician=add_user(engine, "mary"),
    )
    with notifying(database, settings(mail, push)):
        eventually(lambda: states(engine) == [SENT], what="it is sent")

    assert len(mail.received) == 1


def test_a_channel_that_is_not_offered_any_more_fails(
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID
) -> None:
    wants(engine, ada_id)
    open_alert(engine, ada_id)
    with notifying(database, settings(mail, push).model_copy(update={"channels": ("push",)})):
        eventually(attempted(engine, 1), what="it is tried")

    assert (states(engine), mail.received) == ([PENDING], [])


def test_what_was_sent_and_not_written_down_is_sent_again(
    engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver, ada_id: UUID
) -> None:
    """The process is killed while whoever carries it answers."""
    started: list[subprocess.Popen[bytes]] = []

    def kill_it(_: BaseHTTPRequestHandler) -> None:
        started[0].kill()
        started[0].wait()

    push.behaves(kill_it, answer(200, b"{}"))
    wants(engine, ada_id, (Channel.PUSH, TOPIC))
    open_alert(engine, ada_id)
    notify = settings(mail, push)
    assert notify.push_url is not None
    variables = {
        "MINDTRACK_DATABASE_URL": as_role(roles.WORKER, database).url.get_secret_value(),
        "MINDTRACK_NOTIFY_CHANNELS": '["push"]',
        "MINDTRACK_NOTIFY_PUSH_URL": notify.push_url.get_secret_value(),
        "MINDTRACK_SCHEDULER_DELIVER_TIMEOUT": "1",
        "MINDTRACK_SCHEDULER_DELIVER_LEASE": "3",
    }
    command = [sys.executable, "-m", "mindtrack_scheduler", "deliver"]
    try:
        started.append(subprocess.Popen(command, env=os.environ | variables))
        eventually(lambda: started[0].poll() == -signal.SIGKILL, what="it is killed")
        started.insert(0, subprocess.Popen(command, env=os.environ | variables))
        eventually(lambda: states(engine) == [SENT], what="it is sent")
        started[0].send_signal(signal.SIGTERM)
        assert started[0].wait(timeout=15) == 0
    finally:
        for process in started:
            process.kill()
            process.wait()

    assert len(push.received) == 2
    assert push.received[0].body == push.received[1].body
    assert held(engine)[0].attempts == 2


def test_a_deliverer_that_could_send_nothing_does_not_start(database: DatabaseSettings) -> None:
    variables = {
        "MINDTRACK_DATABASE_URL": as_role(roles.WORKER, database).url.get_secret_value(),
        "MINDTRACK_NOTIFY_CHANNELS": '["email"]',
    }
    command = [sys.executable, "-m", "mindtrack_scheduler", "deliver"]
    ended = subprocess.run(
        command, env=os.environ | variables, capture_output=True, timeout=60, check=False, text=True
    )
    assert ended.returncode != 0
    assert "MINDTRACK_NOTIFY_EMAIL_URL is not set" in ended.stderr


# --- what a person says ---------------------------------------------------------------------------------

MAILBOX = {"channel": "email", "address": "ada@example.org"}
WISHES: dict[str, Any] = {
    "enabled": True,
    "addresses": [MAILBOX, {"channel": "push", "address": TOPIC}],
    "quiet_hours": {"begin": "22:30", "end": "07:00"},
    "time_zone": "Europe/Berlin",
}
PLACE = "/v1/users/me/notifications"


@pytest.fixture(scope="module")
def offering(infrastructure: Infrastructure, database: DatabaseSettings) -> Iterator[str]:
    """A gateway where persons can be notified."""
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as environment:  # settings are read at start; nobody inherits these
            environment.setenv("MINDTRACK_NOTIFY_CHANNELS", '["email", "push"]')
            base_url = running.enter_context(serving_gateway(infrastructure, database))
        yield base_url


@pytest.fixture
def person(offering: str, infrastructure: Infrastructure, engine: Engine) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {infrastructure.issuer.token('ada')}"}
    with httpx.Client(base_url=offering, headers=headers, timeout=30) as client:
        yield client


def test_nobody_is_notified_who_did_not_say_so(person: httpx.Client) -> None:
    assert person.get(PLACE).json() == {
        "enabled": False,
        "addresses": [],
        "quiet_hours": {"begin": "21:00", "end": "08:00"},
        "time_zone": None,
        "channels": ["email", "push"],
    }


def test_what_a_person_wants_is_kept_as_a_whole(person: httpx.Client, engine: Engine) -> None:
    said = person.put(PLACE, json=WISHES)
    assert said.status_code == 200
    assert said.json() == WISHES | {"channels": ["email", "push"]}
    assert person.get(PLACE).json() == said.json()
    with Session(engine) as session:
        before = dict(session.execute(select(NotificationAddress.channel, NotificationAddress.id)).all())

    again = person.put(PLACE, json={"enabled": True, "addresses": [MAILBOX] * 2}).json()
    assert again["addresses"] == [MAILBOX]
    assert (again["quiet_hours"], again["time_zone"]) == ({"begin": "21:00", "end": "08:00"}, None)
    with Session(engine) as session:
        after = dict(session.execute(select(NotificationAddress.channel, NotificationAddress.id)).all())
    assert after == {"email": before["email"]}, "who stays is not told twice"


@pytest.mark.parametrize(
    "change",
    [
        {"addresses": []},
        {"addresses": [{"channel": "email", "address": "nobody"}]},
        {"addresses": [{"channel": "push", "address": "../other-host-0123456789"}]},
        {"addresses": [{"channel": "fax", "address": "+44"}]},
        {"addresses": [{"channel": "email", "address": f"a{n}@example.org"} for n in range(6)]},
        {"quiet_hours": {"begin": "24:00", "end": "08:00"}},
        {"quiet_hours": {"begin": "21:00"} | {"end": "8:00"}},
        {"time_zone": "Mars/Olympus"},
        {"channels": []},
    ],
)
def test_what_cannot_be_is_refused(person: httpx.Client, change: dict[str, Any]) -> None:
    refused = person.put(PLACE, json=WISHES | change)
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:mindtrack:problem:invalid-request"
    assert person.get(PLACE).json()["enabled"] is False


def test_a_channel_that_nobody_set_up_is_refused(ada: httpx.Client) -> None:
    assert ada.get(PLACE).json()["channels"] == []
    refused = ada.put(PLACE, json=WISHES)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:mindtrack:problem:channel-not-offered")
    assert ada.put(PLACE, json={"enabled": False}).status_code == 200


def test_turning_them_off_withholds_what_waits(person: httpx.Client, engine: Engine, ada_id: UUID) -> None:
    wants(engine, ada_id)
    open_alert(engine, ada_id)

    assert person.put(PLACE, json={"enabled": False, "addresses": [MAILBOX]}).status_code == 200
    assert states(engine) == [WITHHELD]
    assert person.put(PLACE, json={"enabled": False}).status_code == 200
    assert states(engine) == [], "and goes with its address"


def test_addresses_can_be_tried_out_now_and_then(
    person: httpx.Client, engine: Engine, database: DatabaseSettings, mail: Sink, push: Receiver
) -> None:
    """Before notifications are turned on, and in quiet hours."""
    nowhere = person.post(f"{PLACE}/test")
    assert (nowhere.status_code, nowhere.json()["type"]) == (409, "urn:mindtrack:problem:no-addresses")
    person.put(PLACE, json=WISHES | {"enabled": False, "quiet_hours": {"begin": "00:00", "end": "23:59"}})
    with notifying(database, settings(mail, push)):
        tried = person.post(f"{PLACE}/test")
        assert tried.status_code == 202
        assert [each["channel"] for each in tried.json()["items"]] == ["email", "push"]
        eventually(lambda: states(engine) == [SENT, SENT], what="both are sent")
    assert mail.received[0].subject.startswith("A test")

    again = person.post(f"{PLACE}/test")
    assert again.status_code == 429
    assert 500 < int(again.headers["Retry-After"]) <= 600
    person.put(PLACE, json={"enabled": False})
    person.put(PLACE, json=WISHES | {"addresses": [{"channel": "email", "address": "grace@example.org"}]})
    assert person.post(f"{PLACE}/test").status_code == 429, "other addresses are no other person"
    run(engine, "update notification_preferences set tested_at = tested_at - interval '10 minutes'")
    assert person.post(f"{PLACE}/test").status_code == 202


def test_the_backlog_is_told(engine: Engine, ada_id: UUID) -> None:
    with engine.connect() as connection:
        assert connection.execute(notifications.due()).one() == (0, 0)
    wants(engine, ada_id)
    open_alert(engine, ada_id)
    run(engine, "update notifications set not_before = now() - interval '1 minute'")

    with engine.connect() as connection:
        count, seconds = connection.execute(notifications.due()).one()
    assert (count, 60 <= seconds < 70) == (1, True)
