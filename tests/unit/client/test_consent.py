"""Invitations, grants and accesses in the SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from mindtrack_client import (
    ConnectionFailedError,
    InvitationRedeemedError,
    MindTrack,
    NotFoundError,
    Scope,
    UseContext,
    UseContextProhibitedError,
)
from unit.client import documents
from unit.client.documents import CODE, GRANT_ID, INVITATION_ID, JOB_ID, USER_ID
from unit.client.fake_gateway import FakeGateway, Reply


def pages(one: dict[str, Any]) -> tuple[Reply, Reply]:
    """Two pages of the same item, twice and once."""
    return (
        Reply(200, {"items": [one, one], "next_cursor": "c"}),
        Reply(200, {"items": [one], "next_cursor": None}),
    )


def test_invite(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("POST", "/v1/invitations", Reply(201, documents.invitation(code=CODE)))

    invitation = mindtrack.invite(
        [Scope.TRENDS, "analyses"], purpose="Weekly sessions", use_context=UseContext.HEALTHCARE
    )
    mindtrack.invite(["trends"], purpose="x", use_context="research", grant_days=30, code_days=1)

    assert invitation.code == CODE
    assert CODE not in repr(invitation), "it must not end up in a log"
    first, second = (json.loads(asked.body) for asked in gateway.asked)
    assert first == documents.CONSENT, "how long it holds is the server's to say"
    assert (second["grant_days"], second["code_days"]) == (30, 1)


def test_an_invitation_is_asked_for_once(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    """Its code is told once: where the answer is lost, another would be one too many."""
    busy = Reply(429, documents.problem(429))
    gateway.on("POST", "/v1/invitations", busy, httpx2.ReadTimeout("timed out"))

    with pytest.raises(ConnectionFailedError):
        mindtrack.invite(["trends"], purpose="x", use_context="research")

    assert len(gateway.asked) == 2, "who was refused may ask again"


def test_what_the_law_refuses(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    problem = documents.problem(422, type="urn:mindtrack:problem:use-context-prohibited")
    gateway.on("POST", "/v1/invitations", Reply(422, problem))

    with pytest.raises(UseContextProhibitedError):
        mindtrack.invite(["trends"], purpose="x", use_context=UseContext.WORKPLACE)


def test_withdraw(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    problem = documents.problem(409, type="urn:mindtrack:problem:invitation-redeemed")
    gateway.on(
        "DELETE",
        f"/v1/invitations/{INVITATION_ID}",
        Reply(200, documents.invitation(state="withdrawn")),
        Reply(409, problem),
    )

    assert mindtrack.withdraw(INVITATION_ID).state == "withdrawn"
    with pytest.raises(InvitationRedeemedError):
        mindtrack.withdraw(INVITATION_ID)


def test_redeem_is_repeated_when_the_answer_is_lost(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("POST", "/v1/grants", Reply(502), Reply(200, documents.grant(you_are="clinician")))

    grant = mindtrack.redeem(CODE)

    assert (str(grant.id), str(grant.user_id), grant.state) == (GRANT_ID, USER_ID, "live")
    assert [json.loads(asked.body) for asked in gateway.asked] == [{"code": CODE}] * 2


def test_a_code_that_opens_nothing(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    gateway.on("POST", "/v1/grants", Reply(404, documents.problem(404)))

    with pytest.raises(NotFoundError):
        mindtrack.redeem(CODE)


def test_revoke(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    ended = documents.grant(state="revoked", revoked_at="2026-11-23T08:00:00Z", revoked_by="person")
    gateway.on("DELETE", f"/v1/grants/{GRANT_ID}", Reply(200, ended))

    assert mindtrack.revoke(GRANT_ID).revoked_by == "person"
    with pytest.raises(ValueError, match="UUID"):
        mindtrack.revoke("../jobs")


LISTS: dict[str, tuple[Callable[[MindTrack], Iterator[Any]], str, dict[str, Any], dict[str, str]]] = {
    "invitations": (
        lambda m: m.invitations(page_size=2),
        "/v1/invitations",
        documents.invitation(),
        {},
    ),
    "grants": (lambda m: m.grants(page_size=2), "/v1/grants", documents.grant(), {}),
    "live grants": (
        lambda m: m.grants(live=True, page_size=2),
        "/v1/grants",
        documents.grant(),
        {"live": "true"},
    ),
    "accesses": (lambda m: m.accesses(page_size=2), "/v1/users/me/accesses", documents.access(), {}),
    "analyses": (
        lambda m: m.analyses(USER_ID, recorded_after=datetime(2026, 11, 1, tzinfo=UTC), page_size=2),
        f"/v1/users/{USER_ID}/analyses",
        {
            "job_id": JOB_ID,
            "recorded_at": "2026-11-22T07:59:00Z",
            "time_zone": "Asia/Tokyo",
            "quality": documents.quality(),
            "analysis": documents.analysis(),
        },
        {"recorded_after": "2026-11-01T00:00:00+00:00"},
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_fetched_page_by_page(mindtrack: MindTrack, gateway: FakeGateway, name: str) -> None:
    ask, path, item, filters = LISTS[name]
    gateway.on("GET", path, *pages(item))

    found = list(ask(mindtrack))

    assert len(found) == 3
    assert found[0] == found[2]
    assert [asked.query for asked in gateway.asked] == [
        {"limit": "2", **filters},
        {"limit": "2", **filters, "cursor": "c"},
    ]


def test_a_newer_servers_words_are_taken_as_they_are(mindtrack: MindTrack, gateway: FakeGateway) -> None:
    newer = documents.grant(scopes=["trends", "reports"], use_context="coaching", state="paused")
    gateway.on("GET", "/v1/grants", Reply(200, {"items": [newer], "next_cursor": None}))

    (grant,) = mindtrack.grants()

    assert (grant.scopes, grant.use_context, grant.state) == (("trends", "reports"), "coaching", "paused")
