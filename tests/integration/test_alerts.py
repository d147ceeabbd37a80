"""Alerts as persons and their clinicians read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from factories import REASON, add_alert, add_grant, add_user
from mindtrack_gateway.identity import Role
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import alerts
from mindtrack_shared.db.models import AccessEvent
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.trends import End

OURS = "/v1/users/me/alerts"


@pytest.fixture
def ada_id(engine: Engine) -> UUID:
    return add_user(engine)


@pytest.fixture
def clinician(
    gateway: str, infrastructure: Infrastructure, engine: Engine
) -> Iterator[Callable[[str], httpx.Client]]:
    """Make clients of clinicians, by name."""
    with ExitStack() as opened:

        def make(subject: str) -> httpx.Client:
            headers = {
                "Authorization": f"Bearer {infrastructure.issuer.token(subject, Role.CLINICIAN.value)}"
            }
            return opened.enter_context(httpx.Client(base_url=gateway, headers=headers, timeout=30))

        yield make


def told(engine: Engine, alert_id: UUID) -> list[tuple[str, UUID | None]]:
    with Session(engine) as session:
        return [(event.kind, event.actor_id) for event in session.scalars(alerts.history(alert_id))]


def read(engine: Engine, clinician: UUID) -> list[tuple[str, str]]:
    with Session(engine) as session:
        found = select(AccessEvent).where(AccessEvent.actor_id == clinician).order_by(AccessEvent.id)
        return [(event.action, event.outcome) for event in session.scalars(found)]


def test_a_person_reads_why_an_alert_opened(engine: Engine, ada: httpx.Client, ada_id: UUID) -> None:
    alert_id = add_alert(engine, ada_id)

    found = ada.get(f"{OURS}/{alert_id}")
    assert found.status_code == 200
    assert found.headers["Cache-Control"] == "no-store"
    alert = found.json()
    assert (alert["id"], alert["measure"], alert["open"]) == (str(alert_id), "stress_score", True)
    assert alert["opened_on"] == REASON.last_day.isoformat()
    assert alert["reason"]["values"] == dict(REASON.values)
    assert alert["reason"]["thresholds"] == dict(REASON.thresholds)
    assert alert["reason"]["since"] == "2026-03-02"
    assert alert["opening"]["body"].startswith("Your voice logs have sounded more tense")
    assert "not a diagnosis" in alert["opening"]["meaning"]
    assert "not a diagnosis" in alert["notice"]
    assert alert["about"] == "docs/trends.md"
    assert alert["ending"] is alert["ended_at"] is alert["acknowledged_by"] is None


def test_alerts_are_listed_page_by_page(engine: Engine, ada: httpx.Client, ada_id: UUID) -> None:
    add_alert(engine, add_user(engine, "grace"))
    made = [add_alert(engine, ada_id, ended=End.SETTLED) for _ in range(4)] + [add_alert(engine, ada_id)]

    seen, address = [], f"{OURS}?limit=2"
    while True:
        page = ada.get(address)
        seen += [item["id"] for item in page.json()["items"]]
        if page.json()["next_cursor"] is None:
            assert "Link" not in page.headers
            break
        assert 'rel="next"' in page.headers["Link"]
        address = page.links["next"]["url"]
    assert seen == [str(each) for each in reversed(made)]

    def listed(query: str) -> list[str]:
        return [item["id"] for item in ada.get(f"{OURS}?{query}").json()["items"]]

    assert listed("open=true") == [str(made[-1])]
    assert listed("open=false") == [str(each) for each in reversed(made[:-1])]
    assert ada.get(f"{OURS}?cursor=nonsense!").status_code == 422
    assert ada.get(f"{OURS}?limit=101").status_code == 422


@pytest.mark.parametrize("why", End)
def test_an_alert_that_ended_says_why(engine: Engine, ada: httpx.Client, ada_id: UUID, why: End) -> None:
    alert = ada.get(f"{OURS}/{add_alert(engine, ada_id, ended=why)}").json()

    assert (alert["open"], alert["ended_why"]) == (False, why)
    assert alert["ending"]["title"] == "A notice has ended"
    assert alert["opening"] is not None


def test_an_alert_whose_recordings_were_deleted_does_not_say_why(
    engine: Engine, ada: httpx.Client, ada_id: UUID
) -> None:
    alert_id = add_alert(engine, ada_id, ended=End.NOTHING_TO_COMPARE)
    with engine.begin() as connection:
        connection.execute(text("update alerts set reason = null"))

    alert = ada.get(f"{OURS}/{alert_id}").json()
    assert alert["reason"] is alert["opening"] is None
    assert "no voice logs left" in alert["ending"]["body"]


def test_whoever_saw_it_first_stays(
    engine: Engine, ada: httpx.Client, ada_id: UUID, clinician: Callable[[str], httpx.Client]
) -> None:
    alert_id, mary = add_alert(engine, ada_id), add_user(engine, "mary")
    add_grant(engine, ada_id, mary, Scope.ALERTS)

    first = ada.post(f"{OURS}/{alert_id}/acknowledge").json()
    assert first["acknowledged_by"] == "person"
    assert abs(datetime.fromisoformat(first["acknowledged_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert first["open"], "that it was seen ends nothing"
    again = clinician("mary").post(f"/v1/users/{ada_id}/alerts/{alert_id}/acknowledge").json()
    assert (again["acknowledged_by"], again["acknowledged_at"]) == ("person", first["acknowledged_at"])
    assert ada.post(f"{OURS}/{alert_id}/acknowledge").json() == first
    assert told(engine, alert_id) == [("opened", None), ("acknowledged", ada_id)]


def test_a_clinician_reads_and_acknowledges_by_a_grant(
    engine: Engine, ada: httpx.Client, ada_id: UUID, clinician: Callable[[str], httpx.Client]
) -> None:
    alert_id, mary = add_alert(engine, ada_id), add_user(engine, "mary")
    add_grant(engine, ada_id, mary, Scope.ALERTS)
    client, theirs = clinician("mary"), f"/v1/users/{ada_id}/alerts"
    before = len(read(engine, mary))

    assert [item["id"] for item in client.get(theirs).json()["items"]] == [str(alert_id)]
    found = client.get(f"{theirs}/{alert_id}").json()
    assert found["opening"]["body"].startswith("This person's voice logs")
    seen = client.post(f"{theirs}/{alert_id}/acknowledge").json()
    assert seen["acknowledged_by"] == "clinician"
    assert ada.get(f"{OURS}/{alert_id}").json()["acknowledged_by"] == "clinician"
    assert told(engine, alert_id) == [("opened", None), ("acknowledged", mary)]
    assert client.get(f"{theirs}/{add_alert(engine, mary)}").status_code == 404, "of somebody else"
    assert read(engine, mary)[before:] == [
        ("listAlerts", "allowed"),
        ("getAlert", "allowed"),
        ("acknowledgeAlert", "allowed"),
        ("getAlert", "allowed"),
    ]


def test_without_the_scope_there_is_nothing_to_see(
    engine: Engine, ada_id: UUID, clinician: Callable[[str], httpx.Client]
) -> None:
    alert_id, john = add_alert(engine, ada_id), add_user(engine, "john")
    add_grant(engine, ada_id, john, Scope.TRENDS, Scope.ANALYSES)
    client, theirs = clinician("john"), f"/v1/users/{ada_id}/alerts"

    answers = [
        client.get(theirs),
        client.get(f"{theirs}/{alert_id}"),
        client.post(f"{theirs}/{alert_id}/acknowledge"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert told(engine, alert_id) == [("opened", None)]
    assert read(engine, john)[-3:] == [
        ("listAlerts", "refused"),
        ("getAlert", "refused"),
        ("acknowledgeAlert", "refused"),
    ]


def test_webhooks_can_ask_for_alerts(ada: httpx.Client) -> None:
    asked = {"url": "http://127.0.0.1:9/hook", "events": ["alert.opened", "alert.ended", "job.failed"]}
    made = ada.post("/v1/webhooks", json=asked)

    assert made.status_code == 201
    assert made.json()["events"] == sorted(asked["events"])
