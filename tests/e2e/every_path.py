"""Drives a running system along all of its paths, the ways of failing too, with a canary in every place."""

from __future__ import annotations

import html
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import av
import httpx2
import psycopg

from leaks import Canaries
from mindtrack_client import JobStatus
from mindtrack_local.issuer import Role
from mindtrack_local.stack import Stack
from mindtrack_shared.observability import events
from mindtrack_shared.settings import StorageSettings
from mindtrack_shared.storage import open_store
from patience import eventually
from samples import SAMPLES
from webhook_receiver import Receiver, answer, garbage, hang_up

OPENAPI = Path(__file__).parents[2] / "openapi.json"
#: Places of a request's head.
HEADERS = (
    "User-Agent",
    "Referer",
    "X-Forwarded-For",
    "X-Request-ID",
    "Accept-Language",
    "If-None-Match",
    "Idempotency-Key",
    "Prefer",
    "Last-Event-ID",
)
#: Of a recording's file, whatever its format calls them.
TAGS = ("title", "artist", "comment")
#: Tables without which something of a person's cannot be written, and the request that would write it.
WRITES = {
    "notes": ("POST", "/v1/users/{person}/notes", "text"),
    "feedback": ("POST", "/v1/jobs/{job}/feedback", "note"),
    "invitations": ("POST", "/v1/invitations", "purpose"),
    "webhook_endpoints": ("POST", "/v1/webhooks", "url"),
}
ROLES: tuple[Role, ...] = ("user", "clinician", "operator", "service")


