"""Looks at people's trends: what they have come to, and whether an alert opens or ends.

One commit for each person: the standing, the alert, what happened to it, and whom to tell. The standing is
locked before the days are read, so looking twice, or two at a time, finds nothing new; what changes meanwhile
is looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, Select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from mindtrack_scheduler.metrics import ALERTS, STANDING_FAILURES, STANDING_SECONDS
from mindtrack_scheduler.stopping import stopping
from mindtrack_shared.db import alerts, analyses, day_values, notifications, standings, webhooks
from mindtrack_shared.db.models import Alert, Standing
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.domain.notifications import Occasion
from mindtrack_shared.domain.patients import RECENT_DAYS
from mindtrack_shared.domain.trends import (
    HISTORY,
    METHOD,
    RULE,
    AlertState,
    Chart,
    Ended,
    Evidence,
    Measure,
    Opened,
    Point,
    QuietHours,
    charts,
    finished,
    local_day,
    next_state,
    report_of,
    when_to_notify,
)
from mindtrack_shared.domain.webhooks import WebhookEvent
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

#: What a standing is of: days up to and with the person's today.
PERIOD = timedelta(days=RECENT_DAYS)
WEEK = timedelta(days=7)
#: Of the z of a day: it becomes a line that nobody reads numbers from.
RECENT_DIGITS = 2
#: Until a standing is looked at again that could not be found out.
PAUSE = timedelta(hours=1)
#: Of those who never recorded what counts.
SOMEWHERE = "UTC"


def evaluate(engine: Engine) -> int:
    """Look at those of whom something changed, then at those whose day did; return at how many.

    Several at a time share the work.
    """
    looked = 0
    # Who has just recorded does not wait for a zone in which a day began.
    while not stopping() and (_look(engine, standings.next_stale()) or _look(engine, standings.next_due())):
        looked += 1
    if looked:
        get_logger().info(events.STANDINGS_EVALUATED, count=looked)
    return looked


def _look(engine: Engine, query: Select[Standing, datetime]) -> bool:
    """Look at one person; False if nobody waits. A standing that cannot be found out is put off."""
    since, user_id = perf_counter(), None
    try:
        with Session(engine) as session, session.begin():
            found = session.execute(query).one_or_none()
            if found is None:
                return False
            standing, moment = found
            user_id = standing.user_id
            changed = _settle(session, standing, moment)
    except OperationalError:
        raise  # the database is away, and not for this person alone
    except Exception as error:
        if user_id is None:
            raise
        STANDING_FAILURES.inc()
        get_logger().error(events.STANDING_FAILED, user_id=str(user_id), exc_info=error)
        with engine.begin() as connection:
            connection.execute(standings.put_off(user_id, delay=PAUSE))
        return True
    STANDING_SECONDS.observe(perf_counter() - since)
    for alert_id, what in changed:
        ALERTS.labels(what).inc()
        get_logger().info(events.ALERT_CHANGED, alert_id=str(alert_id))
    return True


def _settle(session: Session, standing: Standing, moment: datetime) -> list[tuple[UUID, str]]:
    """Write what a locked standing has come to; return alerts that opened, or ended and why."""
    user_id = standing.user_id
    newest = session.execute(analyses.latest(user_id)).one_or_none()
    time_zone = newest.time_zone if newest else standing.time_zone or SOMEWHERE
    today = local_day(moment, time_zone)
    rows = {measure: session.scalar(alerts.newest(user_id, measure)) for measure in sorted(RULE.measures)}
    first_day = min([today - PERIOD, *(since for row in rows.values() if (since := _since(row)))]) - HISTORY
    of_models = {
        measure: _charts(session, user_id, measure, first_day, today)
        for measure in {Measure.STRESS_SCORE, *rows}
    }
    session.execute(
        standings.settle(
            user_id,
            **_standing(of_models[Measure.STRESS_SCORE], today),
            as_of=today,
            time_zone=time_zone,
            last_recorded_at=newest.recorded_at if newest else None,
            # Of who has been silent for as long as all of this reaches back, nothing changes by itself.
            due_at=_start_of(today + timedelta(days=1), time_zone) if any(of_models.values()) else None,
        )
    )
    moved = (
        _move(session, _Case(user_id, measure, row, of_models[measure], today, moment))
        for measure, row in rows.items()
    )
    return [change for change in moved if change is not None]


@dataclass(frozen=True, slots=True)
class _Case:
    """One measure of one person, and the alert that the rule goes on from."""

    user_id: UUID
    measure: Measure
    alert: Alert | None
    #: The days by each model, the one in use last.
    of_models: list[Chart]
    today: date
    moment: datetime


def _charts(session: Session, user_id: UUID, measure: Measure, first_day: date, today: date) -> list[Chart]:
    rows = session.execute(day_values.between(user_id, measure, first_day=first_day, last_day=today))
    return list(charts(map(day_values.to_day_value, rows), measure=measure, last_day=today).values())


def _standing(of_models: list[Chart], today: date) -> dict[str, Any]:
    first_day = today - PERIOD + timedelta(days=1)
    found = report_of(of_models, measure=Measure.STRESS_SCORE, first_day=first_day, last_day=today)
    return {
        "status": found.status,
        "direction": found.direction,
        "seven_day_z": found.seven_day_z,
        "recent": _recent(found.points, today),
        "recording_days_7": len({point.day for point in found.points if point.day > today - WEEK}),
        "recording_days_28": found.recording_days,
    }


def _recent(points: Iterable[Point], today: date) -> list[float | None]:
    """Return z of each day of the period; of a day that two models judged, by the later one."""
    judged = {point.day: round(point.z, RECENT_DIGITS) for point in points if point.z is not None}
    return [judged.get(today - timedelta(days=ago)) for ago in reversed(range(RECENT_DAYS))]


def _move(session: Session, case: _Case) -> tuple[UUID, str] | None:
    """Move an alert on, and tell of it."""
    state = alerts.to_state(case.alert)
    told = finished(case.of_models, case.today)
    baseless = case.alert is not None and state.open and not _stands(case.alert, told)
    if case.alert is not None and state.open and not baseless:
        case.alert.lost_evidence = False  # what is left would do: that is not asked again
    found = told[-1] if told and not baseless else None
    # Who flies west may have the day before again.
    today = max(day for day in (case.today, state.opened_on, state.ended_on) if day)
    match next_state(state, found, today=today).event:
        case Opened(on, reason):
            alert_id = session.scalars(alerts.open_alert(case.user_id, on, reason)).one()
            session.execute(alerts.note(alert_id, AlertEventKind.OPENED))
            _tell(session, case.user_id, alert_id, WebhookEvent.ALERT_OPENED)
            _notify(session, case, alert_id)
            return alert_id, AlertEventKind.OPENED
        case Ended(on, why) if case.alert is not None:
            session.execute(alerts.end(case.alert.id, on, why, forget_reason=baseless))
            session.execute(alerts.note(case.alert.id, AlertEventKind.ENDED))
            _tell(session, case.user_id, case.alert.id, WebhookEvent.ALERT_ENDED)
            return case.alert.id, why
        case _:
            return None


def _since(alert: Alert | None) -> date | None:
    """Since when an open alert's average has been raised: as far back as its reason lies."""
    if alert is None or alert.ended_at is not None or alert.reason is None:
        return None
    return date.fromisoformat(alert.reason["since"])


