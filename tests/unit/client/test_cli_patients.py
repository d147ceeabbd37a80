from __future__ import annotations

from typing import Any

from unit.client import documents
from unit.client.command import Command, json_lines
from unit.client.documents import USER_ID
from unit.client.fake_gateway import FakeGateway, Reply


def listing(*items: dict[str, Any], more: str | None = None) -> Reply:
    return Reply(200, {"items": list(items), "next_cursor": more})


class TestPatients:
    def test_shows_who_stands_how(self, command: Command, gateway: FakeGateway) -> None:
        hidden = dict.fromkeys(("status", "direction", "seven_day_z", "last_recorded_at", "alerts"))
        gateway.on(
            "GET",
            "/v1/patients",
            listing(
                documents.patient(label="Tuesdays"),
                documents.patient(status="within_range"),
                documents.patient(**hidden),
            ),
        )

        heading, labelled, plain, unknown, legend, notice = command("patients").stdout.splitlines()

        assert heading.split() == ["Patient", "Status", "Trend", "Z", "Recorded", "Open"]
        assert labelled.split() == ["Tuesdays", "well_above", "rising", "+2.3", "2026-11-22", "2"]
        assert plain.split()[:2] == [USER_ID, "within_range"]
        assert unknown.split() == [USER_ID, "-", "-", "-", "-", "-"]
        assert max(map(len, (heading, labelled, plain))) <= 80
        assert "usual" in legend
        assert "not a diagnosis" in notice

    def test_asks_for_some_of_them(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("GET", "/v1/patients", listing(*[documents.patient()] * 2, more="c"))
        asked = ("--sort", "last_recorded", "--order", "asc", "--status", "above", "--open-alerts")
        found = json_lines(command("patients", *asked, "--limit", "3", "--json"))
        assert len(found) == 3
        assert found[0]["user_id"] == USER_ID
        query = {
            "limit": "3",
            "sort": "last_recorded",
            "order": "asc",
            "status": "above",
            "open_alerts": "true",
        }
        assert [each.query for each in gateway.asked] == [query, query | {"cursor": "c"}]

    def test_without_any(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("GET", "/v1/patients", listing())
        assert command("patients").stdout == "No patients.\n"

    def test_what_cannot_be_asked(self, command: Command) -> None:
        assert command("patients", "--sort", "name").exit_code == 2
