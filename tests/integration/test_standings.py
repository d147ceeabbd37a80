"""Where trends stand, and what becomes of alerts: on real Postgres, by the database's clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, Executable, select, text
from sqlalchemy.orm import Session

from factories import add_history, add_job, add_user, analysis, load_job, rise
from integration_support import EMPTY, plan_of
from mindtrack_inference.lease import ClaimedJob
from mindtrack_inference.settlement import Settlement
from mindtrack_scheduler import standings as evaluation
from mindtrack_scheduler.days import mend, rebuild
from mindtrack_scheduler.standings import evaluate
from mindtrack_shared.db import alerts, jobs, notifications, standings
from mindtrack_shared.db.models import (
    Alert,
    AlertEvent,
    Notification,
    Standing,
    WebhookDelivery,
    WebhookEndpoint,
)
from mindtrack_shared.domain.jobs import JobStatus, Priority
from mindtrack_shared.domain.notifications import Channel
from mindtrack_shared.domain.trends import RULE, Measure
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)


@pytest.fixture
def ada_id(engine: Engine) -> UUID:
    return add_user(engine)


def run(engine: Engine, statement: str | Executable, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement) if isinstance(statement, str) else statement, values)


def standing(engine: Engine, user_id: UUID) -> Standing:
    with Session(engine) as session:
        return session.scalars(standings.of(user_id)).one()


def alerts_of(engine: Engine, user_id: UUID) -> list[Alert]:
    with Session(engine) as session:
        return list(session.scalars(select(Alert).where(Alert.user_id == user_id).order_by(Alert.id)))


def told(engine: Engine, alert: Alert) -> list[tuple[str, UUID | None]]:
    with Session(engine) as session:
        return [(event.kind, event.actor_id) for event in session.scalars(alerts.history(alert.id))]


#: In two steps, as each row is held to its key at once.
PAST = """
update day_values set day = day - 100000;
update day_values set day = day + 100000 - {days};
update recordings set recorded_on = recorded_on - {days}, recorded_at = recorded_at - interval '{days} days';
update analyses set recorded_at = recorded_at - interval '{days} days';
update alerts set opened_on = opened_on - {days}, ended_on = ended_on - {days},
    opened_at = opened_at - interval '{days} days', ended_at = ended_at - interval '{days} days',
    reason = reason || jsonb_build_object(
        'since', (reason->>'since')::date - {days}, 'last_day', (reason->>'last_day')::date - {days}
    );
