"""A recording completes the last day of a sustained rise: who asked hears of it, through every process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook

from factories import add_history, rise
from mindtrack_client import MindTrack
from mindtrack_local.stack import Stack
from mindtrack_shared.db import standings
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.settings import DatabaseSettings
from patience import eventually
from samples import SAMPLES
from smtp_sink import Sink
from webhook_receiver import receiving

#: Of a rise, with which an alert does not open yet.
DAYS = 9


@pytest.fixture
def engine(stack: Stack) -> Iterator[Engine]:
    engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="history")
    yield engine
    engine.dispose()


def evaluated(engine: Engine, user_id: UUID) -> bool:
    with engine.connect() as connection:
        row = connection.execute(standings.of(user_id)).one()
        return row.stale_since is None and row.evaluated_at is not None


def test_a_recording_opens_an_alert_and_who_asked_is_told(
    stack: Stack, sign_in: Callable[[str], MindTrack], engine: Engine, mail: Sink
) -> None:
    headers = {"Authorization": f"Bearer {stack.token('edith')}"}
    with httpx2.Client(base_url=stack.base_url, headers=headers) as api, receiving() as receiver:

        def alerts() -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = api.get("/v1/users/me/alerts").json()["items"]
            return items

        user_id = UUID(api.get("/v1/users/me/trends").json()["user_id"])
        asked = {"url": receiver.url, "events": ["alert.opened"]}
        secret = api.post("/v1/webhooks", json=asked).json()["secret"]
        wishes = {
            "enabled": True,
            "addresses": [{"channel": "email", "address": "edith@example.org"}],
            "quiet_hours": {"begin": "12:00", "end": "12:00"},
        }
        assert api.put("/v1/users/me/notifications", json=wishes).status_code == 200
        probe = sign_in("probe").submit(SAMPLES / "day-1.wav", wait=True, timeout=60)
        assert probe.analysis is not None

        yesterday = datetime.now(UTC) - timedelta(days=1)
        days = rise(yesterday.date() - timedelta(days=1), days=DAYS)
        add_history(engine, user_id, days, revision=probe.analysis.model.bundle_revision)
        eventually(lambda: evaluated(engine, user_id), what="the history is looked at")
        assert alerts() == []

        sign_in("edith").submit(
            SAMPLES / "day-1.wav", recorded_at=yesterday, time_zone="UTC", wait=True, timeout=60
        )
        eventually(lambda: alerts() != [], what="an alert")
        (alert,) = alerts()
        eventually(lambda: receiver.received != [], what="a webhook")
        eventually(lambda: mail.received != [], what="an e-mail")

    (got,) = receiver.received
    Webhook(secret).verify(got.body, got.headers)
    message = json.loads(got.body)
    assert (message["type"], message["data"]) == ("alert.opened", {"alert_id": alert["id"]})
    (letter,) = mail.received
    assert letter.recipients == ("edith@example.org",)
    assert "something new" in letter.text
    assert alert["reason"]["recording_days"] == 7
