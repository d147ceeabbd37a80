from __future__ import annotations

import json

import pytest

from unit.client import documents
from unit.client.command import Command, json_lines
from unit.client.documents import CLINICIAN_ID, CODE, GRANT_ID, INVITATION_ID, USER_ID
from unit.client.fake_gateway import FakeGateway, Reply

INVITE = ("invite", "--scope", "trends", "--scope", "analyses", "--purpose", "Weekly sessions")


class TestInvite:
    def test_prints_the_code_and_nothing_else(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("POST", "/v1/invitations", Reply(201, documents.invitation(code=CODE)))
        result = command(*INVITE)
        assert result.stdout == f"{CODE}\n"
        assert "2026-11-29" in result.stderr
        assert f"mindtrack withdraw {INVITATION_ID}" in result.stderr
        assert json.loads(gateway.asked[0].body) == documents.CONSENT

    def test_for_programs(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("POST", "/v1/invitations", Reply(201, documents.invitation(code=CODE)))
        (document,) = json_lines(command(*INVITE, "--days", "30", "--code-days", "1", "--json"))
        assert document["code"] == CODE
        asked = json.loads(gateway.asked[0].body)
        assert (asked["grant_days"], asked["code_days"]) == (30, 1)

    def test_what_the_law_refuses(self, command: Command, gateway: FakeGateway) -> None:
        problem = documents.problem(422, type="urn:mindtrack:problem:use-context-prohibited")
        gateway.on("POST", "/v1/invitations", Reply(422, problem))
        assert command(*INVITE, "--context", "workplace").exit_code == 3

    @pytest.mark.parametrize("missing", ["--scope", "--purpose"])
    def test_says_what_it_needs(self, command: Command, missing: str) -> None:
        given = {"--scope": "trends", "--purpose": "x"}
        del given[missing]
        result = command("invite", *(word for pair in given.items() for word in pair))
        assert result.exit_code == 2
        assert missing in result.stderr


class TestInvitations:
    def test_lists(self, command: Command, gateway: FakeGateway) -> None:
        listing = {"items": [documents.invitation()] * 2, "next_cursor": None}
        gateway.on("GET", "/v1/invitations", Reply(200, listing))
        heading, first, _ = command("invitations").stdout.splitlines()
        assert heading.split() == ["Invitation", "State", "Until", "Opens"]
        assert first.split() == [INVITATION_ID, "open", "2026-11-29", "trends,", "analyses"]
        assert len(json_lines(command("invitations", "--json", "--limit", "1"))) == 1

    def test_without_any(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("GET", "/v1/invitations", Reply(200, {"items": [], "next_cursor": None}))
        assert command("invitations").stdout == "No invitations.\n"

    def test_withdraws(self, command: Command, gateway: FakeGateway) -> None:
        withdrawn = documents.invitation(state="withdrawn")
        gateway.on("DELETE", f"/v1/invitations/{INVITATION_ID}", Reply(200, withdrawn))
        assert command("withdraw", INVITATION_ID).stdout == "The invitation is withdrawn.\n"
        assert json_lines(command("withdraw", INVITATION_ID, "--json"))[0]["state"] == "withdrawn"


class TestGrants:
    def test_redeems(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("POST", "/v1/grants", Reply(201, documents.grant(you_are="clinician")))
        told = command("redeem", CODE).stdout
        assert told == f"You may read trends, analyses of {USER_ID} until 2027-02-20 09:00 +0000.\n"
        assert json_lines(command("redeem", CODE, "--json"))[0]["id"] == GRANT_ID

    def test_a_code_that_opens_nothing(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("POST", "/v1/grants", Reply(404, documents.problem(404)))
        assert command("redeem", CODE).exit_code == 3

    def test_lists(self, command: Command, gateway: FakeGateway) -> None:
        ended = documents.grant(state="revoked", revoked_at="2026-11-23T08:00:00Z", revoked_by="person")
        listing = {"items": [documents.grant(), ended], "next_cursor": None}
        gateway.on("GET", "/v1/grants", Reply(200, listing))
        heading, live, revoked = command("grants", "--live").stdout.splitlines()
        assert heading.split() == ["Grant", "State", "Until", "Opens"]
        assert live.split() == [GRANT_ID, "live", "2027-02-20", "trends,", "analyses"]
        assert revoked.split()[1:3] == ["revoked", "2026-11-23"]
        assert gateway.asked[0].query == {"limit": "20", "live": "true"}
        assert len(json_lines(command("grants", "--json"))) == 2

    def test_without_any(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("GET", "/v1/grants", Reply(200, {"items": [], "next_cursor": None}))
        assert command("grants").stdout == "No grants.\n"

    def test_revokes(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("DELETE", f"/v1/grants/{GRANT_ID}", Reply(200, documents.grant(state="revoked")))
        assert command("revoke", GRANT_ID).stdout == "The grant is revoked; it opens nothing any more.\n"
        assert json_lines(command("revoke", GRANT_ID, "--json"))[0]["state"] == "revoked"
        assert command("revoke", "mine").exit_code == 2


class TestAccesses:
    def test_lists(self, command: Command, gateway: FakeGateway) -> None:
        listing = {"items": [documents.access(outcome="refused"), documents.access()], "next_cursor": None}
        gateway.on("GET", "/v1/users/me/accesses", Reply(200, listing))
        heading, refused, allowed = command("accesses").stdout.splitlines()
        assert heading.split() == ["When", "Clinician", "What", "Outcome"]
        assert refused.split() == ["2026-11-23", "10:30", CLINICIAN_ID, "getTrends", "refused"]
        assert allowed.split()[-1] == "allowed"
        assert max(map(len, (heading, refused, allowed))) <= 80
        assert len(json_lines(command("accesses", "--json", "--limit", "1"))) == 1

    def test_without_any(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("GET", "/v1/users/me/accesses", Reply(200, {"items": [], "next_cursor": None}))
        assert command("accesses").stdout == "Nobody read anything of yours by a grant.\n"