update standings set due_at = now()
"""


def shift(engine: Engine, days: int) -> None:
    """Let days pass: everything of the past lies that much further back."""
    for statement in PAST.format(days=days).split(";"):
        run(engine, statement)


ENDED = "update alerts set ended_at = opened_at, ended_on = opened_on, ended_why = 'settled'"


def look(engine: Engine) -> int:
    return evaluate(engine)


# --- standings ------------------------------------------------------------------------------------------


def test_a_standing_tells_where_the_last_days_lie(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY))

    assert look(engine) == 1
    found = standing(engine, ada_id)
    assert (found.status, found.direction) == ("well_above", "rising")
    assert found.seven_day_z is not None
    assert found.seven_day_z > 1.6
    assert (found.recording_days_7, found.recording_days_28) == (7, 28)
    assert (found.as_of, found.time_zone) == (TODAY, "UTC")
    assert found.last_recorded_at == datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=12)
    assert found.stale_since is None
    assert found.due_at == datetime.combine(TODAY + DAY, datetime.min.time(), UTC)
    assert look(engine) == 0, "nothing is due before the day is over"


def test_a_standing_tells_how_each_of_the_last_days_lies(engine: Engine, ada_id: UUID) -> None:
    days = rise(TODAY)
    del days[TODAY - 20 * DAY]
    add_history(engine, ada_id, days)

    look(engine)
    found = standing(engine, ada_id)
    assert found.recent is not None
    assert len(found.recent) == 28
    assert [place for place, z in enumerate(found.recent) if z is None] == [7]
    judged = [z for z in found.recent if z is not None]
    assert max(judged[:13]) < 2 < min(judged[13:]), "fourteen days that are higher"
    assert found.seven_day_z == pytest.approx(sum(judged[-7:]) / 7, abs=0.006)
    assert found.recent_at == found.evaluated_at

    shift(engine, 1)
    look(engine)
    assert standing(engine, ada_id).recent == [*found.recent[1:], None]


def test_of_a_day_that_two_models_judged_the_later_one_counts(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY - DAY, days=0), revision="one")
    look(engine)
    before = standing(engine, ada_id).recent
    assert before is not None
    add_history(engine, ada_id, rise(TODAY, days=0), revision="two")

    look(engine)
    found = standing(engine, ada_id).recent
    assert found is not None
    assert found[-1] is not None
    assert found[:-1] != before[1:]


def test_a_person_whose_history_is_short_is_calibrating(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, {TODAY: 0.9})

    look(engine)
    found = standing(engine, ada_id)
    assert (found.status, found.seven_day_z, found.recording_days_7) == ("calibrating", None, 1)
    assert alerts_of(engine, ada_id) == []


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_day_is_over_when_it_is_where_the_person_is(engine: Engine, ada_id: UUID, zone: str) -> None:
    here = datetime.now(ZoneInfo(zone)).date()
    add_history(engine, ada_id, {here - DAY: 0.2}, time_zone=zone)

    look(engine)
    found = standing(engine, ada_id)
    assert found.as_of == here
    assert found.due_at is not None
    begins = found.due_at.astimezone(ZoneInfo(zone))
    assert (begins.date(), begins.hour, begins.minute) == (here + DAY, 0, 0)


def test_silence_changes_a_status_when_the_day_changes(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY, days=0))
    look(engine)
    assert standing(engine, ada_id).status == "within_range"

    shift(engine, 6)
    assert look(engine) == 1
    found = standing(engine, ada_id)
    assert (found.status, found.recording_days_7) == ("no_status", 1)


def test_who_is_silent_for_long_is_not_looked_at_any_more(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY - 189 * DAY))
    look(engine)

    found = standing(engine, ada_id)
    assert (found.status, found.recording_days_28, found.due_at) == ("calibrating", 0, None)
    assert found.last_recorded_at is not None
    assert look(engine) == 0


def test_who_recorded_does_not_wait_for_those_whose_day_began(engine: Engine, ada_id: UUID) -> None:
    for name in ("grace", "mary"):
        other = add_user(engine, name)
        add_history(engine, other, {TODAY: 0.2})
    look(engine)
    run(engine, "update standings set due_at = now() - interval '1 hour'")
    add_history(engine, ada_id, {TODAY: 0.2})

    with Session(engine) as session, session.begin():
        found, _ = session.execute(standings.next_stale()).one()
        assert found.user_id == ada_id
    assert look(engine) == 3


def test_who_was_told_to_stop_leaves_the_rest_to_the_next(
    engine: Engine, ada_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (ada_id, add_user(engine, "grace")):
        add_history(engine, person, {TODAY: 0.2})
    answers = iter([False, True])
    with monkeypatch.context() as told:
        told.setattr("mindtrack_scheduler.standings.stopping", lambda: next(answers))
        assert look(engine) == 1
    assert look(engine) == 1


def test_what_cannot_be_found_out_is_put_off_and_holds_up_nobody(engine: Engine, ada_id: UUID) -> None:
    grace = add_user(engine, "grace")
    for person in (ada_id, grace):
        add_history(engine, person, rise(TODAY))
    run(engine, "update recordings set time_zone = 'Never/Was' where user_id = :id", id=ada_id)

    assert look(engine) == 2
    amiss = standing(engine, ada_id)
    assert (amiss.status, amiss.stale_since) == (None, None)
    assert amiss.due_at is not None
    assert timedelta(minutes=55) < amiss.due_at - datetime.now(UTC) < timedelta(minutes=65)
    assert standing(engine, grace).status == "well_above"


# --- what makes a standing stale ------------------------------------------------------------------------


def claimed(engine: Engine, user_id: UUID, **fields: Any) -> ClaimedJob:  # noqa: ANN401
    job_id = add_job(engine, user_id, **fields)
    with engine.begin() as connection:
        claim = jobs.claim(worker_id=new_id(), lease=timedelta(seconds=60), job_id=job_id)
        return ClaimedJob(*connection.execute(claim).one())


def test_a_recording_that_counts_makes_it_stale(engine: Engine, wakeups: Wakeups, ada_id: UUID) -> None:
    Settlement(engine, wakeups).settle(claimed(engine, ada_id), Priority.INTERACTIVE, analysis())

    first = standing(engine, ada_id)
    assert (first.stale_since is None, first.evaluated_at) == (False, None)
    look(engine)
    Settlement(engine, wakeups).settle(claimed(engine, ada_id), Priority.INTERACTIVE, analysis())
    again = standing(engine, ada_id)
    assert again.stale_since is not None
    assert again.status is not None, "what was known stays until it is looked at"


def test_a_worker_ahead_of_its_database_settles_all_the_same(
    engine: Engine, wakeups: Wakeups, ada_id: UUID
) -> None:
    job = claimed(engine, ada_id)
    run(engine, "alter table standings rename to former_standings")
    try:
        Settlement(engine, wakeups).settle(job, Priority.INTERACTIVE, analysis())
    finally:
        run(engine, "alter table former_standings rename to standings")

    assert load_job(engine, job.id).status is JobStatus.SUCCEEDED
    with Session(engine) as session:
        assert session.scalar(standings.of(ada_id)) is None
    mend(engine)
    assert standing(engine, ada_id).stale_since is not None, "maintenance finds it"


def test_days_that_are_mended_make_it_stale(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, {TODAY: 0.2})
    look(engine)
    run(engine, "delete from day_values")

    mend(engine)
    assert standing(engine, ada_id).stale_since is not None
    look(engine)
    list(rebuild(engine))
    assert standing(engine, ada_id).stale_since is not None


def test_what_changes_while_somebody_looks_is_looked_at_again(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, {TODAY: 0.2})
    with ThreadPoolExecutor(1) as pool, Session(engine) as session:
        with session.begin():
            found, moment = session.execute(standings.next_stale()).one()
            noting = pool.submit(run, engine, standings.stale(ada_id))
            assert evaluate(engine) == 0, "in somebody's hands"
            evaluation._settle(session, found, moment)
            assert not noting.done()
        noting.result(timeout=10)

    assert standing(engine, ada_id).stale_since is not None


# --- alerts ---------------------------------------------------------------------------------------------


def test_a_rise_opens_one_alert_however_often_it_is_looked_at(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY, days=9))
    look(engine)
    assert alerts_of(engine, ada_id) == []

    shift(engine, 1)
    add_history(engine, ada_id, {TODAY: 0.6})
    look(engine)
    assert alerts_of(engine, ada_id) == [], "the day is not over, and may become a calm one"
    shift(engine, 1)
    for _ in range(3):
        look(engine)
        run(engine, standings.stale(ada_id))

    (alert,) = alerts_of(engine, ada_id)
    assert (alert.measure, alert.opened_on, alert.bundle_revision) == ("stress_score", TODAY, "one")
    assert (alert.rule, alert.rule_version) == (RULE.name, RULE.version)
    assert alert.ended_at is None
    assert alert.reason is not None
    assert alert.reason["since"] == (TODAY - 10 * DAY).isoformat()
    assert alert.reason["values"].keys() == alert.reason["thresholds"].keys()
    assert alert.reason["values"]["recent_z"] >= alert.reason["thresholds"]["recent_z"]
    assert told(engine, alert) == [("opened", None)]


def test_many_who_look_at_once_open_one_alert_each(engine: Engine) -> None:
    people = [add_user(engine, f"person-{number}") for number in range(12)]
    for person in people:
        add_history(engine, person, rise(TODAY))

    with ThreadPoolExecutor(4) as pool:
        looked = sum(pool.map(lambda _: look(engine), range(4)))

    assert looked == len(people)
    assert all(len(alerts_of(engine, person)) == 1 for person in people)


def test_an_alert_ends_when_the_days_have_come_back(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY))
    look(engine)
    for _ in range(20):
        shift(engine, 1)
        add_history(engine, ada_id, {TODAY: 0.2})
        look(engine)
        (alert,) = alerts_of(engine, ada_id)
        if alert.ended_at is not None:
            break

    assert (alert.ended_why, alert.ended_on) == ("settled", TODAY)
    assert told(engine, alert) == [("opened", None), ("ended", None)]
    assert look(engine) == 0


def test_after_an_end_there_is_a_pause(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY))
    look(engine)
    run(engine, ENDED)
    for day in range(1, 15):
        shift(engine, 1)
        add_history(engine, ada_id, {TODAY: 0.6 + 0.02 * day})
        look(engine)
        assert len(alerts_of(engine, ada_id)) == (1 if day < RULE.cool_down_days else 2), day


def test_low_recordings_of_days_that_were_high_do_not_take_away_what_an_alert_came_from(
    engine: Engine, ada_id: UUID
) -> None:
    """They arrived late: nothing was deleted, and the alert ends once the days have come back."""
    days = rise(TODAY, days=11)
    add_history(engine, ada_id, days)
    look(engine)
    high = [day for day, score in days.items() if score > 0.5]
    add_history(engine, ada_id, dict.fromkeys(high[3:6], 0.01))
    look(engine)
    (alert,) = alerts_of(engine, ada_id)
    assert alert.ended_at is None
    add_history(engine, ada_id, dict.fromkeys(high[:-1], 0.05))
    add_history(engine, ada_id, dict.fromkeys(high[:-1], 0.05))
    look(engine)

    (alert,) = alerts_of(engine, ada_id)
    assert alert.ended_why in {None, "settled"}
    assert alert.reason is not None


def test_silence_ends_an_alert(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY))
    look(engine)

    shift(engine, 13)
    look(engine)
    assert alerts_of(engine, ada_id)[0].ended_at is None
    shift(engine, 1)
    look(engine)
    (alert,) = alerts_of(engine, ada_id)
    assert alert.ended_why == "silent"
    assert alert.reason is not None


def test_a_new_model_ends_an_alert_and_its_reason_stays(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY - DAY))
    look(engine)
    add_history(engine, ada_id, {TODAY: 0.6}, revision="two")
    shift(engine, 1)
    look(engine)

    (alert,) = alerts_of(engine, ada_id)
    assert alert.ended_why == "nothing_to_compare"
    assert alert.reason is not None


def test_a_recording_that_arrives_late_counts_where_it_belongs(engine: Engine, ada_id: UUID) -> None:
    """A phone was offline while the days were high."""
    days = rise(TODAY)
    late = {day: score for day, score in days.items() if score > 0.5 and day < TODAY}
    add_history(engine, ada_id, {day: score for day, score in days.items() if day not in late})
    look(engine)
    assert alerts_of(engine, ada_id) == []

    add_history(engine, ada_id, late)
    look(engine)
    assert len(alerts_of(engine, ada_id)) == 1


def test_an_open_alert_of_who_flew_west_ends_no_day_before_it_opened(engine: Engine, ada_id: UUID) -> None:
    add_history(engine, ada_id, rise(TODAY))
    look(engine)
    run(engine, "update alerts set opened_on = opened_on + 1")
    run(engine, "delete from day_values")
    run(engine, standings.stale(ada_id))
    look(engine)

    (alert,) = alerts_of(engine, ada_id)
    assert (alert.ended_on, alert.opened_on) == (TODAY + DAY, TODAY + DAY)


# --- deletion -------------------------------------------------------------------------------------------


def delete(client: httpx.Client, *job_ids: UUID) -> None:
    for job_id in job_ids:
        assert client.delete(f"/v1/jobs/{job_id}").status_code == 200


def test_deleting_what_an_alert_came_from_ends_it_and_forgets_why(
    engine: Engine, ada: httpx.Client, ada_id: UUID
) -> None:
    added = add_history(engine, ada_id, rise(TODAY, days=11))
    look(engine)

    delete(ada, added[TODAY - DAY])
    assert look(engine) == 1
    (alert,) = alerts_of(engine, ada_id)
    assert (alert.ended_why, alert.reason) == ("nothing_to_compare", None)
    assert told(engine, alert) == [("opened", None), ("ended", None)]


def test_what_is_left_of_an_alert_is_asked_about_once(
    engine: Engine, ada: httpx.Client, ada_id: UUID
) -> None:
    added = add_history(engine, ada_id, rise(TODAY, days=14))
    look(engine)
    since = min(day for day, score in rise(TODAY, days=14).items() if score > 0.5)

    delete(ada, added[since + 2 * DAY])
    with Session(engine) as session:
        assert session.scalars(select(Alert.lost_evidence)).all() == [True]
    look(engine)

    (alert,) = alerts_of(engine, ada_id)
    assert (alert.ended_at, alert.reason is None) == (None, False)
    with Session(engine) as session:
        assert session.scalars(select(Alert.lost_evidence)).all() == [False]


def test_deleting_something_else_ends_nothing(engine: Engine, ada: httpx.Client, ada_id: UUID) -> None:
    added = add_history(engine, ada_id, rise(TODAY))
    look(engine)

    delete(ada, added[min(added)])
    look(engine)
    (alert,) = alerts_of(engine, ada_id)
    assert (alert.ended_at, alert.reason is None) == (None, False)


def test_deleting_what_an_alert_came_from_that_is_over_forgets_why(
    engine: Engine, ada: httpx.Client, ada_id: UUID
) -> None:
    added = add_history(engine, ada_id, rise(TODAY))
    look(engine)
    run(engine, ENDED)

    delete(ada, added[min(added)])
    assert alerts_of(engine, ada_id)[0].reason is not None
    delete(ada, added[TODAY - DAY])
    (alert,) = alerts_of(engine, ada_id)
    assert (alert.ended_why, alert.reason) == ("settled", None)


def test_deleting_everything_while_others_look(engine: Engine, ada: httpx.Client, ada_id: UUID) -> None:
    added = add_history(engine, ada_id, rise(TODAY, before=25, days=12))
    look(engine)
    with looking(engine):
        delete(ada, *added.values())
    look(engine)

    (alert,) = alerts_of(engine, ada_id)
    assert alert.ended_why == "nothing_to_compare"
    found = standing(engine, ada_id)
    assert (found.status, found.recording_days_28, found.due_at) == ("calibrating", 0, None)


@contextmanager
def looking(engine: Engine) -> Iterator[None]:
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            evaluate(engine)

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(go_on) for _ in range(2)]
        try:
            yield
        finally:
            over.set()
    for each in running:
        each.result()


# --- who is told ----------------------------------------------------------------------------------------


def wants(engine: Engine, user_id: UUID, *addresses: tuple[Channel, str], **preferences: Any) -> None:  # noqa: ANN401
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0).time()
    said: dict[str, Any] = {
        "enabled": True,
        "quiet_begin": noon,
        "quiet_end": noon,
        "time_zone": None,
    } | preferences
    with engine.begin() as connection:
        connection.execute(notifications.prefer(user_id, **said))
        for channel, address in addresses or [(Channel.EMAIL, "ada@example.org")]:
            connection.execute(notifications.add_address(user_id, channel, address))


def test_who_asked_is_told_in_the_commit_that_opens_it(engine: Engine, ada_id: UUID) -> None:
    grace = add_user(engine, "grace")
    for person, events in ((ada_id, ["alert.opened", "alert.ended"]), (grace, ["alert.opened"])):
        with Session(engine) as session, session.begin():
            session.add(
                WebhookEndpoint(user_id=person, url="http://127.0.0.1/", events=events, secret=bytes(32))
            )
        wants(engine, person, (Channel.EMAIL, "one@example.org"), (Channel.PUSH, "topic-topic-topic"))
    add_history(engine, ada_id, rise(TODAY))
    look(engine)
    run(engine, standings.stale(ada_id))
    look(engine)

    (alert,) = alerts_of(engine, ada_id)
    with Session(engine) as session:
        deliveries = session.scalars(select(WebhookDelivery)).all()
        assert [(row.user_id, row.alert_id, row.job_id, row.event) for row in deliveries] == [
            (ada_id, alert.id, None, "alert.opened")
        ]
        rows = session.scalars(select(Notification).order_by(Notification.channel)).all()
        assert [(row.user_id, row.alert_id, row.occasion, row.channel) for row in rows] == [
            (ada_id, alert.id, "opened", "email"),
            (ada_id, alert.id, "opened", "push"),
        ]
    run(engine, "delete from day_values where user_id = :id", id=ada_id)
    run(engine, standings.stale(ada_id))
    look(engine)
    with Session(engine) as session:
        assert sorted(session.scalars(select(WebhookDelivery.event))) == ["alert.ended", "alert.opened"]
        assert len(session.scalars(select(Notification)).all()) == 2, "an end calls for nothing"


@pytest.mark.parametrize("enabled", [True, False])
def test_nobody_is_notified_who_did_not_ask(engine: Engine, ada_id: UUID, enabled: bool) -> None:  # noqa: FBT001
    if enabled:
        wants(engine, ada_id)
        run(engine, "delete from notification_addresses")
    else:
        wants(engine, ada_id, enabled=False)
    add_history(engine, ada_id, rise(TODAY))
    look(engine)

    assert len(alerts_of(engine, ada_id)) == 1
    with Session(engine) as session:
        assert session.scalars(select(Notification)).all() == []


@pytest.mark.parametrize("own_zone", [None, "Asia/Kolkata"])
def test_what_opens_in_quiet_hours_waits_for_their_end(
    engine: Engine, ada_id: UUID, own_zone: str | None
) -> None:
    recorded_in = "America/New_York"
    zone = ZoneInfo(own_zone or recorded_in)
    now = datetime.now(zone).replace(second=0, microsecond=0, tzinfo=None)
    begin, end = (now - timedelta(hours=1)).time(), (now + timedelta(hours=3)).time()
    wants(engine, ada_id, quiet_begin=begin, quiet_end=end, time_zone=own_zone)
    here = datetime.now(ZoneInfo(recorded_in)).date()
    add_history(engine, ada_id, rise(here), time_zone=recorded_in)
    look(engine)

    with Session(engine) as session:
        (row,) = session.scalars(select(Notification))
        ends = row.not_before.astimezone(zone)
        assert ends.time() == end
        assert timedelta(hours=1) < row.not_before - datetime.now(UTC) < timedelta(hours=5)


# --- what the database holds to -------------------------------------------------------------------------


@pytest.fixture
def opened(engine: Engine, ada_id: UUID) -> Alert:
    add_history(engine, ada_id, rise(TODAY))
    wants(engine, ada_id)
    look(engine)
    return alerts_of(engine, ada_id)[0]


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("update standings set status = 'bored'", "status_known"),
        ("update standings set status = null", "evaluated_as_a_whole"),
        ("update standings set recording_days_7 = 8", "recording_days_bounded"),
        ("update standings set recording_days_28 = 6", "recording_days_bounded"),
        ("update standings set seven_day_z = 'NaN'", "seven_day_z_is_a_number"),
        ("insert into standings (user_id) select id from users where subject = 'grace'", "looked_at"),
        ("update alerts set measure = 'mood'", "measure_known"),
        ("update alerts set reason = null", "open_for_a_reason"),
        ("update alerts set reason = '[]'", "reason_is_object"),
        ("update alerts set acknowledged_at = now()", "acknowledged_by_somebody"),
        (
            "update alerts set acknowledged_by = user_id, acknowledged_at = opened_at - interval '1 s'",
            "acknowledged_after",
        ),
        ("update alerts set ended_at = now()", "ended_as_a_whole"),
        ("update alerts set ended_at = now(), ended_on = opened_on, ended_why = 'whim'", "ended_why_known"),
        (
            "update alerts set ended_at = now(), ended_on = opened_on - 1, ended_why = 'settled'",
            "ended_after",
        ),
        (
            """insert into alerts
                (id, user_id, measure, opened_on, rule, rule_version, bundle_revision, reason)
            select gen_random_uuid(), user_id, measure, opened_on, 'r', '1', 'two', '{}' from alerts""",
            "uq_alerts_open",
        ),
        ("insert into alert_events select gen_random_uuid(), id, 'closed' from alerts", "kind_known"),
        (
            "insert into alert_events select gen_random_uuid(), id, 'acknowledged' from alerts",
            "acknowledged_by_somebody",
        ),
        ("insert into alert_events select gen_random_uuid(), id, 'opened' from alerts", "alert_id_kind"),
        ("update alert_events set at = now()", "only grows"),
        ("delete from alert_events", "only grows"),
        ("update notification_addresses set channel = 'fax'", "channel"),
        ("update notification_addresses set address = E'a@b.c\\nBcc: d@e.f'", "address_bounded"),
        ("update notifications set occasion = 'test'", "of_an_alert_that_opened"),
        ("update notifications set state = 'lost', finished_at = now()", "state_known"),
        ("update notifications set state = 'sent'", "finished_when_terminal"),
        ("update notifications set attempts = 1", "attempts_are_claims"),
        (
            "update notifications set state = 'sent', finished_at = now(), lease_expires_at = now()",
            "leased_while_pending",
        ),
        ("update notifications set user_id = (select id from users where subject = 'grace')", "user_id"),
    ],
)
@pytest.mark.usefixtures("opened")
def test_a_row_that_contradicts_itself_is_refused(engine: Engine, statement: str, constraint: str) -> None:
    add_user(engine, "grace")
    with pytest.raises(Exception, match=constraint):
        run(engine, statement)


def test_what_happened_to_an_alert_goes_with_it(engine: Engine, opened: Alert) -> None:
    run(engine, "delete from alerts where id = :id", id=opened.id)

    with Session(engine) as session:
        assert session.scalars(select(AlertEvent)).all() == []
        assert session.scalars(select(Notification)).all() == []


# --- indexes --------------------------------------------------------------------------------------------

MANY = """
with people as (
    insert into users (id, subject) select gen_random_uuid(), 'many-' || n from generate_series(1, 3000) n
    on conflict (subject) do update set subject = excluded.subject returning id
), looked as (
    insert into standings select id, 'within_range', 'steady', 0, 7, 28, current_date, 'UTC', now(), null,
        now() + interval '1 hour', now() from people
), opened as (
    insert into alerts (id, user_id, measure, opened_on, rule, rule_version, bundle_revision, reason)
    select gen_random_uuid(), id, 'stress_score', current_date, 'r', '1', 'one', '{}' from people
    returning id, user_id
), wanting as (
    insert into notification_preferences (user_id, enabled, quiet_begin, quiet_end)
    select id, true, '21:00', '08:00' from people returning user_id
), addressed as (
    insert into notification_addresses (id, user_id, channel, address)
    select gen_random_uuid(), id, 'email', 'a@example.org' from people returning id, user_id
)
insert into notifications
    (id, user_id, alert_id, occasion, address_id, channel, state, not_before, finished_at)