@dataclass
class Drive:
    """What was driven, and with which canaries.

    Args:
        stack: the system.
        folder: for recordings.
        hooks: takes webhooks, and misbehaves.
        nobody: a port at which nothing listens.

    """

    stack: Stack
    folder: Path
    hooks: Receiver
    nobody: int
    canaries: Canaries = field(default_factory=Canaries)
    #: Method, path, status.
    answers: list[tuple[str, str, int]] = field(default_factory=list)
    #: Method and template, of the API's routes.
    asked: set[tuple[str, str]] = field(default_factory=set)
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    scores: list[float] = field(default_factory=list)

    def everything(self) -> None:
        """Drive all of it, with what breaks last."""
        person, clinician = self.sign_in("person"), self.sign_in("clinician", "clinician")
        with person, clinician:
            job = self.record(person)
            grant = self.consent(person, clinician)
            self.write(person, clinician, job, grant["user_id"])
            self.be_told(person)
            self.lose_a_recording(person)
            self.break_tables(person, clinician, job, grant["user_id"])
            self.break_servers(person)
            self.visit_the_page()
            self.ask_for_everything_wrongly()
            self.speak_badly()
            self.expect(person.delete(f"/v1/grants/{grant['id']}"), 200)
            self.expect(clinician.get(f"/v1/users/{grant['user_id']}/trends"), 404)
            self.expect(
                person.request("DELETE", "/v1/users/me", json={"confirm": "erase everything"}), 200, 202
            )

    # --- Who asks ---------------------------------------------------------------------------------------

    def sign_in(self, who: str, *roles: Role) -> httpx2.Client:
        """Return a client of somebody whose name, token and habits are canaries."""
        token = self.canaries.keep(
            f"access token of a {who}", self.stack.token(self.canaries.new(f"subject of a {who}"), *roles)
        )
        self.canaries.keep(f"signature of the token of a {who}", token.split(".")[2])
        headers = {name: self.canaries.new(f"header {name}") for name in HEADERS}
        return self.client({**headers, "Authorization": f"Bearer {token}"})

    def client(self, headers: Mapping[str, str]) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.stack.base_url,
            headers=dict(headers),
            timeout=60,
            trust_env=False,
            event_hooks={"response": [self._note]},
        )

    def _note(self, response: httpx2.Response) -> None:
        self.answers.append((response.request.method, response.request.url.path, response.status_code))

    def expect(self, response: httpx2.Response, *statuses: int) -> Any:  # noqa: ANN401 - JSON
        assert response.status_code in statuses, (response.request.url, response.status_code, response.text)
        has_json = response.content and "json" in response.headers.get("Content-Type", "")
        return response.json() if has_json else None

    # --- Recordings -------------------------------------------------------------------------------------

    def record(self, person: httpx2.Client) -> str:
        """Send recordings of all formats that hold tags, by all ways; return a job that succeeded."""
        fields = {name: self.canaries.new(f"field {name}") for name in ("device", "app_version")}
        jobs = [
            self.expect(self.submit(person, file, **fields), 202)["id"]
            for file in (
                self.tagged(SAMPLES / f"day-{day}") for day in ("1.wav", "4.mp3", "5.ogg", "6.flac", "7.m4a")
            )
        ]
        jobs += [self.upload(person), self.send_a_body(person)]
        torn = self.tagged(SAMPLES / "day-4.mp3")
        torn.write_bytes(torn.read_bytes()[:9_000])
        jobs.append(self.expect(self.submit(person, torn), 202)["id"])
        for job in jobs:
            self.wait(person, job)
        self.refused_recordings(person)
        assert {*self.jobs.values()} == {JobStatus.SUCCEEDED, JobStatus.REJECTED}
        done = self.expect(person.get(f"/v1/jobs/{jobs[0]}", headers={"If-None-Match": ""}), 200)
        self.scores += [share for share in done["analysis"]["probabilities"].values() if share]
        return str(jobs[0])

    def tagged(self, sample: Path) -> Path:
        """Copy a sample, with canaries in its tags and its name."""
        path = self.folder / f"{self.canaries.new('file name')}{sample.suffix}"
        with av.open(str(sample)) as source, av.open(str(path), "w") as target:
            stream = target.add_stream_from_template(source.streams.audio[0])
            held = stream.metadata if sample.suffix == ".ogg" else target.metadata
            held.update({tag: self.canaries.new(f"tag {tag} of {sample.suffix}") for tag in TAGS})
            tags = list(held.values())
            for packet in source.demux(source.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        content = path.read_bytes()
        assert [tag for tag in tags if tag.encode() in content], f"{sample.suffix} holds no tags"
        piece = content[len(content) // 2 :][:24]
        self.canaries.places[piece.hex()] = "audio in hexadecimal"
        return path

    def submit(self, person: httpx2.Client, file: Path, **fields: str) -> httpx2.Response:
        key = self.canaries.new("idempotency key")
        return person.post(
            "/v1/jobs",
            files={"file": (file.name, file.read_bytes())},
            data={"time_zone": "Europe/Berlin", **fields},
            headers={"Idempotency-Key": key},
        )

    def upload(self, person: httpx2.Client) -> str:
        """Send a recording to a URL that is a secret."""
        file = self.tagged(SAMPLES / "day-3.webm")
        given = self.expect(
            person.post("/v1/uploads", json={"content_type": "audio/webm"}, headers=self.key()), 201
        )
        url = str(given["url"])
        for name, value in parse_qsl(urlsplit(url).query):
            if name.lower() in {"x-amz-signature", "signature"}:
                self.canaries.keep("signature of an upload URL", value)
        answered = httpx2.put(url, content=file.read_bytes(), headers=given["headers"], trust_env=False)
        assert answered.is_success, answered.text
        again = self.expect(person.post("/v1/jobs", json={"upload_id": given["id"]}, headers=self.key()), 202)
        return str(again["id"])

    def send_a_body(self, person: httpx2.Client) -> str:
        file = self.tagged(SAMPLES / "day-2.m4a")
        sent = person.post(
            "/v1/jobs",
            content=file.read_bytes(),
            params={"device": self.canaries.new("query device")},
            headers={"Content-Type": "audio/mp4", **self.key()},
        )
        return str(self.expect(sent, 202)["id"])

    def key(self) -> dict[str, str]:
        return {"Idempotency-Key": self.canaries.new("idempotency key")}

    def wait(self, person: httpx2.Client, job: str) -> JobStatus:
        def ended() -> bool:
            told = self.expect(
                person.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=5", "If-None-Match": ""}), 200
            )
            self.jobs[job] = JobStatus(told["status"])
            return self.jobs[job] not in {JobStatus.QUEUED, JobStatus.RUNNING}

        eventually(ended, within=90, what=f"the end of {job}")
        return self.jobs[job]

    def refused_recordings(self, person: httpx2.Client) -> None:
        said = self.canaries.new
        file = {"file": (f"{said('name of a refused file')}.wav", (SAMPLES / "day-1.wav").read_bytes())}
        for name in ("time_zone", "recorded_at", "prompt_ended_at", "priority", "unknown"):
            data = {name: said(f"refused field {name}")}
            assert person.post("/v1/jobs", files=file, data=data, headers=self.key()).status_code < 500
        for headers in ({"Content-Digest": f"sha-256=:{said('digest')}:"}, {"Content-Type": said("type")}):
            self.expect(
                person.post("/v1/jobs", content=said("body").encode(), headers={**self.key(), **headers}),
                400,
                415,
                422,
            )
        self.expect(
            person.post(
                "/v1/jobs", files={"file": (said("name"), said("content").encode())}, headers=self.key()
            ),
            415,
            422,
        )

    # --- What people write ------------------------------------------------------------------------------

    def consent(self, person: httpx2.Client, clinician: httpx2.Client) -> dict[str, Any]:
        asked = {
            "scopes": ["trends", "analyses", "notes"],
            "purpose": self.canaries.new("purpose of a grant"),
            "use_context": "healthcare",
        }
        code = self.expect(person.post("/v1/invitations", json=asked, headers=self.key()), 201)["code"]
        self.canaries.keep("invitation code", code)
        self.expect(
            clinician.post("/v1/grants", json={"code": self.canaries.new("invitation code, guessed")}),
            404,
            422,
        )
        grant: dict[str, Any] = self.expect(clinician.post("/v1/grants", json={"code": code}), 200, 201)
        return grant

    def write(self, person: httpx2.Client, clinician: httpx2.Client, job: str, person_id: str) -> None:
        said = self.canaries.new
        user, jobs = f"/v1/users/{person_id}", f"/v1/jobs/{job}"
        label = said("label of a patient")
        self.expect(person.post(f"{jobs}/feedback", json={"stress": 3, "note": said("feedback")}), 200, 201)
        self.expect(clinician.put(f"/v1/patients/{person_id}/label", json={"label": label}), 200, 204)
        note = self.expect(
            clinician.post(f"{user}/notes", json={"text": said("note")}, headers=self.key()), 201
        )
        self.expect(clinician.patch(f"{user}/notes/{note['id']}", json={"text": said("changed note")}), 200)
        found = self.expect(clinician.get("/v1/patients", params={"search": label}), 200)
        assert len(found["items"]) == 1
        self.expect(clinician.get("/v1/patients", params={"search": said("search term")}), 200)
        for export in ("history.csv", "analyses.csv", "fhir/observations", "trends", "analyses", "history"):
            self.expect(clinician.get(f"{user}/{export}"), 200)
        self.expect(clinician.delete(f"{user}/notes/{note['id']}"), 200, 204)
        self.expect(person.get("/v1/users/me/accesses"), 200)

    # --- Who is told ------------------------------------------------------------------------------------

    def be_told(self, person: httpx2.Client) -> None:
        """Have webhooks and notifications sent, tried again and given up."""
        said = self.canaries.new
        self.hooks.behaves(
            answer(
                500, said("body of a webhook's answer").encode(), X_Odd=said("header of a webhook's answer")
            ),
            garbage,
            hang_up,
            answer(302, Location=f"http://127.0.0.1/{said('where a webhook is redirected')}"),
            answer(500),
        )
        for address in (self.hooks.url, f"http://127.0.0.1:{self.nobody}/"):
            asked = {
                "url": f"{address}?token={said('secret in the URL of a webhook')}",
                "events": ["job.succeeded", "job.failed"],
                "description": said("description of a webhook"),
            }
            made = self.expect(person.post("/v1/webhooks", json=asked, headers=self.key()), 201)
            self.canaries.keep("secret of a webhook", made["secret"])
            for _ in range(3):
                self.expect(person.post(f"/v1/webhooks/{made['id']}/ping"), 200, 202)
            (delivery, *_) = self.expect(person.get(f"/v1/webhooks/{made['id']}/deliveries"), 200)["items"]
            person.post(f"/v1/webhooks/{made['id']}/deliveries/{delivery['id']}/redeliver")
        address = f"{said('e-mail address')}@example.org"
        wishes = {
            "enabled": True,
            "addresses": [
                {"channel": "email", "address": address},
                {"channel": "push", "address": said("push address")},
            ],
            "quiet_hours": {"begin": "12:00", "end": "12:00"},
        }
        self.expect(person.put("/v1/users/me/notifications", json=wishes), 200)
        self.expect(person.post("/v1/users/me/notifications/test"), 200, 202)
        eventually(
            lambda: (
                self.count("webhook_attempts") >= 4 and self.count("notifications WHERE attempts > 0") >= 2
            ),
            within=60,
            what="attempts at webhooks and notifications",
        )

    # --- What breaks ------------------------------------------------------------------------------------

    def lose_a_recording(self, person: httpx2.Client) -> None:
        """Have a job fail with an exception in its worker, each time it is tried: its object is gone."""
        worker, kept = self.stack.process("inference"), self.stack.infrastructure.recordings
        worker.stop()
        before = {path for path in kept.rglob("*") if path.is_file()}
        job = self.expect(self.submit(person, self.tagged(SAMPLES / "day-6.flac")), 202)["id"]
        # Not in the folder: the server would take what it remembers for a fault of its own.
        store = open_store(self.stack.infrastructure.settings(StorageSettings))
        for path in {path for path in kept.rglob("*") if path.is_file()} - before:
            store.remove(str(path.relative_to(kept)))
        worker.start()
        worker.wait_ready()
        assert self.wait(person, job) is JobStatus.FAILED

    def break_tables(self, person: httpx2.Client, clinician: httpx2.Client, job: str, person_id: str) -> None:
        """Have statements fail that hold what people wrote, and the worker's that hold what was found."""
        for table, (method, path, name) in WRITES.items():
            target = path.format(person=person_id, job=job)
            said = self.canaries.new(f"{name} that could not be written")
            body: dict[str, Any] = {name: said}
            if table == "feedback":
                body["mood"] = 4
            if table == "invitations":
                body |= {"scopes": ["trends"], "use_context": "healthcare"}
            if table == "webhook_endpoints":
                body = {"url": f"{self.hooks.url}?{said}", "events": ["job.failed"]}
            asker = clinician if table == "notes" else person
            with self.without(table):
                self.expect(asker.request(method, target, json=body, headers=self.key()), 500, 503)
            with self.refusing(table, name):
                self.expect(asker.request(method, target, json=body, headers=self.key()), 500)
        for broken in (self.without("day_rollups"), self.refusing("analyses", "emotion")):
            with broken:
                job = self.expect(self.submit(person, self.tagged(SAMPLES / "day-7.m4a")), 202)["id"]
                assert self.wait(person, job) is JobStatus.FAILED

    @contextmanager
    def without(self, table: str) -> Iterator[None]:
        self.sql(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            self.sql(f"ALTER TABLE {table}_away RENAME TO {table}")

    @contextmanager
    def refusing(self, table: str, column: str) -> Iterator[None]:
        """Have the server refuse rows; it quotes them when it does."""
        self.sql(f"ALTER TABLE {table} ADD CONSTRAINT none_more CHECK ({column} IS NULL) NOT VALID")
        try:
            yield
        finally:
            self.sql(f"ALTER TABLE {table} DROP CONSTRAINT none_more")

    def break_servers(self, person: httpx2.Client) -> None:
        """Ask while Postgres, storage and Valkey are away, one after the other."""
        said = self.canaries.new
        for server, statuses in (("postgres", (503,)), ("s3", (503,)), ("valkey", (202,))):
            part = self.stack.infrastructure.process(server)
            file = self.tagged(SAMPLES / "day-5.ogg")
            part.stop()
            try:
                self.expect(self.submit(person, file), *statuses)
                person.get("/v1/jobs", params={"cursor": said(f"cursor without {server}")})
                person.get("/v1/users/me/trends", params={"measure": said(f"measure without {server}")})
                if server == "valkey":
                    eventually(self._relay_has_noticed, what="the relay misses Valkey")
            finally:
                part.start()
                part.wait_ready()
        self.wait(person, self.expect(self.submit(person, self.tagged(SAMPLES / "day-5.ogg")), 202)["id"])

    def _relay_has_noticed(self) -> bool:
        log = self.stack.infrastructure.layout.logs / "relay.log"
        return events.BROKER_UNAVAILABLE in log.read_text(encoding="utf-8")

    # --- The page ---------------------------------------------------------------------------------------

    def visit_the_page(self) -> None:
        said = self.canaries.new
        with self.client({"User-Agent": said("browser")}) as browser:
            for query in ("code", "state", "error", "error_description", "iss"):
                browser.get("/session/callback", params={query: said(f"callback's {query}")})
            begun = browser.get("/session/sign-in", params={"to": f"/patients?search={said('where to')}"})
            shown = browser.get(begun.headers["location"])
            form = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', shown.text))
            form = {name: html.unescape(value) for name, value in form.items()}
            chosen = browser.post(
                str(shown.url.join("/authorize")), data={**form, "choice": "florence"}
            ).headers["location"]
            for name, value in parse_qsl(urlsplit(chosen).query):
                if name in {"code", "state"}:
                    self.canaries.keep(f"provider's {name}", value)
            assert browser.get(chosen).status_code == 303
            for cookie in browser.cookies.jar:
                if len(cookie.value or "") > 20:
                    self.canaries.keep(f"cookie {cookie.name}", str(cookie.value))
            for path in ("/", "/patients", "/record", "/operations", "/session", f"/{said('unknown page')}"):
                browser.get(path, params={"search": said(f"query of {path}")})
            browser.get(f"/static/{said('digest of a file')}/{said('name of a file')}")
            browser.get("/?language=" + said("language"))
            browser.post("/session/sign-out", headers={"Sec-Fetch-Site": said("site")})
            self.expect(browser.post("/session/sign-out", headers={"Sec-Fetch-Site": "same-origin"}), 200)

    # --- Everything that is refused ---------------------------------------------------------------------

    def ask_for_everything_wrongly(self) -> None:
        """Ask each route of the API with canaries in all that it takes: known ids, unknown ones, no token."""
        routes = json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"]
        whoever = self.sign_in("caller who asks for everything", *ROLES)
        nobody = self.client({"Authorization": f"Bearer {self.canaries.new('access token that is none')}"})
        with whoever, nobody:
            for path, operations in routes.items():
                for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
                    for asker, ids in ((whoever, None), (whoever, str(uuid4())), (nobody, None)):
                        self._ask(asker, method.upper(), path, operations[method], ids)

    def _ask(
        self, asker: httpx2.Client, method: str, path: str, operation: dict[str, Any], ids: str | None
    ) -> None:
        said = self.canaries.new
        place = f"{method} {path}"
        self.asked.add((method, path))
        filled = re.sub(r"\{(\w+)\}", lambda name: ids or said(f"{name[1]} in {place}"), path)
        query = {
            told["name"]: said(f"query {told['name']} of {place}")
            for told in operation.get("parameters", ())
            if told["in"] == "query"
        }
        unknown = {said(f"name of a query of {place}"): said(f"unknown query of {place}")}
        body = {said(f"name of a field of {place}"): said(f"field of {place}")}
        sent = body if method in {"POST", "PUT", "PATCH"} else None
        # An unknown id, and queries that are right, lead further in.
        with asker.stream(method, filled, params=unknown if ids else query, json=sent) as response:
            assert response.status_code < 500, (place, response.status_code)

    def speak_badly(self) -> None:
        """Send what is no HTTP, or no end of it."""
        said = self.canaries.new
        address = urlsplit(self.stack.base_url)
        for words in (
            f"{said('method')} / HTTP/1.1\r\nHost: x\r\n\r\n",
            f"GET /{said('path of HTTP 9')} HTTP/9.9\r\n\r\n",
            f"{said('no request at all')}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {said('endless header')}{'x' * 70_000}\r\n\r\n",
            (
                f"GET /{said('upgraded path')} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                f"Upgrade: websocket\r\nSec-WebSocket-Key: {said('socket key')}\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n"
            ),
            (
                "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 1000\r\n"
                f"Authorization: Bearer {self.stack.token(said('subject who hangs up'))}\r\n\r\n"
                f"{said('half a recording')}"
            ),
        ):
            with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
                connection.sendall(words.encode())
                connection.settimeout(1)
                with suppress(TimeoutError, ConnectionError):
                    connection.recv(65_536)

    # --- Behind the scenes ------------------------------------------------------------------------------

    def sql(self, statement: str) -> None:
        with psycopg.connect(self.stack.database_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def count(self, rows: str) -> int:
        with psycopg.connect(self.stack.database_url) as connection:
            found = connection.execute(f"SELECT count(*) FROM {rows}".encode()).fetchone()  # noqa: S608
        assert found is not None
        return int(found[0])

    def user_ids(self) -> list[str]:
        with psycopg.connect(self.stack.database_url) as connection:
            return [str(user_id) for (user_id,) in connection.execute("SELECT id FROM users")]