def _stands(alert: Alert, told: list[Evidence]) -> bool:
    """Whether there is still what an alert opened for: nothing of it was deleted, or some day since would do.

    Not asked of one that another rule, method or model opened, which would judge the same days otherwise.
    """
    if not alert.lost_evidence:
        return True
    reason, since = alert.reason or {}, _since(alert)
    if since is None or not told:
        return False
    by = (alert.rule_version, reason["method_version"], alert.bundle_revision)
    if by != (RULE.version, METHOD.version, told[-1].bundle_revision):
        return True
    return any(
        isinstance(next_state(AlertState(), each, today=each.day).event, Opened)
        for each in told
        if each.day >= since
    )


def _tell(session: Session, user_id: UUID, alert_id: UUID, event: WebhookEvent) -> None:
    """Queue webhooks."""
    if session.scalars(webhooks.tell_alert(alert_id, user_id, event)).all():
        session.execute(webhooks.announce())


def _notify(session: Session, case: _Case, alert_id: UUID) -> None:
    """Queue what goes to the person, once it is not night where they are."""
    queued = False
    for preferences, address, time_zone in session.execute(notifications.wanted(case.user_id)).all():
        quiet = QuietHours(preferences.quiet_begin, preferences.quiet_end)
        not_before = when_to_notify(case.moment, time_zone, quiet)
        message = notifications.queue(address, Occasion.OPENED, alert_id=alert_id, not_before=not_before)
        queued = session.scalar(message) is not None or queued
    if queued:
        session.execute(notifications.announce())


def _start_of(day: date, time_zone: str) -> datetime:
    """When a day begins. Where clocks skip midnight, with the first moment after it."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