select gen_random_uuid(), user_id, opened.id, 'opened', addressed.id, 'email', 'sent', now(), now()
from opened join addressed using (user_id)
"""


@pytest.fixture
def many(engine: Engine) -> Iterator[None]:
    """Three thousand people with an alert each, so that a plan says what it would do with many."""
    run(engine, MANY)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze standings, alerts, notifications, notification_addresses"))
    yield
    run(engine, EMPTY)
    run(engine, "delete from users where subject like 'many-%'")


@pytest.mark.usefixtures("many")
def test_what_is_asked_often_reads_an_index(engine: Engine, ada_id: UUID) -> None:
    queries: dict[str, tuple[Any, str]] = {
        "changed": (standings.next_stale(), "ix_standings_stale"),
        "due": (standings.next_due(), "ix_standings_due"),
        "newest": (alerts.newest(ada_id, Measure.STRESS_SCORE), "ix_alerts_user_id_id"),
        "open": (alerts.listed(ada_id, limit=20, is_open=True), "alerts"),
        "all": (alerts.listed(ada_id, limit=20), "ix_alerts_user_id_id"),
        "notification": (notifications.claim(lease=timedelta(seconds=60)), "ix_notifications_due"),
        "wanted": (notifications.wanted(ada_id), "notification_addresses"),
    }
    for name, (statement, index) in queries.items():
        with engine.connect() as connection:
            found = plan_of(connection, statement)
        assert index in found, (name, found)
        assert "Seq Scan" not in found, (name, found)


def test_the_backlog_is_told(engine: Engine, ada_id: UUID) -> None:
    with engine.connect() as connection:
        assert connection.execute(standings.backlog()).one() == (0, 0)
    add_history(engine, ada_id, {TODAY: 0.2})
    run(engine, "update standings set stale_since = now() - interval '1 minute'")

    with engine.connect() as connection:
        count, seconds = connection.execute(standings.backlog()).one()
    assert count == 1
    assert 60 <= seconds < 70
