"""Something of a person's in every table, for tests of what nobody else may lose or see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.orm import Session

from factories import add_grant, add_history, rise
from mindtrack_scheduler.standings import evaluate
from mindtrack_shared.db import alerts, data_keys, emergencies, grants, notifications, webhooks
from mindtrack_shared.db.models import (
    Feedback,
    IdempotencyKey,
    Note,
    NoteRevision,
    NotificationAddress,
    PatientLabel,
    Tombstone,
    Upload,
    WebhookEndpoint,
)
from mindtrack_shared.domain.alert_events import AlertEventKind
from mindtrack_shared.domain.grants import Scope, UseContext
from mindtrack_shared.domain.notifications import Channel, Occasion
from mindtrack_shared.domain.webhooks import SECRET_BYTES, WebhookEvent
from mindtrack_shared.ids import new_id

TODAY = datetime.now(UTC).date()

#: By table, each row as JSON.
Rows = dict[str, set[str]]


def fill(engine: Engine, person: UUID, clinician: UUID) -> None:
    """Leave something of a person's in every table, partly by a clinician."""
    jobs = list(add_history(engine, person, rise(TODAY)).values())
    evaluate(engine)
    grant_id = add_grant(engine, person, clinician)
    (alert_id,) = _alerts(engine, person)
    with Session(engine) as session, session.begin():
        session.execute(data_keys.give(person, new_id()))
        session.execute(
            grants.invite(
                new_id(),
                person,
                new_id().bytes * 2,
                scopes=[Scope.TRENDS],
                purpose="Sessions",
                use_context=UseContext.HEALTHCARE,
                grant_days=9,
                code_days=9,
            )
        )
        session.execute(
            text(
                "insert into access_events (id, actor_id, actor_role, subject_id, grant_id, action, outcome)"
                " values (uuidv7(), :clinician, 'clinician', :person, :grant, 'getTrends', 'allowed')"
            ),
            {"clinician": clinician, "person": person, "grant": grant_id},
        )
        session.execute(emergencies.open_for(new_id(), person, "Nobody can be asked just now."))
        session.add(
            IdempotencyKey(
                user_id=person,
                key=str(new_id()),
                fingerprint=bytes(32),
                job_id=jobs[0],
                status=202,
                expires_at=datetime.now(UTC) + timedelta(days=1),
            )
        )
        session.add(
            IdempotencyKey(user_id=person, key="free", expires_at=datetime.now(UTC) + timedelta(days=1))
        )
        for key, job_id in (("used", jobs[1]), ("unused", None)):
            session.add(
                Upload(
                    user_id=person,
                    object_key=f"uploads/{key}-{person}",
                    job_id=job_id,
                    expires_at=datetime.now(UTC) + timedelta(hours=1),
                )
            )
        session.add(
            Tombstone(job_id=new_id(), user_id=person, object_key=None, object_deleted_at=datetime.now(UTC))
        )
        label = {"kind": "clinician", "author_id": clinician, "label": "Stressed"}
        for said in ({"kind": "self", "author_id": person, "stress": 3, "note": "Late."}, label):
            session.add(Feedback(job_id=jobs[2], user_id=person, answered_at=datetime.now(UTC), **said))
        note = Note(user_id=person, author_id=clinician, text="Well.", revision=2)
        session.add(note)
        session.flush()
        session.add(NoteRevision(note_id=note.id, revision=1, text="Was well.", written_at=note.created_at))
        session.add(PatientLabel(clinician_id=clinician, user_id=person, label="Tuesdays"))
        endpoint = WebhookEndpoint(
            user_id=person,
            url="https://example.org/hook",
            events=[WebhookEvent.JOB_SUCCEEDED, WebhookEvent.ALERT_OPENED],
            secret=bytes(SECRET_BYTES),
        )
        session.add(endpoint)
        session.flush()
        told = [
            *session.scalars(webhooks.tell_ends([jobs[3]])),
            *session.scalars(webhooks.tell_alert(alert_id, person, WebhookEvent.ALERT_OPENED)),
        ]
        for delivery_id in told:
            session.execute(
                webhooks.note_attempt(delivery_id, 1, at=datetime.now(UTC), seconds=0.1, status_code=500)
            )
        session.execute(alerts.acknowledge(alert_id, person, clinician))
        session.execute(alerts.note(alert_id, AlertEventKind.ACKNOWLEDGED, actor=clinician))
        evening, morning = (datetime(2026, 1, 1, hour, tzinfo=UTC).time() for hour in (22, 7))
        session.execute(
            notifications.prefer(person, enabled=True, quiet_begin=evening, quiet_end=morning, time_zone=None)
        )
        session.execute(notifications.add_address(person, Channel.EMAIL, f"{person}@example.org"))
        address = session.scalars(
            select(NotificationAddress).where(NotificationAddress.user_id == person)
        ).one()
        session.execute(notifications.queue(address, Occasion.OPENED, alert_id=alert_id, not_before=None))


def _alerts(engine: Engine, person: UUID) -> list[UUID]:
    with Session(engine) as session:
        return [row.id for row in session.scalars(alerts.listed(person, limit=9, is_open=True))]


def tables(connection: Connection) -> dict[str, set[str]]:
    """Return the columns of every table, by its name."""
    found: dict[str, set[str]] = {}
    statement = (
        "select table_name, column_name from information_schema.columns"
        " join information_schema.tables using (table_schema, table_name)"
        " where table_schema = 'public' and table_type = 'BASE TABLE' and table_name <> 'alembic_version'"
    )
    for table, column in connection.execute(text(statement)):
        found.setdefault(table, set()).add(column)
    return found


def contents(engine: Engine) -> Rows:
    """Return every row of every table, whole."""
    with engine.connect() as connection:
        return {
            table: set(connection.scalars(text(f"select to_jsonb(row)::text from {table} row")))  # noqa: S608
            for table in tables(connection)
        }
