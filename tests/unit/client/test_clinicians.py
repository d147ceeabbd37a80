"""Patients, notes, history and exports in the SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from mindtrack_client import MindTrack, NotFoundError, Table
from unit.client import documents
from unit.client.documents import NOTE_ID, USER_ID
from unit.client.fake_gateway import FakeGateway, Reply

NOTES = f"/v1/users/{USER_ID}/notes"

LISTS: dict[str, tuple[Callable[[MindTrack], Iterator[Any]], str, dict[str, Any], dict[str, str]]] = {
    "patients": (
        lambda m: m.patients(page_size=2),
        "/v1/patients",
        documents.patient(),
        {"sort": "status", "order": "desc"},
    ),
    "some patients": (
        lambda m: m.patients(
            sort="seven_day_z",
            order="asc",
            statuses=["above"],
            open_alerts=False,
            search="50 %",
            page_size=2,
        ),
        "/v1/patients",
        documents.patient(alerts=None),
        {"sort": "seven_day_z", "order": "asc", "status": "above", "open_alerts": "false", "search": "50 %"},
    ),
    "notes": (lambda m: m.notes(page_size=2), "/v1/users/me/notes", documents.note(), {}),
    "deleted notes": (
        lambda m: m.notes(USER_ID, deleted=True, page_size=2),
        NOTES,
        documents.note(),
        {"deleted": "true"},
    ),
    "history": (
        lambda m: m.history(USER_ID, first_day=date(2026, 11, 1), last_day=date(2026, 11, 30), page_size=2),
        f"/v1/users/{USER_ID}/history",
        documents.history_day(),
        {"from": "2026-11-01", "to": "2026-11-30"},
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_fetched_page_by_page(mindtrack: MindTrack, gateway: FakeGateway, name: str) -> None:
    ask, path, item, filters = LISTS[name]
    both = Reply(200, {"items": [item, item], "next_cursor": "c"})
    gateway.on("GET", path, both, Reply(200, {"items": [item], "next_cursor": None}))

    found = list(ask(mindtrack))

    assert len(found) == 3
    assert found[0] == found[2]
    assert [asked.query for asked in gateway.asked] == [
        {"limit": "2", **filters},
        {"limit": "2", **filters, "cursor": "c"},
    ]


def test_a_patient_is_what_their_grant_opens(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    hidden = dict.fromkeys(
        ("status", "direction", "seven_day_z", "as_of", "recent", "last_recorded_at", "alerts")
    )
    items = [documents.patient(label="Tuesdays", status="of the future"), documents.patient(**hidden)]
    gateway.on("GET", "/v1/patients", Reply(200, {"items": items, "next_cursor": None}))

    first, second = mindtrack.patients()

    assert (first.label, first.status, first.seven_day_z) == ("Tuesdays", "of the future", 2.345)
    assert first.alerts is not None
    assert first.alerts.count == 2
    assert first.recent is not None
    assert (len(first.recent), first.recent[:2], first.recent[-1]) == (28, (None, -3.0), 4.5)
    assert (second.status, second.alerts, second.last_recorded_at) == (None, None, None)
    assert second.recent is None


def test_an_overview(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("GET", "/v1/patients/overview", Reply(200, documents.overview()))

    found = mindtrack.patients_overview()
    mindtrack.patients_overview(30)

    assert (found.persons, found.by_status["above"], found.alerts.open) == (3, 1, 2)
    assert [asked.query for asked in gateway.asked] == [{}, {"silent_days": "30"}]


def test_labels(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    path = f"/v1/patients/{USER_ID}/label"
    gateway.on("PUT", path, Reply(200, {"user_id": USER_ID, "label": "Tuesdays"}))

    mindtrack.label_patient(USER_ID, "Tuesdays")
    mindtrack.label_patient(USER_ID, None)

    assert [json.loads(asked.body) for asked in gateway.asked] == [{"label": "Tuesdays"}, {"label": None}]
    with pytest.raises(ValueError, match="UUID"):
        mindtrack.label_patient("../label", "x")


def test_a_note_is_written_once_however_often_it_is_sent(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("POST", NOTES, Reply(502), Reply(201, documents.note()))

    note = mindtrack.write_note(USER_ID, "Sleeps better.")
    mindtrack.write_note(USER_ID, "Sleeps better.")

    assert (str(note.id), note.revision) == (NOTE_ID, 1)
    assert "Sleeps" not in repr(note), "it must not end up in a log"
    assert [json.loads(asked.body) for asked in gateway.asked] == [{"text": "Sleeps better."}] * 3
    lost, repeated, another = (asked.headers["Idempotency-Key"] for asked in gateway.asked)
    assert lost == repeated != another


def test_notes_are_changed_read_and_deleted(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    path = f"{NOTES}/{NOTE_ID}"
    former = [{"revision": 1, "text": "Before.", "written_at": "2026-11-22T08:00:00Z"}]
    changed = documents.note(text="After.", revision=2)
    gateway.on("PATCH", path, Reply(200, changed))
    gateway.on("GET", path, Reply(200, changed | {"former": former}))
    gateway.on("DELETE", path, Reply(204, b""), Reply(404, documents.problem(404)))

    assert mindtrack.change_note(USER_ID, NOTE_ID, "After.").revision == 2
    note = mindtrack.note(USER_ID, NOTE_ID)
    assert (note.text, note.former[0].text) == ("After.", "Before.")
    mindtrack.delete_note(USER_ID, NOTE_ID)
    with pytest.raises(NotFoundError):
        mindtrack.delete_note(USER_ID, NOTE_ID)


@pytest.mark.parametrize(
    ("table", "name"), [("analyses", "analyses.csv"), ("days", "history.csv"), (Table.DAYS, "history.csv")]
)
def test_tables_come_as_they_are(
    mindtrack: MindTrack, gateway: FakeGateway, table: Table | str, name: str
) -> None:
    content = b"day,stress_score (1)\r\n2026-11-22,0.3\r\n"
    gateway.on("GET", f"/v1/users/{USER_ID}/{name}", Reply(200, content, {"Content-Type": "text/csv"}))

    assert mindtrack.export_csv(USER_ID, table) == content
    with pytest.raises(ValueError, match="nights"):
        mindtrack.export_csv(USER_ID, "nights")


def test_observations_are_fetched_page_by_page_from_one_server(
    mindtrack: MindTrack, gateway: FakeGateway
) -> None:
    """Links may name another address than the one that was asked: a token goes nowhere else."""
    one = {"resourceType": "Observation", "id": "1"}
    path = "/v1/users/me/fhir/observations"
    first = Reply(200, documents.fhir_bundle(one, one, following="c"))
    gateway.on("GET", path, first, Reply(200, documents.fhir_bundle(one)))

    assert list(mindtrack.export_fhir(page_size=2)) == [one, one, one]
    assert [asked.path for asked in gateway.asked] == [path, path]
    assert [asked.query for asked in gateway.asked] == [{"_count": "2"}, {"_count": "2", "cursor": "c"}]


def test_no_observations(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("GET", "/v1/users/me/fhir/observations", Reply(200, documents.fhir_bundle()))

    assert list(mindtrack.export_fhir()) == []
